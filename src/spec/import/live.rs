//! Live objects as people would have written them: without status, and without what the API server, the
//! operator, its webhook and other tools put in.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::bundle::{Bundle, Object};
use super::companion::references;
use crate::flink::canonical::leaves;
use crate::flink::config;
use crate::flink::kind::{Kind, maker, templated};
use crate::flink::pointer::At as _;
use crate::rule::RuleId;
use crate::spec::finding::{Finding, Place};

/// Tools that mark what they look after, by the domain of their labels and annotations, and what to call them.
const TOOLS: [(&str, &str); 7] = [
    ("argocd.argoproj.io", "Argo CD"),
    ("fleet.cattle.io", "Fleet"),
    ("helm.toolkit.fluxcd.io", "Flux"),
    ("kapp.k14s.io", "kapp"),
    ("kustomize.toolkit.fluxcd.io", "Flux"),
    ("meta.helm.sh", "Helm"),
    ("objectset.rio.cattle.io", "Fleet"),
];
/// Domains of what is written by whoever writes the object, and means nothing by itself.
const NOISE: [&str; 5] = ["field.cattle.io", "flinkops.dev", "helm.sh", "kubectl.kubernetes.io", CONFLUENT];
/// The domain by which Confluent Manager marks the FlinkDeployments that it makes.
const CONFLUENT: &str = "platform.confluent.io";
/// The same, whole names. The last is the label that the operator's webhook gives a session job.
const NAMES: [&str; 2] = ["app.kubernetes.io/managed-by", "target.session"];
/// The annotation while flinkops itself has something under way.
const OPERATION: &str = "flinkops.dev/operation";
/// The label of what flinkops looks after already.
const REPOSITORY: &str = "flinkops.dev/repository";
/// What the autoscaler writes.
const OVERRIDES: &str = "pipeline.jobvertex-parallelism-overrides";

/// Units as they are in a cluster, and the ConfigMaps that they name, where those are wanted. A repository's
/// own jobs are taken as they are.
pub fn read(units: &[Value], config_maps: Option<&[Value]>, repository: &str) -> Bundle {
    let mut bundle = Bundle::default();
    let mut wanted = BTreeSet::new();
    for object in units.iter().filter(|object| !is_passing(object)) {
        if let Some(finding) = made(object) {
            bundle.findings.push(finding);
            continue;
        }
        let (found, findings) = unit(object, repository);
        bundle.findings.extend(findings);
        let Some(found) = found else { continue };
        for (_, name) in
            references(&found.manifest["spec"]).into_iter().filter(|(kind, _)| kind == "ConfigMap")
        {
            if config_maps.is_none() {
                let message = format!("{} names the ConfigMap {name}, which was not imported", found.title());
                let finding = Finding::warning(RuleId::ImportConfigMap, found.place.clone(), message);
                bundle.findings.push(finding.hint("import again with --config-maps, or keep it elsewhere"));
            }
            wanted.insert((found.namespace().unwrap_or_default().to_owned(), name));
        }
        bundle.objects.push(found);
    }
    for object in config_maps.unwrap_or_default() {
        let found = of(object);
        let key = (found.namespace().unwrap_or_default().to_owned(), found.name().to_owned());
        if wanted.contains(&key) {
            bundle.objects.push(Object { manifest: clean(object).0, ..found });
        }
    }
    bundle
}

/// What is made of another resource comes with that, and would be fought over if it were in Git, too.
fn made(object: &Value) -> Option<Finding> {
    let is_marked = || {
        let marks =
            ["labels", "annotations"].into_iter().filter_map(|part| object["metadata"][part].as_object());
        marks.flatten().any(|(name, _)| domain_of(name) == CONFLUENT)
    };
    let by_confluent = object["kind"] == Kind::FlinkDeployment.as_str() && is_marked();
    let maker = maker(object).map(|unit| unit.title());
    let maker = maker.or_else(|| by_confluent.then(|| "Confluent Manager".to_owned()))?;
    let object = of(object);
    let message = format!("{} was left out: {maker} makes it", object.title());
    let hint = "what it is made of is imported, where it is in the cluster";
    Some(Finding::info(RuleId::ImportMade, object.place, message).hint(hint))
}

/// Whether it is a snapshot that the operator took for its own ends: it is in nobody's files.
fn is_passing(object: &Value) -> bool {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let stamp =
        name.rsplit_once('-').is_some_and(|(_, stamp)| stamp.bytes().all(|byte| byte.is_ascii_digit()));
    let kinds = ["-savepoint-", "-checkpoint-"].iter().any(|kind| name.contains(kind));
    object["kind"] == Kind::FlinkStateSnapshot.as_str() && stamp && kinds
}

fn of(object: &Value) -> Object {
    let text = |pointer| object.at(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = format!("{}/{}/{}", text("/metadata/namespace"), text("/kind"), text("/metadata/name"));
    Object::bare(Place::file(name), object.clone(), true)
}

fn unit(live: &Value, repository: &str) -> (Option<Object>, Vec<Finding>) {
    let found = of(live);
    let place = || found.place.clone();
    let said = |part: &str, key: &str| live["metadata"][part].get(key).and_then(Value::as_str);
    let going = live["metadata"].get("deletionTimestamp").is_some();
    if going || said("annotations", OPERATION).is_some() {
        let what = if going { "deleted" } else { "changed by flinkops" };
        let message = format!("{} is being {what}: it was not imported", found.title());
        let finding = Finding::error(RuleId::ImportUnsettled, place(), message);
        return (None, vec![finding.hint("import it once that is over")]);
    }
    let (mut manifest, others) = clean(live);
    let mut findings = Vec::new();
    if !others.is_empty() {
        let message = format!("left out what other tools wrote: {}", others.join(", "));
        findings.push(Finding::info(RuleId::ImportOthers, place(), message));
    }
    let tool =
        |name: &String| TOOLS.iter().find(|(domain, _)| domain_of(name) == *domain).map(|(_, tool)| *tool);
    let owner = said("labels", REPOSITORY).filter(|owner| *owner != repository);
    let owner = owner.map(|owner| format!("the flinkops repository `{owner}`"));
    if let Some(owner) = owner.or_else(|| others.iter().find_map(tool).map(str::to_owned)) {
        let message = format!("{owner} looks after {}", found.title());
        let finding = Finding::warning(RuleId::ImportOwner, place(), message);
        let hint = "flinkops leaves it alone until its marks are gone, or job.yaml says `adopt: \"<why>\"`";
        findings.push(finding.hint(hint));
    }
    findings.extend(stateless(&found, live));
    if let Some(spec) = manifest.get_mut("spec") {
        *spec = minimal(spec);
    }
    (Some(Object { manifest, ..found }), findings)
}

/// The operator's default drops a job's state, and so does not count as words.
fn stateless(found: &Object, live: &Value) -> Option<Finding> {
    // What an environment of Confluent's says is no job's.
    let kind = Kind::parse(found.at("/kind")).filter(|kind| *kind != Kind::FlinkEnvironment)?;
    let spec = templated(kind, &live["spec"]);
    let mode = spec.at("/job/upgradeMode").and_then(Value::as_str).unwrap_or("stateless");
    let configuration = spec.get("flinkConfiguration").map(config::flatten).unwrap_or_default();
    let has_job = spec.get("job").is_some_and(Value::is_object);
    if !has_job || mode != "stateless" || !config::keeps_state(spec, &configuration) {
        return None;
    }
    let message = format!("{} keeps state, and is upgraded without it", found.title());
    let finding = Finding::warning(RuleId::ImportStateless, found.place.clone(), message);
    Some(finding.hint("write `upgradeMode: savepoint` in job.yaml; `stateless` there is consent to lose it"))
}

/// A live object without what is not its author's, and the names of the labels and annotations among that.
fn clean(live: &Value) -> (Value, Vec<String>) {
    let mut others = Vec::new();
    let mut metadata = Map::new();
    for key in ["name", "namespace"] {
        metadata.extend(live["metadata"].get(key).map(|value| (key.to_owned(), value.clone())));
    }
    for part in ["labels", "annotations"] {
        let said = live["metadata"][part].as_object().cloned().unwrap_or_default();
        let (kept, gone): (Map<_, _>, Map<_, _>) = said.into_iter().partition(|(name, _)| !is_foreign(name));
        if !kept.is_empty() {
            metadata.insert(part.to_owned(), kept.into());
        }
        others
            .extend(gone.into_iter().map(|(name, _)| name).filter(|name| domain_of(name) != "flinkops.dev"));
    }
    let mut manifest = json!({"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata});
    let body = live.as_object().into_iter().flatten();
    for (key, value) in
        body.filter(|(key, _)| !["apiVersion", "kind", "metadata", "status"].contains(&key.as_str()))
    {
        manifest[key] = value.clone();
    }
    (manifest, others)
}

fn is_foreign(name: &str) -> bool {
    let domain = domain_of(name);
    NAMES.contains(&name) || NOISE.contains(&domain) || TOOLS.iter().any(|(tool, _)| *tool == domain)
}

fn domain_of(name: &str) -> &str {
    name.split_once('/').map_or("", |(domain, _)| domain)
}

/// The spec without all that makes no difference to the operator: it, its webhook and the API server write
/// defaults into it, and nobody can tell who did.
fn minimal(spec: &Value) -> Value {
    let mut spec = spec.clone();
    let flat = spec.get("flinkConfiguration").map(config::flatten).unwrap_or_default();
    let scaled = ["job.autoscaler.enabled", "kubernetes.operator.job.autoscaler.enabled"];
    if config::first(&flat, &scaled).is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        spec["flinkConfiguration"].as_object_mut().map(|keys| keys.remove(OVERRIDES));
    }
    let meant = leaves(&spec);
    let mut ways = Vec::new();
    members(&spec, &mut String::new(), &mut ways);
    for (parent, key) in ways {
        let mut without = spec.clone();
        let fields = without.pointer_mut(&parent).and_then(Value::as_object_mut);
        if fields.and_then(|fields| fields.remove(&key)).is_some() && leaves(&without) == meant {
            spec = without;
        }
    }
    spec
}

/// Every member of every map, the innermost first, as its map's pointer and its key.
fn members(value: &Value, pointer: &mut String, found: &mut Vec<(String, String)>) {
    let length = pointer.len();
    let mut below = |segment: &str, value: &Value, found: &mut Vec<(String, String)>| {
        pointer.push('/');
        pointer.push_str(&crate::flink::pointer::escape(segment));
        members(value, pointer, found);
        pointer.truncate(length);
    };
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                below(key, field, found);
            }
            found.extend(fields.keys().map(|key| (pointer.clone(), key.clone())));
        }
        Value::Array(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                below(&index.to_string(), entry, found);
            }
        }
        _ => {}
    }
}

/// Whether an object is of a kind that is read from a cluster.
pub fn is_unit(object: &Value) -> bool {
    object["kind"].as_str().and_then(Kind::parse).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operators_webhook_wrote_is_not_imported() {
        let live = json!({"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkSessionJob",
            "metadata": {"name": "a", "namespace": "flink", "uid": "1", "resourceVersion": "7", "generation": 1,
                "managedFields": [], "labels": {"target.session": "s", "team": "a"},
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
            "spec": {"deploymentName": "s", "restartNonce": null, "flinkConfiguration": {}, "job": {"jarURI": "x",
                "args": [], "state": "running", "upgradeMode": "stateless", "parallelism": 0}},
            "status": {}});
        let bundle = read(&[live], None, "orders");
        assert_eq!(
            bundle.objects[0].manifest,
            json!({"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkSessionJob",
                "metadata": {"name": "a", "namespace": "flink", "labels": {"team": "a"}},
                "spec": {"deploymentName": "s", "job": {"jarURI": "x"}}})
        );
        let said: Vec<&str> = bundle.findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(
            said,
            [
                "left out what other tools wrote: target.session, kubectl.kubernetes.io/last-applied-configuration"
            ]
        );
    }

    fn metadata(name: &str, more: &Value) -> Value {
        let mut metadata = json!({"name": name, "namespace": "flink"});
        metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        metadata
    }

    #[test]
    fn what_is_made_of_another_resource_is_left_to_it() {
        let deployment = |name: &str, more: Value| {
            json!({"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "metadata": metadata(name, &more),
                "spec": {}})
        };
        let owned = |api_version: &str, kind: &str| json!({"ownerReferences": [{"apiVersion": api_version, "kind": kind, "name": "orders", "controller": false}]});
        let live = [
            deployment("orders-blue", owned("flink.apache.org/v1beta1", "FlinkBlueGreenDeployment")),
            deployment("managed", json!({"labels": {"platform.confluent.io/cmf-managed": "true"}})),
            deployment("by-chart", owned("example.com/v1", "Team")),
        ];
        let bundle = read(&live, None, "orders");
        let names: Vec<&str> = bundle.objects.iter().map(Object::name).collect();
        assert_eq!(names, ["by-chart"]);
        let said: Vec<&str> = bundle.findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(
            said,
            [
                "FlinkDeployment orders-blue was left out: FlinkBlueGreenDeployment orders makes it",
                "FlinkDeployment managed was left out: Confluent Manager makes it",
            ]
        );
    }

    #[test]
    fn what_would_lose_state_or_is_on_its_way_is_told() {
        let job = |name: &str, more: Value| {
            json!({"apiVersion": "flink.apache.org/v1beta1", "kind": "FlinkDeployment", "metadata": metadata(name, &more),
                "spec": {"flinkConfiguration": {"execution.checkpointing.interval": "60 s"},
                    "job": {"upgradeMode": "stateless"}}})
        };
        let mut two = job("c", json!({}));
        two["kind"] = json!("FlinkBlueGreenDeployment");
        two["spec"] = json!({"template": {"spec": two["spec"]}});
        let live = [job("a", json!({})), job("b", json!({"deletionTimestamp": "2026-11-20T10:00:00Z"})), two];
        let bundle = read(&live, None, "orders");
        let said: Vec<(&str, &str)> =
            bundle.findings.iter().map(|finding| (finding.rule.as_str(), finding.message.as_str())).collect();
        assert_eq!(
            said,
            [
                ("import-stateless", "FlinkDeployment a keeps state, and is upgraded without it"),
                ("import-unsettled", "FlinkDeployment b is being deleted: it was not imported"),
                ("import-stateless", "FlinkBlueGreenDeployment c keeps state, and is upgraded without it"),
            ]
        );
        assert_eq!(bundle.objects.len(), 2);
    }

    #[test]
    fn a_map_that_means_something_although_it_is_empty_stays() {
        let spec = json!({"jobManager": {"replicas": 1}, "taskManager": {}, "podTemplate": {"status": {}, "spec":
            {"containers": [{"name": "c", "env": [], "resources": {}}], "volumes": [{"name": "v", "emptyDir": {}}]}}});
        assert_eq!(
            minimal(&spec),
            json!({"jobManager": {}, "taskManager": {}, "podTemplate": {"spec": {"containers": [{"name": "c",
                "resources": {}}], "volumes": [{"name": "v", "emptyDir": {}}]}}})
        );
    }
}
