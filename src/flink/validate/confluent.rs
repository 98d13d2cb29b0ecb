//! Rules of Confluent's resources, as far as they are of their own: what an environment lays under an application is
//! not known here, and so the rules of a FlinkDeployment are left to Confluent Manager.

use super::{Checked, Violation, violation};
use crate::flink::kind::Kind;
use crate::rule::RuleId;

pub(super) fn check(checked: &Checked<'_>) -> Vec<Violation> {
    let name = checked.proposal.name;
    let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let legal = (4..=45).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(inner);
    let name = (!legal).then(|| {
        let message = format!("{name} is no name that Confluent Manager takes");
        let hint = "4 to 45 lower-case letters, digits and `-`, beginning with a letter, ending with no `-`";
        violation(RuleId::Name, "/metadata/name", message, hint)
    });
    let needed = match checked.proposal.kind {
        Kind::FlinkApplication => ("/flinkEnvironment", "name the FlinkEnvironment in which it runs"),
        _ => ("/kubernetesNamespace", "name the namespace in which the applications of this environment run"),
    };
    let missing = checked.spec(needed.0).is_none().then(|| {
        let message = format!("the field `{}` is missing", &needed.0[1..]);
        violation(RuleId::ConfluentField, "/spec", message, needed.1)
    });
    name.into_iter().chain(missing).collect()
}
