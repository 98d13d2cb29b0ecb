//! What `retry` took away, for a terminal.

use std::fmt::Write as _;

use crate::report::document::RetryDocument;
use crate::report::visible::{clean, visible};

/// A line per unit that was named.
pub fn retry(document: &RetryDocument) -> String {
    let mut text = String::new();
    for unit in &document.units {
        let id = visible(&unit.id);
        let _ = match &unit.held {
            Some(reason) => writeln!(text, "{id}: tried again; was held: {}", clean(reason)),
            None => writeln!(text, "{id}: is not held"),
        };
    }
    text
}
