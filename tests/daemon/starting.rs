//! `run` begins with nothing: neither Git nor the cluster need be there yet.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flinkops::cluster::ClusterError;
use flinkops::spec::policy::Mode;

use super::running::{Running, Shelf};
use super::world::{World, chain};

#[tokio::test(start_paused = true)]
async fn a_remote_that_cannot_be_reached_is_waited_for() {
    let shelf = Arc::new(Shelf::default());
    shelf.fail(Some("fetch https://user:hunter2@example.com/orders: no route for hunter2"));
    let running = Running::on(World::new(), shelf, Mode::Enforce).await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(running.shelf.pauses(), [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(running.world.progress.count("git failed"), 1, "said once");
    assert!(running.get("/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(running.get("/metrics").await.contains("flinkops_git_errors_total 9"));
    let ready = running.get("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(ready.contains("git error: fetch https://example.com/orders: no route for (secret)"), "{ready}");
    running.shelf.fail(Some("fetch: still nothing"));
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(running.world.progress.count("git failed"), 2, "and again when it changed");
    running.shelf.fail(None);
    running.shelf.push(chain("r1", "ingest:1"));
    running.told("quiet: 2 settled").await;
    let ready = running.get("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200") && !ready.contains("error"), "{ready}");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_cannot_be_used_is_waited_for() {
    let shelf = Arc::new(Shelf::default());
    shelf.push_invalid("r1");
    let running = Running::on(World::new(), shelf, Mode::Enforce).await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(running.shelf.pauses(), [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(running.world.progress.count("invalid r1"), 1);
    let ready = running.get("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(ready.contains("git invalid: revision r1 cannot be used: flinkops.yaml: no mapping"), "{ready}");
    running.shelf.push(chain("r2", "ingest:1"));
    running.told("quiet: 2 settled").await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_cluster_is_the_one_that_git_names_and_is_tried_until_it_is_there() {
    let (world, shelf) = (World::new(), Arc::new(Shelf::default()));
    let asked: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let (cluster, asking) = (world.cluster.clone(), asked.clone());
    let connect = move |context: Option<String>| {
        let mut asked = asking.lock().expect("no panic");
        asked.push(context);
        let message = "nobody answers for hunter2".to_owned();
        let there = asked.len() > 4;
        std::future::ready(if there { Ok(cluster.clone()) } else { Err(ClusterError::Config { message }) })
    };
    let running = Running::connecting(world, shelf, Mode::Enforce, connect).await;
    running.told("git failed").await;
    assert!(asked.lock().expect("no panic").is_empty(), "before Git was read nobody knows the context");
    let mut desired = chain("r1", "ingest:1");
    desired.context = Some("eu".into());
    running.shelf.push(desired);
    running.told("start failed: find a cluster to talk to: nobody answers").await;
    let ready = running.get("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
    assert!(
        ready.contains("cluster error: failed to find a cluster to talk to: nobody answers for (secret)")
    );
    running.told("quiet: 2 settled").await;
    assert!(!running.get("/readyz").await.contains("cluster error"));
    assert_eq!(running.world.progress.count("start failed"), 1, "said once");
    assert_eq!(asked.lock().expect("no panic")[..], vec![Some("eu".to_owned()); 5]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_names_another_context_ends_the_wait_for_the_first() {
    let (world, shelf) = (World::new(), Arc::new(Shelf::default()));
    let (cluster, wrong) = (world.cluster.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = wrong.clone();
    let connect = move |context: Option<String>| {
        let message = "no such context".to_owned();
        std::future::ready(if context.is_none() {
            Ok(cluster.clone())
        } else {
            counted.fetch_add(1, Ordering::SeqCst);
            Err(ClusterError::Config { message })
        })
    };
    let mut mistaken = chain("r1", "ingest:1");
    mistaken.context = Some("typo".into());
    shelf.push(mistaken);
    let running = Running::connecting(world, shelf, Mode::Enforce, connect).await;
    running.told("start failed").await;
    running.shelf.push(chain("r2", "ingest:1"));
    running.told("quiet: 2 settled").await;
    assert!(wrong.load(Ordering::SeqCst) > 0);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_line_that_does_not_fit_the_repository_ends_it_unless_something_is_in_force() {
    let shelf = Arc::new(Shelf::default());
    shelf.fail(Some("not there yet"));
    let running = Running::on(World::new(), shelf, Mode::Enforce).await;
    running.told("git failed: not there yet").await;
    running.shelf.push_misfit("r1");
    running.shelf.fail(None);
    assert_eq!(running.error().await.to_string(), "name one with --environment");

    let running = Running::start(Some(chain("r1", "ingest:1")), Mode::Enforce).await;
    running.told("quiet: 2 settled").await;
    running.shelf.push_misfit("r2");
    running.told("git failed: name one with --environment").await;
    running.stop().await;
}
