//! Watches as `kube` makes them.

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, WatchEvent, WatchParams};
use kube::runtime::watcher::{self, Event};
use kube::{Api, ResourceExt};

use super::{cluster, create};

/// The next event, as one word and a name.
async fn next<S>(events: &mut S) -> String
where
    S: futures::Stream<Item = Result<Event<ConfigMap>, watcher::Error>> + Unpin,
{
    match events.next().await.expect("a watcher does not end") {
        Ok(Event::Init) => "init".into(),
        Ok(Event::InitApply(it)) => format!("listed {}", it.name_any()),
        Ok(Event::InitDone) => "ready".into(),
        Ok(Event::Apply(it)) => format!("applied {}", it.name_any()),
        Ok(Event::Delete(it)) => format!("deleted {}", it.name_any()),
        Err(error) => format!("error: {error}"),
    }
}

async fn a_watcher_follows(config: watcher::Config) {
    let (sim, maps) = cluster();
    create(&maps, "before").await;
    let mut events = Box::pin(watcher::watcher(maps.clone(), config));
    for expected in ["init", "listed before", "ready"] {
        assert_eq!(next(&mut events).await, expected);
    }
    create(&maps, "after").await;
    assert_eq!(next(&mut events).await, "applied after");
    maps.delete("before", &DeleteParams::default()).await.unwrap();
    assert_eq!(next(&mut events).await, "deleted before");
    assert_eq!(sim.requests().iter().filter(|it| it.is_write()).count(), 3);
}

#[tokio::test]
async fn a_watcher_that_lists_first_follows() {
    a_watcher_follows(watcher::Config::default()).await;
}

#[tokio::test]
async fn a_watcher_that_streams_the_list_follows() {
    a_watcher_follows(watcher::Config::default().streaming_lists()).await;
}

#[tokio::test]
async fn a_watch_that_falls_behind_a_compaction_is_told_to_list_again() {
    let (sim, maps) = cluster();
    let version = create(&maps, "one").await.resource_version().unwrap();
    let mut lagging = maps.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    create(&maps, "two").await;
    create(&maps, "three").await;
    sim.store().compact();
    let Some(WatchEvent::Error(status)) = lagging.try_next().await.unwrap() else { panic!("not an error") };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    assert!(lagging.try_next().await.unwrap().is_none(), "the watch has ended");
}

#[tokio::test]
async fn a_watch_of_all_namespaces_sees_each() {
    let (sim, maps) = cluster();
    let elsewhere: Api<ConfigMap> = Api::namespaced(sim.client(), "elsewhere");
    let all: Api<ConfigMap> = Api::all(sim.client());
    let mut events = all.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    for (api, namespace) in [(&maps, "default"), (&elsewhere, "elsewhere")] {
        create(api, "a").await;
        let Some(WatchEvent::Added(seen)) = events.try_next().await.unwrap() else { panic!("not added") };
        assert_eq!(seen.namespace().as_deref(), Some(namespace));
    }
}
