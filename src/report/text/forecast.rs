//! What happens if a plan is carried out, for a terminal.

use super::page::Page;
use crate::report::document::PlanDocument;
use crate::report::forecast::{left, sentences, told, totals};
use crate::report::visible::clean;

/// The section of a plan's forecast; nothing where nothing happens.
pub(super) fn forecast(page: &mut Page, document: &PlanDocument) {
    let Some(forecast) = told(document) else { return };
    page.section("Forecast");
    for (index, sentence) in sentences(forecast).iter().enumerate() {
        page.prose(2, &format!("{:>2}. {}", index + 1, clean(sentence)));
    }
    page.prose(2, &totals(forecast));
    for left in left(document, forecast) {
        page.prose(2, &format!("! {}", clean(&left)));
    }
}
