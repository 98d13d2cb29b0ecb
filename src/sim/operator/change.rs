//! What the operator makes of a new spec: refuse it, see it, scale in place, or change what runs.

use std::time::Duration;

use serde_json::Value;

use super::effect::Effect;
use super::flink::{Behaviour, parallelism};
use super::machine::Machine;
use super::spec::{Recorded, fill};
use super::status::{LegacySavepoint, error};
use super::subject::{Step, Subject};
use super::upgrade::{Situation, Stop, decide};
use crate::flink::config::{self, SAVEPOINT_DIR};
use crate::flink::diff::{DeploymentMode, DiffType, FieldDiff, Table, reaction};
use crate::flink::kind::Role;
use crate::flink::pointer::At as _;
use crate::flink::scale;
use crate::flink::validate::{Proposal, validate};

/// What is said of an application that can neither be stopped nor restored: the class of the error, and what it
/// misses.
const NO_WAY_BACK: [(&str, &str); 2] =
    [("RecoveryFailureException", "HA data"), ("UpgradeFailureException", "HA metadata")];

impl Machine {
    /// A spec that breaks a rule is not acted upon: the one before stays in force.
    pub(super) fn refuse(&mut self, subject: &mut Subject<'_>) -> bool {
        let proposal = Proposal {
            kind: subject.key.kind,
            name: &subject.key.name,
            spec: subject.spec(),
            previous: subject.status.last.as_ref().map(|last| &last.spec),
            operator: &self.defaults,
            cluster: subject.cluster.and_then(|it| it.get("spec")),
            release: self.mode.release(),
        };
        let message = validate(&proposal).into_iter().next().map(|violation| violation.message);
        let Some(message) = message else {
            if subject.is_refused() && self.refused.get(&subject.object_key()) == Some(&subject.generation())
            {
                return true;
            }
            // 1.7 forgets a refusal only with the next real change.
            if self.mode.is_modern() && subject.is_refused() {
                subject.status.error = None;
            }
            return false;
        };
        self.say(subject, "Warning", ("ValidationError", "Operator"), &message);
        subject.status.error = Some(error("ValidationException", &message, None, None));
        true
    }

    /// Compares the spec with what was deployed last, and begins what that asks for.
    pub(super) fn act(&mut self, subject: &mut Subject<'_>) -> Duration {
        let Some(last) = subject.status.last.clone() else { return self.deploy_first(subject) };
        if subject.status.reconciliation == "UPGRADING" {
            // A failed attempt's error goes with the next attempt, and may come again: it flickers.
            subject.status.error = None;
            if subject.status.generation != Some(subject.generation()) {
                self.record(subject, "suspended", last.upgrade_mode());
            }
            return self.deploy(subject, Step::Deploy);
        }
        let diffs = self.diffs(subject, &last);
        match reaction(&diffs) {
            DiffType::Ignore if self.recovers(subject, &last) => self.recover(subject),
            DiffType::Ignore => self.ignore(subject, last),
            DiffType::Scale if scales(subject) => self.rescale(subject, &last),
            change => {
                self.announce(subject, change, &diffs);
                self.change(subject, &last, change)
            }
        }
    }

    fn diffs(&self, subject: &Subject<'_>, last: &Recorded) -> Vec<FieldDiff> {
        let mode = DeploymentMode::of(subject.cluster.map_or(subject.spec(), |cluster| &cluster["spec"]));
        let spec = fill(subject.key.kind, subject.spec(), self.mode);
        Table::new(self.mode.release(), mode, &last.spec, &spec).diff(&last.spec, &spec)
    }

    /// A change the operator ignores: it is seen, and a snapshot nonce is obeyed.
    fn ignore(&mut self, subject: &mut Subject<'_>, mut last: Recorded) -> Duration {
        let generation = subject.generation();
        if subject.status.generation == Some(generation) {
            return self.pace(subject);
        }
        subject.status.generation = Some(generation);
        let nonce =
            |spec: &Value, field: &str| spec.at(&format!("/job/{field}")).cloned().unwrap_or(Value::Null);
        for (field, savepoint) in [("savepointTriggerNonce", true), ("checkpointTriggerNonce", false)] {
            let wanted = nonce(subject.spec(), field);
            if !wanted.is_null() && wanted != nonce(&last.spec, field) && subject.status.job_is("RUNNING") {
                self.trigger(subject, savepoint, &wanted);
                last.spec["job"][field] = wanted;
            }
        }
        if !self.mode.is_modern() {
            last.generation = generation;
        }
        subject.status.last = Some(last);
        self.timings.reconcile
    }

    fn trigger(&mut self, subject: &mut Subject<'_>, savepoint: bool, nonce: &Value) {
        if self.mode.is_modern() {
            let flat = subject.configuration();
            let directory = savepoint.then(|| config::first(&flat, &SAVEPOINT_DIR).unwrap_or_default());
            let object = super::snapshots::manual_snapshot(&subject.key, directory, subject.now);
            subject.effects.push(Effect::Create { object });
        } else if let (true, Ok(location)) = (savepoint, self.flink.savepoint(&subject.key, subject.now)) {
            let at = subject.now.as_millisecond();
            let nonce = nonce.as_i64();
            subject.status.record_legacy(&LegacySavepoint { location, at, trigger: "MANUAL", nonce });
        }
    }

    fn rescale(&mut self, subject: &mut Subject<'_>, last: &Recorded) -> Duration {
        let parallelism = parallelism(subject.spec(), &subject.configuration());
        self.flink.rescale(&subject.key, parallelism, subject.now);
        let mode = last.upgrade_mode().to_owned();
        self.record(subject, "running", &mode);
        self.timings.reconcile
    }

    fn announce(&mut self, subject: &mut Subject<'_>, change: DiffType, diffs: &[FieldDiff]) {
        let generation = subject.generation();
        if self.memory_of(subject).announced == generation {
            return;
        }
        self.memory_of(subject).announced = generation;
        let word = match change {
            DiffType::SavepointRedeploy => "SAVEPOINT_REDEPLOY",
            DiffType::Scale => "SCALE",
            _ => "UPGRADE",
        };
        let text = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or("null".into(), |it| it.as_str().map_or_else(|| it.to_string(), str::to_owned))
        };
        let fields: Vec<String> = diffs
            .iter()
            .map(|it| {
                let field = it.path.trim_start_matches("/spec/").replace('/', ".");
                format!("{field} : {} -> {}", text(&it.before), text(&it.after))
            })
            .collect();
        let message = format!(
            "{word} change(s) detected (Diff: {}Spec[{}]), starting reconciliation.",
            subject.key.kind,
            fields.join(", ")
        );
        self.say(subject, "Normal", ("SpecChanged", "JobManagerDeployment"), &message);
    }

    fn change(&mut self, subject: &mut Subject<'_>, last: &Recorded, change: DiffType) -> Duration {
        if subject.role == Role::SessionCluster {
            // The jobs are not asked: they go with the cluster.
            return self.begin(subject, Step::Kill, self.timings.kill);
        }
        if last.is_suspended() {
            // What changes in the meantime is looked at once it shall run: until then the generation stays
            // behind.
            return if subject.wants_suspended() {
                self.timings.reconcile
            } else {
                self.resume(subject, last)
            };
        }
        let configuration = subject.configuration();
        let situation = Situation {
            role: subject.role,
            spec: subject.spec(),
            change,
            status: &subject.status,
            last,
            configuration: &configuration,
            has_kept: self.flink.has_kept(&subject.key),
        };
        let Some(stop) = decide(&situation) else {
            if subject.status.job_manager.as_deref() == Some("MISSING") {
                let (class, what) = NO_WAY_BACK[usize::from(self.mode.is_modern())];
                let message = format!(
                    "JobManager deployment is missing and {what} is not available to make stateful upgrades. It is \
                     possible that the job has finished or terminally failed, or the configmaps have been deleted. \
                     Manual restore required."
                );
                subject.status.error = Some(error(class, &message, None, None));
            }
            return self.timings.reconcile;
        };
        if stop == Stop::Savepoint {
            self.say(
                subject,
                "Normal",
                ("Suspended", "JobManagerDeployment"),
                "Suspending existing deployment.",
            );
        }
        let takes = self.stopping_time(subject, stop);
        self.begin(subject, Step::Stop(stop), takes)
    }

    fn stopping_time(&self, subject: &Subject<'_>, stop: Stop) -> Duration {
        match stop {
            Stop::Savepoint if self.flink.behaviour(&subject.key) == Behaviour::Slow => {
                self.timings.slow_savepoint
            }
            Stop::Savepoint => self.timings.savepoint,
            _ if subject.role == Role::Application && stop.removes_cluster() => self.timings.remove,
            _ => self.timings.refuse,
        }
    }
}

/// Whether the running job can be scaled in place.
fn scales(subject: &Subject<'_>) -> bool {
    let deployment = subject.cluster.map_or(subject.spec(), |cluster| &cluster["spec"]);
    scale::obstacle(deployment, &subject.configuration()).is_none() && subject.status.job_is("RUNNING")
}
