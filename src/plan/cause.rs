//! Whose move a difference is: Git's, the cluster's, both; or of the machinery, and then nobody's.

use serde_json::Value;

use super::fields::{Fields, field_hash};
use super::ledger::{ANNOTATION_HASH, Ledger};
use super::live::LiveObject;
use super::operation::{Operation, Purpose};
use super::outcome::{Cause, Change};
use super::owner::Owners;
use crate::flink::pointer::dotted;
use crate::rule::RuleId;
use crate::spec::{Finding, Unit};

/// What `kubectl scale` and a `HorizontalPodAutoscaler` write.
const REPLICAS: &str = "/spec/taskManager/replicas";

/// All that tells whose move a difference is.
pub struct Record<'a> {
    /// The fields that Git wants.
    wanted: &'a Fields,
    /// What was applied last, field by field; `None` where nobody wrote it down.
    ledger: Option<&'a Ledger>,
    /// The hash of what flinkops wrote last, which went with the write itself.
    written: Option<&'a str>,
    /// The hash of what Git wants.
    hash: &'a str,
    /// Whether a write of ours stands that was not of the whole unit as Git wants it.
    partial: bool,
}

/// What flinkops sets for a while, and puts back without the rest of the unit.
const PASSING: [&str; 4] = [
    "/spec/job/state",
    "/spec/job/upgradeMode",
    "/spec/job/initialSavepointPath",
    "/spec/job/savepointRedeployNonce",
];

impl<'a> Record<'a> {
    /// Reads what is known about a live object.
    pub fn of(live: &'a LiveObject, ledger: Option<&'a Ledger>, wanted: &'a Fields, hash: &'a str) -> Self {
        let ledger = ledger.filter(|ledger| !ledger.fields.is_empty());
        let whole = |operation: Operation| matches!(operation.purpose, Purpose::Restore | Purpose::Resume);
        let partial = Operation::of(live).is_some_and(|operation| !whole(operation));
        Self { wanted, ledger, written: live.annotation(ANNOTATION_HASH), hash, partial }
    }

    /// Whether the cluster itself made something else of a field that flinkops wrote as Git wants it, as a
    /// webhook does: nobody has written the field since. Written again, it would come back the same.
    pub fn is_answered(&self, path: &str, after: Option<&Value>, owners: &Owners) -> bool {
        let Some(after) = after.filter(|_| owners.are_ours() && !self.partial && !PASSING.contains(&path))
        else {
            return false;
        };
        let noted = || self.ledger?.fields.get(path).filter(|noted| !noted.is_empty());
        match self.written {
            Some(written) if written == self.hash => true,
            Some(written) if self.recorded() == Some(written) => noted() == Some(&*field_hash(path, after)),
            _ => false,
        }
    }

    /// From the ledger's field hashes, else (for a secret, always) from who owns the field, else pending; `None` where the operator,
    /// its webhook or another part of admission put in a field that Git never named.
    pub fn cause(
        &self,
        path: &str,
        before: Option<&Value>,
        after: Option<&Value>,
        owners: &Owners,
    ) -> Option<Cause> {
        if after.is_none() && owners.are_machinery() && self.is_never_applied(path, owners) {
            return None;
        }
        let Some(ledger) = self.ledger else { return Some(self.without_ledger(owners)) };
        let applied = ledger.fields.get(path);
        if applied.is_some_and(str::is_empty) {
            return Some(self.without_ledger(owners));
        }
        let same = |value: Option<&Value>| value.map(|value| field_hash(path, value)).as_deref() == applied;
        Some(match (same(before), same(after)) {
            (true, _) => Cause::Pending,
            // Our own write that was not recorded in time: Git has moved on since.
            _ if owners.ours() && self.is_unrecorded() => Cause::Pending,
            (false, false) if owners.ours() && before.is_some() => Cause::Pending,
            (false, true) => Cause::Drift,
            (false, false) => Cause::Both,
        })
    }

    fn without_ledger(&self, owners: &Owners) -> Cause {
        let moved = self.written == Some(self.hash);
        let ours = owners.is_empty() || owners.ours() || owners.are_operator();
        if ours && !moved { Cause::Pending } else { Cause::Drift }
    }

    /// Whether flinkops wrote something else than the ledger says.
    fn is_unrecorded(&self) -> bool {
        self.written.is_some() && self.written != self.recorded()
    }

    fn recorded(&self) -> Option<&str> {
        Some(self.ledger?.applied.first()?.hash.as_str())
    }

    /// What flinkops owns without having applied it was put into its own write, by a webhook.
    fn is_never_applied(&self, path: &str, owners: &Owners) -> bool {
        let in_ledger = self.ledger.is_some_and(|ledger| ledger.fields.contains(path));
        match self.written {
            Some(written) if written == self.hash => !self.wanted.contains_key(path),
            Some(written) if self.recorded() == Some(written) => !in_ledger,
            _ => !owners.ours() && !in_ledger,
        }
    }
}

/// Says that a field does not become what Git says, whatever flinkops writes.
pub fn answered(unit: &Unit, pointer: &str) -> Finding {
    let message = format!(
        "the cluster changes this value: {} was written as Git says and has come back as something else, as a \
         webhook does it; it is not written again",
        dotted(pointer)
    );
    let hint = format!(
        "write what the cluster makes of it, or leave it the field: policy: {{ignore: [{{path: {pointer}, reason: \
         \"<why>\"}}]}}"
    );
    let finding = Finding::warning(RuleId::ChangedByCluster, unit.written.place_of(pointer), message);
    finding.hint(hint).unit(&unit.key.name)
}

/// Says how to leave a unit's scale to whoever changed it.
pub fn scaled(unit: &Unit, changes: &[Change]) -> Option<Finding> {
    changes.iter().find(|change| change.path == REPLICAS && change.cause != Cause::Pending)?;
    let message = "`taskManager.replicas` was changed in the cluster, as kubectl scale or an autoscaler does";
    let finding = Finding::warning(RuleId::ScaledInCluster, unit.written.place_of(REPLICAS), message);
    let hint = format!("to leave it to them: policy: {{ignore: [{{path: {REPLICAS}, reason: \"<why>\"}}]}}");
    Some(finding.hint(hint).unit(&unit.key.name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::ledger::Applied;
    use super::*;
    use crate::spec::source::Revision;

    const PATH: &str = "/spec/image";

    /// A field that was `applied` last (with the hash `recorded`), is `before` now and should be `after`.
    #[derive(Clone, Default)]
    struct Case {
        applied: Option<&'static str>,
        recorded: Option<&'static str>,
        written: Option<&'static str>,
        before: Option<&'static str>,
        after: Option<&'static str>,
        managers: &'static [&'static str],
    }

    impl Case {
        fn cause(&self) -> Option<Cause> {
            self.judge(|record, before, after, owners| record.cause(PATH, before, after, owners))
        }

        fn is_answered(&self) -> bool {
            self.judge(|record, _, after, owners| record.is_answered(PATH, after, owners))
        }

        fn judge<T>(
            &self,
            judge: impl FnOnce(&Record<'_>, Option<&Value>, Option<&Value>, &Owners) -> T,
        ) -> T {
            let entry = |manager: &&str| json!({"manager": manager, "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:image": {}}}});
            let entries: Vec<Value> = self.managers.iter().map(entry).collect();
            let mut object = json!({"metadata": {"managedFields": entries, "annotations": {}}});
            if let Some(written) = self.written {
                object["metadata"]["annotations"][ANNOTATION_HASH] = json!(written);
            }
            let live = LiveObject::new(object);
            let ledger = self.recorded.map(|hash| {
                let mut fields: Fields = [("/spec/other".to_owned(), json!("x"))].into();
                fields.extend(self.applied.map(|value| (PATH.to_owned(), json!(value))));
                let (revision, time) = (Revision::new("c0ffee"), jiff::Timestamp::MIN);
                let applied = Applied::new(revision, hash, 1, time);
                let fields = super::super::fields::FieldHashes::of(&fields);
                Ledger { fields, applied: vec![applied], ..Ledger::default() }
            });
            let wanted: Fields =
                self.after.map(|value| (PATH.to_owned(), json!(value))).into_iter().collect();
            let (before, after) = (self.before.map(|it| json!(it)), self.after.map(|it| json!(it)));
            let record = Record::of(&live, ledger.as_ref(), &wanted, "now");
            judge(&record, before.as_ref(), after.as_ref(), &Owners::of(&live, PATH))
        }
    }

    fn recorded(applied: Option<&'static str>) -> Case {
        Case { applied, recorded: Some("now"), written: Some("now"), ..Case::default() }
    }

    #[test]
    fn the_ledger_tells_who_moved() {
        let moved = |applied, before, after| Case { before, after, ..recorded(applied) }.cause();
        assert_eq!(moved(Some("a"), Some("a"), Some("b")), Some(Cause::Pending));
        assert_eq!(moved(Some("a"), Some("b"), Some("a")), Some(Cause::Drift));
        assert_eq!(moved(Some("a"), Some("b"), Some("c")), Some(Cause::Both));
        assert_eq!(moved(Some("a"), None, Some("a")), Some(Cause::Drift), "removed by someone");
        assert_eq!(moved(Some("a"), Some("a"), None), Some(Cause::Pending), "removed in Git");
        assert_eq!(moved(None, Some("a"), None), Some(Cause::Drift), "put in by nobody knows whom");
        assert_eq!(moved(None, None, Some("a")), Some(Cause::Pending), "new in Git");
    }

    #[test]
    fn whoever_else_writes_is_drift() {
        for managers in [
            &["kubectl-edit"] as &[&str],
            &["kubectl-rollout"],
            &["kube-controller-manager"],
            &["argocd-controller"],
            &["helm"],
            &["flinkops", "argocd-controller"],
        ] {
            let put_in = Case { before: Some("b"), managers, ..recorded(None) };
            assert_eq!(put_in.cause(), Some(Cause::Drift), "{managers:?}");
            let changed = Case { before: Some("b"), after: Some("a"), managers, ..recorded(Some("a")) };
            assert_eq!(changed.cause(), Some(Cause::Drift), "{managers:?}");
        }
    }

    #[test]
    fn what_the_operator_or_a_webhook_puts_in_is_nobodys_move() {
        let operator = Case { before: Some("b"), managers: &["fabric8-kubernetes-client"], ..recorded(None) };
        assert_eq!(operator.cause(), None);
        let webhook = Case { managers: &["flinkops"], ..operator };
        assert_eq!(webhook.cause(), None, "in a write of our own");
        let later = Case { written: Some("before"), recorded: Some("before"), ..webhook.clone() };
        assert_eq!(later.cause(), None, "Git has moved on, elsewhere");
        let unrecorded = Case { written: Some("lost"), ..webhook };
        assert_eq!(unrecorded.cause(), Some(Cause::Pending), "perhaps a write of ours that Git took back");
    }

    #[test]
    fn what_git_once_named_is_not_left_to_the_operator() {
        let case =
            Case { before: Some("b"), managers: &["fabric8-kubernetes-client"], ..recorded(Some("a")) };
        let removed = Case { recorded: Some("before"), written: Some("before"), ..case };
        assert_eq!(removed.cause(), Some(Cause::Both));
    }

    #[test]
    fn a_write_that_was_not_recorded_in_time_is_our_own() {
        let case =
            Case { before: Some("b"), after: Some("a"), managers: &["flinkops"], ..recorded(Some("a")) };
        let unrecorded = Case { written: Some("lost"), ..case.clone() };
        assert_eq!(unrecorded.cause(), Some(Cause::Pending));
        assert_eq!(case.cause(), Some(Cause::Drift));
    }

    #[test]
    fn what_comes_back_otherwise_from_our_own_write_is_the_clusters_answer() {
        let case =
            Case { before: Some("b"), after: Some("a"), managers: &["flinkops"], ..recorded(Some("a")) };
        assert!(case.is_answered(), "written as Git wants it, and by nobody since");
        let unrecorded = Case { recorded: Some("before"), applied: Some("x"), ..case.clone() };
        assert!(unrecorded.is_answered(), "before it is recorded");
        let elsewhere = Case { recorded: Some("before"), written: Some("before"), ..case.clone() };
        assert!(elsewhere.is_answered(), "Git has moved on, elsewhere");
        assert!(!Case { applied: Some("x"), ..elsewhere.clone() }.is_answered(), "Git has moved on, here");
        assert!(!Case { written: Some("lost"), ..elsewhere }.is_answered(), "nobody knows what was written");
        assert!(!Case { after: None, ..case.clone() }.is_answered(), "Git never named it");
        for managers in [&[] as &[&str], &["kubectl-edit"], &["flinkops", "argocd-controller"]] {
            assert!(!Case { managers, ..case.clone() }.is_answered(), "{managers:?}");
        }
    }

    #[test]
    fn s25_a_secret_has_no_hash_and_its_owner_tells_who_moved() {
        const SECRET: &str = "/spec/flinkConfiguration/s3.secret-key";
        let fields: Fields = [
            (SECRET.to_owned(), json!("1")),
            ("/spec/job/args".to_owned(), json!(["--password=1"])),
            (PATH.to_owned(), json!("1")),
        ]
        .into();
        let noted = super::super::fields::FieldHashes::of(&fields);
        let lengths: Vec<usize> = noted.iter().map(|(_, hash)| hash.len()).collect();
        assert_eq!(lengths, [0, 8, 0]);
        let by = |manager: &str, hash: &str| {
            let owned = json!({"f:spec": {"f:flinkConfiguration": {"f:s3.secret-key": {}}}});
            let live = LiveObject::new(json!({"metadata": {
                "managedFields": [{"manager": manager, "fieldsV1": owned}],
                "annotations": {ANNOTATION_HASH: "then"},
            }}));
            let ledger = Ledger { fields: noted.clone(), ..Ledger::default() };
            let record = Record::of(&live, Some(&ledger), &fields, hash);
            let owners = Owners::of(&live, SECRET);
            record.cause(SECRET, Some(&json!("2")), Some(&json!("1")), &owners)
        };
        assert_eq!(by("flinkops", "now"), Some(Cause::Pending));
        assert_eq!(by("kubectl-edit", "then"), Some(Cause::Drift));
    }

    #[test]
    fn without_a_ledger_the_owner_tells_and_else_it_is_pending() {
        let by = |managers| Case { before: Some("b"), after: Some("a"), managers, ..Case::default() }.cause();
        assert_eq!(by(&[]), Some(Cause::Pending));
        assert_eq!(by(&["flinkops"]), Some(Cause::Pending));
        assert_eq!(
            by(&["fabric8-kubernetes-client"]),
            Some(Cause::Pending),
            "a default that Git never named"
        );
        assert_eq!(by(&["kubectl-client-side-apply"]), Some(Cause::Drift));
        let written = Case { before: Some("b"), after: Some("a"), written: Some("now"), ..Case::default() };
        assert_eq!(written.cause(), Some(Cause::Drift), "flinkops wrote what Git still wants");
    }
}
