//! What happens if a plan is carried out, for a pull request.

use super::comment::Comment;
use super::escape::prose;
use crate::report::document::PlanDocument;
use crate::report::forecast::{left, sentences, told, totals};

/// The list of a plan's forecast; nothing where nothing happens.
pub(super) fn forecast(comment: &mut Comment, document: &PlanDocument) {
    let Some(forecast) = told(document) else { return };
    let head = format!("\n**Forecast**, on a model of the operator: {}\n\n", prose(&totals(forecast)));
    let steps = sentences(forecast).into_iter().map(|sentence| format!("1. {}\n", prose(&sentence)));
    let left = left(document, forecast).into_iter().map(|left| format!("1. ⚠ {}\n", prose(&left)));
    let lines: Vec<String> = steps.chain(left).collect();
    comment.list("foreseen step", &head, lines.into_iter());
}
