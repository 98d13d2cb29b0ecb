//! What the embedded cluster offers beyond an API server: a log of requests, faults, its own time,
//! and a socket that kubectl understands. How its API behaves is checked by the conformance suite.

mod faults;
mod objects;
mod socket;
mod time;
mod watching;

use flinkops::sim::{Options, Sim};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

/// A cluster in which nothing happens by itself, and a kind to try it with.
fn cluster() -> (Sim, Api<ConfigMap>) {
    let sim = Sim::start(Options::without_controllers());
    let maps = Api::namespaced(sim.client(), "default");
    (sim, maps)
}

fn config_map(name: &str) -> ConfigMap {
    let metadata = ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() };
    ConfigMap { metadata, ..ConfigMap::default() }
}

async fn create(maps: &Api<ConfigMap>, name: &str) -> ConfigMap {
    maps.create(&PostParams::default(), &config_map(name)).await.unwrap()
}
