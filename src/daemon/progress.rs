//! What happens, as it happens, for whoever wants to tell it.

use crate::cluster::WriteError;
use crate::flink::kind::UnitKey;
use crate::plan::write::Task;
use crate::plan::{Live, Plan, UnitPlan};
use crate::spec::source::Revision;
use crate::spec::{Finding, Severity};

use super::outcome::Standing;

/// Something worth a line.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Git was read: this revision is in force, with these findings.
    Read {
        /// The revision.
        revision: &'a Revision,
        /// What was found in it.
        findings: &'a [Finding],
    },
    /// A revision cannot be used; the one before stays in force (S20).
    Invalid {
        /// The revision.
        revision: &'a Revision,
        /// Why.
        findings: &'a [Finding],
        /// The revision that stays in force.
        in_force: Option<&'a Revision>,
    },
    /// Git cannot be reached.
    GitFailed {
        /// Why, without credentials.
        message: &'a str,
    },
    /// The newest revision cannot be used, and this one was in force before the process began (S20).
    Recalled {
        /// The revision.
        revision: &'a Revision,
    },
    /// What it takes to begin is not to be had yet.
    StartFailed {
        /// Why: follows `failed to`.
        message: &'a str,
    },
    /// Someone else holds the lease.
    WaitingForLease {
        /// Who, and since when.
        holder: &'a str,
    },
    /// What the cluster holds, before anything is told or done that comes from it: whoever must not tell
    /// secrets learns them here (S25).
    Observed(&'a Live),
    /// The cluster makes something of what Git wants that Git alone could not tell.
    Found(&'a Finding),
    /// There is something new to do.
    Planned(&'a Plan),
    /// A unit is not what it was: its action, its health or what blocks it.
    Changed(&'a UnitPlan),
    /// A unit that left Git is gone.
    Gone(&'a UnitKey),
    /// A write was done.
    Wrote(&'a Task),
    /// A write was not done. Told once, however often it is tried again.
    Refused {
        /// Which.
        task: &'a Task,
        /// Why.
        error: &'a WriteError,
    },
    /// Flink could not be asked for the newest checkpoint of a job. Told once for each reason.
    FlinkSilent {
        /// The job.
        unit: &'a UnitKey,
        /// Why.
        message: &'a str,
    },
    /// Nothing moves any more.
    Quiet(&'a Standing),
}

/// Is told what happens.
///
/// Called from within the loop: it must not block.
pub trait Progress: Send + Sync {
    /// Tells one thing.
    fn tell(&self, event: &Event<'_>);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn tell(&self, _: &Event<'_>) {}
}

/// Writes a log line for each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

impl Progress for Log {
    fn tell(&self, event: &Event<'_>) {
        match event {
            Event::Read { revision, findings } => {
                tracing::info!(revision = revision.short(), findings = findings.len(), "read from Git");
            }
            Event::Invalid { revision, findings, in_force } => log_invalid(revision, findings, *in_force),
            Event::GitFailed { message } => tracing::warn!("failed to read Git: {message}; trying again"),
            Event::Recalled { revision } => {
                tracing::info!(revision = revision.short(), "goes on with the revision that was in force");
            }
            Event::StartFailed { message } => tracing::warn!("failed to {message}; trying again"),
            Event::WaitingForLease { holder } => tracing::info!(holder, "waiting for the lease"),
            Event::Observed(_) => {}
            Event::Found(finding) => log_finding(finding),
            Event::Planned(plan) => log_plan(plan),
            Event::Changed(unit) => log_unit(unit),
            Event::Gone(unit) => tracing::info!(%unit, "gone"),
            Event::Wrote(task) => {
                tracing::info!(verb = task.write.verb(), object = %task.write.key(), reason = task.reason, "{}", task.message);
            }
            Event::Refused { error: error @ WriteError::Conflict { .. }, .. } => {
                tracing::debug!("{error}; planning again");
            }
            Event::Refused { error, .. } => tracing::warn!("failed to {error}"),
            Event::FlinkSilent { unit, message } => {
                tracing::warn!(%unit, "failed to ask Flink for its newest checkpoint: {message}");
            }
            Event::Quiet(standing) => tracing::info!("{standing}"),
        }
    }
}

fn log_invalid(revision: &Revision, findings: &[Finding], in_force: Option<&Revision>) {
    let in_force = in_force.map_or("none", Revision::short);
    tracing::error!(revision = revision.short(), in_force, "the revision cannot be used");
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Error) {
        let place = &finding.place;
        tracing::error!(
            file = place.file,
            line = place.line,
            rule = finding.rule.as_str(),
            "{}",
            finding.message
        );
    }
}

fn log_finding(Finding { place, severity, rule, message, unit, .. }: &Finding) {
    if *severity == Severity::Info {
        tracing::info!(file = place.file, line = place.line, rule = rule.as_str(), unit, "{message}");
    } else {
        tracing::warn!(file = place.file, line = place.line, rule = rule.as_str(), unit, "{message}");
    }
}

fn log_plan(plan: &Plan) {
    for (wave, units) in plan.waves.iter().enumerate() {
        for unit in units {
            let Some(unit) = plan.units.iter().find(|planned| planned.key == *unit) else { continue };
            let reasons = unit.reasons.join("; ");
            tracing::info!(
                revision = plan.revision.short(), wave = wave + 1, unit = unit.id,
                action = ?unit.action, effect = ?unit.effect, state = ?unit.state, reasons, "planned"
            );
        }
    }
}

fn log_unit(unit: &UnitPlan) {
    match &unit.blocked {
        Some(blocked) => {
            tracing::info!(unit = unit.id, action = ?unit.action, health = ?unit.health, "blocked: {}", blocked.message);
        }
        None => {
            tracing::info!(unit = unit.id, action = ?unit.action, health = ?unit.health, "{}", unit.health_message);
        }
    }
}
