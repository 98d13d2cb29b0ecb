//! The embedded API, seen through a `kube::Client`.

mod behaviour;

use flinkops::sim::{Options, Sim};
use kube::Client;

/// Runs a behaviour against a bare embedded API.
async fn check<F: Future<Output = ()>>(behaviour: impl FnOnce(Client, &'static str) -> F) {
    let sim = Sim::start(Options::without_controllers());
    behaviour(sim.client(), "behaviour").await;
}

macro_rules! behaviours {
    ($($name:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $name() {
            check(behaviour::$name).await;
        })*
    };
}

behaviours!(create_sets_metadata, create_twice_conflicts);
