//! Objects that tests begin with, and what only the embedded API promises about objects.

use flinkops::sim::{OperatorMode, Options, Sim};
use k8s_openapi::api::core::v1::{Event, Namespace};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::core::response::StatusSummary;
use kube::runtime::events::{Event as NewEvent, EventType, Recorder};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{cluster, create};

fn deployments(sim: &Sim) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("flink.apache.org", "v1beta1", "FlinkDeployment");
    Api::namespaced_with(sim.client(), "default", &ApiResource::from_gvk(&kind))
}

#[tokio::test]
async fn a_recorded_object_is_loaded_as_it_is() {
    let (sim, _) = cluster();
    let managed = json!([{"manager": "kubectl-patch", "operation": "Update", "apiVersion": "flink.apache.org/v1beta1",
        "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:image": {}}}}]);
    let recorded = json!({
        "apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
        "metadata": {"name": "orders", "namespace": "default", "uid": "u", "generation": 4, "managedFields": managed},
        "spec": {"image": "flink:1.20"}, "status": {"lifecycleState": "STABLE", "observedGeneration": 4},
    });
    sim.store().load(recorded.clone()).unwrap();
    let seen = deployments(&sim).get("orders").await.unwrap();
    let mut expected = recorded;
    expected["metadata"]["resourceVersion"] = json!(seen.resource_version());
    assert_eq!(serde_json::to_value(&seen).unwrap(), expected);
    assert!(sim.requests().iter().all(|request| !request.is_write()), "loading is not a request");
}

#[tokio::test]
async fn a_namespace_comes_with_its_first_object() {
    let (sim, _) = cluster();
    let namespaces: Api<Namespace> = Api::all(sim.client());
    assert!(namespaces.get_opt("flink").await.unwrap().is_none());
    create(&Api::namespaced(sim.client(), "flink"), "settings").await;
    let made = namespaces.get("flink").await.unwrap();
    assert_eq!(made.status.unwrap().phase.as_deref(), Some("Active"));
}

#[tokio::test]
async fn an_old_operator_has_no_snapshots() {
    let sim = Sim::start(Options { operator: OperatorMode::V1_7, ..Options::without_controllers() });
    let kind = GroupVersionKind::gvk("flink.apache.org", "v1beta1", "FlinkStateSnapshot");
    let snapshots: Api<DynamicObject> = Api::all_with(sim.client(), &ApiResource::from_gvk(&kind));
    let error = snapshots.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 404), "{error}");
}

#[tokio::test]
async fn a_scale_is_an_edit_of_its_own_author() {
    let (sim, _) = cluster();
    let api = deployments(&sim);
    let intent = json!({"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment",
        "metadata": {"name": "orders"}, "spec": {"taskManager": {"replicas": 2}}});
    api.patch("orders", &PatchParams::apply("flinkops"), &Patch::Apply(intent)).await.unwrap();
    let replicas = Patch::Merge(json!({"spec": {"replicas": 3}}));
    let by_kubectl = PatchParams { field_manager: Some("kubectl".into()), ..PatchParams::default() };
    let scale = api.patch_scale("orders", &by_kubectl, &replicas).await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(3));
    let seen = api.get("orders").await.unwrap();
    assert_eq!(seen.data["spec"], json!({"taskManager": {"replicas": 3}}));
    assert_eq!(seen.metadata.generation, Some(2));
    let managers = seen.managed_fields().iter().map(|it| (it.manager.as_deref(), it.subresource.as_deref()));
    assert_eq!(managers.collect::<Vec<_>>(), [(Some("kubectl"), Some("scale"))]);
}

#[tokio::test]
async fn events_are_seen_under_both_versions_and_selected_by_their_object() {
    let (sim, maps) = cluster();
    let about = create(&maps, "settings").await;
    let recorder = Recorder::new(sim.client(), "flinkops".into());
    let event = NewEvent {
        type_: EventType::Normal,
        reason: "Applied".into(),
        note: Some("applied from main".into()),
        action: "apply".into(),
        secondary: None,
    };
    let reference = kube::Resource::object_ref(&about, &());
    recorder.publish(&event, &reference).await.unwrap();
    recorder.publish(&event, &reference).await.unwrap();
    let events: Api<Event> = Api::namespaced(sim.client(), "default");
    let uid = about.uid().unwrap();
    let of_object = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    let seen = events.list(&of_object).await.unwrap().items;
    assert_eq!(seen.len(), 1, "the second one counts up the first");
    assert_eq!(seen[0].message.as_deref(), Some("applied from main"));
    assert_eq!(seen[0].series.as_ref().and_then(|it| it.count), Some(2));
    let of_another = ListParams::default().fields("involvedObject.uid=other");
    assert!(events.list(&of_another).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_refusal_is_a_status_that_the_client_understands() {
    let (_sim, maps) = cluster();
    let error = maps.get("nobody").await.unwrap_err();
    let kube::Error::Api(status) = error else { panic!("not an answer: {error}") };
    assert_eq!(status.status, Some(StatusSummary::Failure));
    assert_eq!(status.message, "configmaps \"nobody\" not found");
    assert_eq!(status.details.unwrap().name, "nobody");
}
