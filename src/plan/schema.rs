//! What the cluster's schema makes of what Git wants: dropped, refused, or kept as it is.

use std::borrow::Cow;

use super::fields;
use super::fleet::Fleet;
use super::live::{Schema, Unread};
use super::operation::NONCE;
use super::remove;
use super::subject::{Subject, World};
use crate::flink::kind::Role;
use crate::flink::release::Release;
use crate::rule::RuleId;
use crate::spec::finding::Place;
use crate::spec::served::keep;
use crate::spec::{FILE, Finding, refusal};

impl Subject<'_> {
    /// Says what Git wants of the unit, without what the cluster would drop: it could never become equal, and
    /// would be written again and again. The hash is of all that Git wants.
    pub(super) fn want(&mut self, world: World<'_>) {
        let Some(unit) = self.unit else {
            self.hash = fields::hash(&self.wanted);
            return;
        };
        let whole = fields::wanted(world.desired, unit, unit.spec());
        self.hash = fields::hash(&whole);
        let stated = world.desired.operator_version.as_ref().map(|stated| stated.version);
        let (kept, findings) = match (&world.live.schema, stated) {
            (Schema::Served(served), _) => served.keep(unit),
            (Schema::Unreadable(_), Some(version)) => keep(unit, version),
            _ => (Cow::Borrowed(unit.spec()), Vec::new()),
        };
        self.wanted = match kept {
            Cow::Borrowed(_) => whole,
            Cow::Owned(spec) => fields::wanted(world.desired, unit, &spec),
        };
        self.findings = findings;
    }

    /// Says what the cluster would refuse of what is to be written. What it holds already was taken once.
    pub(super) fn refuse(&mut self, world: World<'_>) {
        self.refuse_on_cluster(world);
        self.refuse_unserved(world);
        self.refuse_change(world);
        let (Some(unit), Some(served)) = (self.unit, world.live.schema.served()) else { return };
        let is_written = |pointer: &str| {
            let path = path(pointer);
            self.live.is_none() || self.changes.iter().any(|change| overlap(&change.path, &path))
        };
        if self.live.is_none() || !self.changes.is_empty() {
            self.findings.append(&mut served.refuse(unit, is_written));
        }
    }
}

impl Subject<'_> {
    /// Not every cluster serves every kind, nor lets flinkops read it.
    fn refuse_unserved(&mut self, world: World<'_>) {
        let (Some(unit), kind) = (self.unit, self.key.kind) else { return };
        let unread = world.live.unread.get(&kind);
        let unserved = world.live.schema.served().is_some_and(|served| !served.serves(kind))
            || unread.is_some_and(|unread| !unread.served);
        let (message, hint) = match unread {
            _ if unserved => (format!("this cluster does not serve {kind}"), kind.since()),
            Some(Unread { why, .. }) => (
                format!("the cluster does not let {kind} be read: {why}"),
                "grant the right, or remove the unit",
            ),
            None => return,
        };
        let finding = Finding::error(RuleId::KindNotServed, unit.place.clone(), message).unit(&unit.key.name);
        self.findings.push(finding.hint(hint));
    }

    /// An application was judged when it was read as a new one. One that is made anew is one; what the operator writes
    /// into its own record in the middle of an upgrade is no suspension.
    fn refuse_change(&mut self, world: World<'_>) {
        let (Some(unit), Some(last)) = (self.unit, &self.status.last_reconciled) else { return };
        let changes = |path: &str| self.changes.iter().any(|change| change.path == path);
        let judged = changes(NONCE) || changes("/spec/flinkVersion") && self.is_suspended();
        if self.role != Role::Application || self.is_leaving() || !judged {
            return;
        }
        let mut previous = self.live_spec().clone();
        previous["job"]["state"] = last.job_state.clone().into();
        previous["job"]["upgradeMode"] = last.upgrade_mode.clone().into();
        previous["job"]["savepointRedeployNonce"] = last.redeploy_nonce.into();
        let found = refusal::of_change(world.desired, unit, &previous, self.release(world));
        self.findings.extend(found);
    }

    /// A session job was judged when it was read as the newest operator does, and, where its cluster is not in
    /// Git, without it.
    fn refuse_on_cluster(&mut self, world: World<'_>) {
        let (Some(unit), Some(cluster)) = (self.unit, self.cluster_spec) else { return };
        let in_git = self.key.cluster(unit.spec()).is_some_and(|key| world.desired.units.contains_key(&key));
        let release = self.release(world);
        if (!in_git || release < Release::V1_10) && cluster.is_object() {
            let known = (Some(cluster), release);
            let found = refusal::findings(world.desired, &self.key, &unit.written, unit.spec(), known);
            self.findings.extend(found);
        }
    }
}

/// A pointer into a spec as changes spell it: a configuration key is one segment.
fn path(pointer: &str) -> String {
    match pointer.split_once("/flinkConfiguration/") {
        Some((before, key)) => format!("/spec{before}/flinkConfiguration/{}", key.replace('/', ".")),
        None => format!("/spec{pointer}"),
    }
}

/// Whether one path is the other's, or leads to it.
fn overlap(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What Git brought up, and what the cluster makes of it.
pub fn findings(world: World<'_>, fleet: &Fleet<'_>) -> Vec<Finding> {
    let mut findings = world.desired.findings.clone();
    findings.extend(fleet.subjects.iter().flat_map(|subject| subject.findings.iter().cloned()));
    if let Schema::Unreadable(why) = &world.live.schema {
        let message = format!("the schema of this cluster's operator is not readable: {why}");
        let finding = Finding::info(RuleId::SchemaNotReadable, Place::file(FILE), message);
        findings.push(finding.hint("what the cluster drops or refuses is told by --dry-run server only"));
    }
    findings.extend(contradiction(world));
    findings.extend(remove::unmatched(world));
    findings.sort();
    findings.dedup();
    findings
}

/// Says that the cluster serves another version of the operator than Git states: what it serves counts.
fn contradiction(world: World<'_>) -> Option<Finding> {
    let stated = world.desired.operator_version.as_ref()?;
    let why = world.live.schema.served()?.contradiction(stated.version)?;
    let message = format!(
        "operatorVersion says {}, and this cluster's custom resource definitions are of {why}",
        stated.version
    );
    let finding = Finding::warning(RuleId::OperatorVersion, stated.place.clone(), message);
    Some(finding.hint("correct it: a plan goes by the cluster's own, and `flinkops validate` by this"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::live::Schema;
    use super::super::tests::scene::{Scene, application, key};
    use super::super::{Action, Plan};
    use crate::flink::kind::Kind;
    use crate::flink::release::OperatorVersion;
    use crate::spec::desired::OperatorStated;
    use crate::spec::finding::Place;
    use crate::spec::served::Served;

    /// An operator that knows no nonce, and takes no number in its configuration.
    fn old_operator(mut scene: Scene) -> Scene {
        let text = json!({"type": "string"});
        let job = json!({"jarURI": text, "upgradeMode": text, "parallelism": {"type": "integer"}});
        let spec = json!({"type": "object", "properties": {
            "image": text, "flinkVersion": text, "job": {"type": "object", "properties": job},
            "flinkConfiguration": {"type": "object", "additionalProperties": text},
        }});
        let kind = json!([{"group": "flink.apache.org", "version": "v1beta1", "kind": "FlinkDeployment"}]);
        let schema = json!({"x-kubernetes-group-version-kind": kind, "properties": {"spec": spec}});
        let document = json!({"components": {"schemas": {"FlinkDeployment": schema}}}).to_string();
        let document = document.into_bytes();
        scene.live.schema = Schema::Served(Arc::new(Served::read(&document).unwrap()));
        scene
    }

    fn rules(plan: &Plan) -> Vec<&str> {
        plan.findings.iter().map(|finding| finding.rule.as_str()).collect()
    }

    #[test]
    fn what_is_not_written_is_not_refused() {
        let mut spec = application("a:1");
        spec["flinkConfiguration"]["taskmanager.numberOfTaskSlots"] = json!("4");
        let scene = Scene::new().git("a", spec.clone(), &[]).running("a", spec).recorded();
        let respelt = |scene: Scene, image: &str, slots: i64| {
            old_operator(scene.unit(Kind::FlinkDeployment, "a", |unit| {
                unit.manifest["spec"]["image"] = json!(image);
                unit.manifest["spec"]["flinkConfiguration"]["taskmanager.numberOfTaskSlots"] = json!(slots);
            }))
        };
        let plan = respelt(scene, "a:2", 4).plan();
        assert_eq!((plan.units[0].action, rules(&plan)), (Action::Update, vec![]));
        assert!(plan.units[0].blocked.is_none());
        let spec = application("a:1");
        let scene = Scene::new().git("a", spec.clone(), &[]).running("a", spec).recorded();
        let plan = respelt(scene, "a:1", 4).plan();
        assert_eq!(rules(&plan), ["refused-value"]);
        assert!(plan.units[0].blocked.is_some() && plan.units[0].next.is_empty());
    }

    /// Where the cluster does not tell what it drops, the version that Git states does.
    #[test]
    fn a_stated_version_drops_fields_where_the_schema_is_not_readable() {
        let mut spec = application("a:1");
        spec["job"]["autoscalerResetNonce"] = json!(1);
        let scene = Scene::new().git("a", spec.clone(), &[]).running("a", spec);
        let mut scene = scene.edit(Kind::FlinkDeployment, "a", |object| {
            object["spec"]["job"].as_object_mut().unwrap().remove("autoscalerResetNonce");
        });
        scene.live.schema = Schema::Unreadable("the API server answers 403".to_owned());
        assert_eq!(scene.plan().units[0].changes.len(), 1);
        let place = Place::file("flinkops.yaml");
        scene.desired.operator_version = Some(OperatorStated { version: OperatorVersion::new(1, 10), place });
        let plan = scene.plan();
        assert_eq!(
            (plan.units[0].changes.len(), rules(&plan)),
            (0, vec!["schema-not-readable", "dropped-field"])
        );
        scene.live.schema = Schema::Unknown;
        assert_eq!(scene.plan().units[0].changes.len(), 1, "nobody asked: what is in Git is compared");
    }

    #[test]
    fn a_field_that_comes_with_a_newer_operator_is_pending_then_and_not_drift() {
        let mut spec = application("a:1");
        spec["job"]["savepointRedeployNonce"] = json!(1);
        let scene = Scene::new().git("a", spec.clone(), &[]).running("a", spec);
        let scene = scene.edit(Kind::FlinkDeployment, "a", |object| {
            object["spec"]["job"].as_object_mut().unwrap().remove("savepointRedeployNonce");
        });
        let mut scene = old_operator(scene);
        let plan = scene.plan();
        assert_eq!((plan.units[0].changes.len(), rules(&plan)), (0, vec!["dropped-field"]));
        for task in plan.units.into_iter().flat_map(|unit| unit.next) {
            scene.record(&task);
        }
        assert!(scene.live.ledgers.contains_key(&key(Kind::FlinkDeployment, "a")));
        assert!(scene.plan().units[0].next.is_empty(), "recorded once");
        scene.live.schema = Schema::Unknown;
        let change = &scene.plan().units[0].changes[0];
        assert_eq!(change.cause, super::super::outcome::Cause::Pending);
    }
}
