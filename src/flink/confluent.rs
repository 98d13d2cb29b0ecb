//! What Confluent for Kubernetes tells of the resources by which it speaks to Confluent Manager.
//!
//! A `FlinkApplication` has the status of the FlinkDeployment that the manager made of it, copied at some time, beside
//! how the manager took it (`cmfSync`) and what became of that (`cfkInternalState`).

use serde_json::Value;

use super::health::{Health, Verdict, describe, is_suspended};
use super::kind::Role;
use super::status::Status;

/// Judges one read: what the manager refuses goes before what an older status still says.
pub fn judge(role: Role, generation: i64, spec: &Value, status: &Status) -> Verdict {
    let verdict = |health, message: String| Verdict { health, message };
    if !status.present {
        return verdict(Health::Progressing, "Confluent for Kubernetes has not acted on it yet".into());
    }
    if status.generation != Some(generation) {
        let message = format!("Confluent for Kubernetes has not acted on generation {generation} yet");
        return verdict(Health::Progressing, message);
    }
    let told = |word: &str| match &status.error {
        Some(error) => format!("{word}: {}", error.lines().next().unwrap_or_default()),
        None => word.to_owned(),
    };
    if matches!(status.internal.as_str(), "FAILED" | "ERROR") {
        return verdict(Health::Failed, told(&status.internal));
    }
    match status.sync.as_str() {
        "Failed" => return verdict(Health::Rejected, told("Confluent Manager refuses it")),
        "Created" => {}
        word => {
            let word = if word.is_empty() { "not synchronised yet" } else { word };
            return verdict(Health::Progressing, format!("Confluent Manager: {word}"));
        }
    }
    if role == Role::ManagedEnvironment {
        return verdict(Health::Settled, status.sync.clone());
    }
    let suspended = is_suspended(spec);
    let health = match status.job.as_str() {
        _ if status.error.is_some() => Health::Failed,
        "FAILED" | "FAILING" => Health::Failed,
        "RUNNING" if !suspended && matches!(status.lifecycle.as_str(), "" | "STABLE") => Health::Settled,
        "FINISHED" if !suspended && matches!(status.lifecycle.as_str(), "" | "STABLE") => Health::Settled,
        _ if suspended && (status.lifecycle == "SUSPENDED" || status.job == "SUSPENDED") => Health::Suspended,
        _ => Health::Progressing,
    };
    let word = if status.job.is_empty() { "no job yet" } else { &status.job };
    verdict(health, if health == Health::Suspended { "suspended".into() } else { describe(word, status) })
}

/// The spec of the FlinkDeployment that the manager makes of an application: what the environment's
/// `flinkApplicationDefaults` say wins over what the application does.
pub fn laid_over(spec: &Value, defaults: &Value) -> Value {
    let mut laid = spec.clone();
    if let Some(fields) = laid.as_object_mut() {
        fields.retain(|field, _| !["flinkEnvironment", "cmfRestClassRef"].contains(&field.as_str()));
    }
    if defaults.is_object() {
        lay(&mut laid, defaults);
    }
    laid
}

fn lay(under: &mut Value, over: &Value) {
    match (under.as_object_mut(), over.as_object()) {
        (Some(fields), Some(over)) => {
            for (key, value) in over {
                lay(fields.entry(key).or_insert(Value::Null), value);
            }
        }
        _ => *under = over.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The order in which the signals count (`confluent.io` health, as users of the resources have it).
    #[test]
    fn what_the_manager_says_goes_before_a_copied_status() {
        let running = json!({"job": {"state": "running"}});
        let of = |role, status: Value| judge(role, 2, &running, &Status::parse(&status));
        let base = |sync: &str| {
            json!({"observedGeneration": 2, "cfkInternalState": "CREATED", "cmfSync": {"status": sync},
                "lifecycleState": "STABLE", "jobStatus": {"state": "RUNNING"}})
        };
        let with = |pointer: &str, value: Value| {
            let mut status = base("Created");
            status[pointer] = value;
            of(Role::ManagedApplication, status).health
        };
        assert_eq!(of(Role::ManagedApplication, base("Created")).health, Health::Settled);
        assert_eq!(of(Role::ManagedApplication, Value::Null).health, Health::Progressing);
        assert_eq!(with("observedGeneration", json!(1)), Health::Progressing);
        assert_eq!(with("cfkInternalState", json!("FAILED")), Health::Failed);
        assert_eq!(with("error", json!("no such image")), Health::Failed);
        assert_eq!(with("jobStatus", json!({"state": "FAILING"})), Health::Failed);
        assert_eq!(with("jobStatus", json!({"state": "RESTARTING"})), Health::Progressing);
        assert_eq!(with("lifecycleState", json!("UPGRADING")), Health::Progressing);
        assert_eq!(of(Role::ManagedApplication, base("Unknown")).health, Health::Progressing);
        let mut refused = base("Failed");
        refused["cmfSync"]["errorMessage"] = json!("422: no such environment");
        let verdict = of(Role::ManagedApplication, refused);
        assert_eq!(verdict.health, Health::Rejected);
        assert_eq!(verdict.message, "Confluent Manager refuses it: 422: no such environment");
        assert_eq!(of(Role::ManagedEnvironment, base("Created")).health, Health::Settled);
        assert_eq!(of(Role::ManagedEnvironment, base("Deleted")).health, Health::Progressing);
    }

    #[test]
    fn what_an_environment_says_wins() {
        let own =
            json!({"flinkEnvironment": "e", "image": "a", "job": {"args": ["x", "y"], "parallelism": 1}});
        let defaults = json!({"job": {"args": ["z"]}, "flinkConfiguration": {"k": "1"}});
        let laid =
            json!({"image": "a", "job": {"args": ["z"], "parallelism": 1}, "flinkConfiguration": {"k": "1"}});
        assert_eq!(laid_over(&own, &defaults), laid);
        assert_eq!(laid_over(&own, &Value::Null)["image"], "a");
    }

    #[test]
    fn a_suspended_application_is_told_by_its_status() {
        let status = |lifecycle: &str, job: &str| {
            Status::parse(&json!({"observedGeneration": 1, "cmfSync": {"status": "Created"},
                "lifecycleState": lifecycle, "jobStatus": {"state": job}}))
        };
        let spec = json!({"job": {"state": "suspended"}});
        let health = |status| judge(Role::ManagedApplication, 1, &spec, &status).health;
        assert_eq!(health(status("SUSPENDED", "FINISHED")), Health::Suspended);
        assert_eq!(health(status("STABLE", "RUNNING")), Health::Progressing);
    }
}
