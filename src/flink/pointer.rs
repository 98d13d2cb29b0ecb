//! JSON pointers (RFC 6901): how a path through a value is written, followed, and shown to people.

use std::borrow::Cow;

use serde_json::Value;

/// Escapes one segment of a pointer.
pub fn escape(segment: &str) -> Cow<'_, str> {
    if segment.contains(['~', '/']) {
        Cow::Owned(segment.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(segment)
    }
}

/// Undoes [`escape`].
pub fn unescape(segment: &str) -> Cow<'_, str> {
    if segment.contains('~') {
        Cow::Owned(segment.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(segment)
    }
}

/// The segments of a pointer, as they are called where they lead.
pub fn segments(pointer: &str) -> impl Iterator<Item = Cow<'_, str>> {
    pointer.split('/').skip(1).map(unescape)
}

/// A pointer for people: `metadata.labels.app.kubernetes.io/managed-by`.
pub fn dotted(pointer: &str) -> String {
    unescape(&pointer.trim_start_matches('/').replace('/', ".")).into_owned()
}

/// Follows pointers.
pub trait At {
    /// What a pointer leads to: as [`Value::pointer`], which copies every segment, and a plan follows very many.
    fn at(&self, pointer: &str) -> Option<&Self>;
}

impl At for Value {
    fn at(&self, pointer: &str) -> Option<&Self> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(self, |value, segment| match value {
            Self::Object(map) => map.get(&*unescape(segment)),
            Self::Array(list) => list.get(index(segment)?),
            _ => None,
        })
    }
}

/// An index into a list; one with a sign or with leading zeros is none.
fn index(segment: &str) -> Option<usize> {
    let canonical = !segment.starts_with('+') && (segment == "0" || !segment.starts_with('0'));
    segment.parse().ok().filter(|_| canonical)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pointer_is_followed_as_the_standard_says() {
        let value = json!({"a": [{"b/c": 1}, 2], "": {"": 3}, "~1": 4, "00": 5});
        let pointers = [
            "",
            "/a/0/b~1c",
            "/a/1",
            "/",
            "//",
            "/~01",
            "/00",
            "a",
            "/a/01",
            "/a/+1",
            "/a/-",
            "/a/2",
            "/a/1/x",
            "/a/",
        ];
        for pointer in pointers {
            assert_eq!(value.at(pointer), value.pointer(pointer), "{pointer}");
        }
        assert_eq!(value.at("/a/0/b~1c"), Some(&json!(1)));
    }

    #[test]
    fn segments_are_escaped_and_back() {
        for segment in ["", "plain", "a/b", "a~b", "~1", "~01/~"] {
            assert_eq!(unescape(&escape(segment)), segment);
        }
        assert_eq!(escape("a/~b"), "a~1~0b");
        assert_eq!(dotted("/metadata/labels/a.io~1b~0c"), "metadata.labels.a.io/b~c");
    }
}
