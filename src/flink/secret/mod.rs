//! Tells what is secret in a manifest and keeps it out of every output (S25).
//!
//! Two layers, because neither is enough alone. By place: [`is_secret_path`] and [`mask`] know the
//! keys, names and arguments whose values are secret, whatever the value is. By value: [`Secrets`]
//! is the set of strings that were found in such places, and takes them out of any text, because an
//! API server's error message echoes values without their place. A snapshot file holds [`Seal`]ed values.
//!
//! Comparing happens on real values, before any of this.

mod find;
mod key;
mod layout;
mod scrub;
mod seal;
mod text;

use serde_json::Value;

pub use find::LAST_APPLIED;
use find::{Area, Finder, Leaf};
pub use key::is_secret_key;
pub use scrub::Secrets;
pub use seal::{Opener, Seal};

/// What stands in the place of a secret.
pub const MASK: &str = "(secret)";

/// Whether the value at a JSON pointer into a manifest is secret, as far as the pointer can tell.
///
/// A Flink configuration key is one segment. A list entry may be named by its `name` or by its index;
/// the value of an environment variable that is only known by index counts as secret.
pub fn is_secret_path(pointer: &str) -> bool {
    Area::at(pointer).is_secret()
}

/// The value at a JSON pointer into a manifest, as it may be shown.
pub fn mask(pointer: &str, value: &Value) -> Value {
    let mut shown = value.clone();
    let mut hide = |place: Option<&str>, leaf: Leaf<'_>| {
        if let Some(slot) = place.and_then(|place| shown.pointer_mut(place)) {
            *slot = Value::from(match leaf {
                Leaf::Whole(_) | Leaf::Encoded(_) | Leaf::Document(_) => MASK.to_owned(),
                Leaf::Parts(text, parts) => text::cut(text, &parts),
            });
        }
    };
    Finder::new(&mut hide).walk(&Area::at(pointer), value);
    shown
}

/// The JSON pointers below a value of every text with a secret in it, where the value stands at `pointer` in its
/// manifest.
pub fn places(pointer: &str, value: &Value) -> Vec<String> {
    let mut places = Vec::new();
    let mut note = |place: Option<&str>, _: Leaf<'_>| places.extend(place.map(str::to_owned));
    Finder::new(&mut note).walk(&Area::at(pointer), value);
    places
}

/// Takes credentials out of a text that names a URL or sets an option, without knowing any secret.
pub fn scrub_credentials(text: &str) -> String {
    text::cut(text, &text::parts(text, text::Reading::Prose))
}

#[cfg(test)]
mod tests;
