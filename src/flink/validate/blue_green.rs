//! Rules of a FlinkBlueGreenDeployment: the operator judges none, and then those of the FlinkDeployments that it
//! makes of the template.

use super::{Checked, Proposal, Violation, cluster_name, deployment, violation};
use crate::flink::canonical::TEMPLATE;
use crate::flink::kind::Kind;
use crate::rule::RuleId;

/// The longer of the two endings that the operator gives the names of its deployments.
const ENDING: &str = "-green";

pub(super) fn check(checked: &Checked<'_>) -> Vec<Violation> {
    let Some(spec) =
        checked.spec("/template/spec").filter(|spec| spec.get("job").is_some_and(|job| !job.is_null()))
    else {
        let message = "The template must hold the spec of a FlinkDeployment with a job";
        let hint = "write spec.template.spec with a job";
        return vec![violation(RuleId::BlueGreenTemplate, "/spec", message, hint)];
    };
    let name = format!("{}{ENDING}", checked.proposal.name);
    let too_long = cluster_name(&name, "/metadata/name").map(|violation| Violation {
        hint: "shorten or respell the name: the operator calls its deployments by it and `-blue` or `-green`",
        ..violation
    });
    let proposal = Proposal { kind: Kind::FlinkDeployment, name: "a", spec, ..*checked.proposal };
    let inner = Checked::of(&proposal);
    let inside = deployment::check(&inner).into_iter();
    let inside = inside.map(|it| Violation { pointer: format!("{TEMPLATE}{}", it.pointer), ..it });
    too_long.into_iter().chain(inside).collect()
}
