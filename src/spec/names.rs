//! The rules names must follow.

/// The operator's rule for a FlinkDeployment: its name becomes that of a Service and part of others.
pub const DEPLOYMENT: &str = "lower-case letters, digits and `-`, beginning with a letter, ending with no `-`, no more than 45 characters";
/// Kubernetes' rule for most objects.
pub const OBJECT: &str = "lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit, no more than 253 characters";
/// Kubernetes' rule for namespaces and the like.
pub const LABEL: &str = "lower-case letters, digits and `-`, beginning and ending with a letter or digit, no more than 63 characters";

/// Whether a name follows [`DEPLOYMENT`].
pub fn is_deployment(name: &str) -> bool {
    name.len() <= 45 && name.starts_with(|first: char| first.is_ascii_lowercase()) && is_label(name)
}

/// Whether a name follows [`LABEL`].
pub fn is_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Whether a name follows [`OBJECT`].
pub fn is_object(name: &str) -> bool {
    let part = |part: &str| part.len() > 63 || is_label(part);
    name.len() <= 253 && name.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_takes_45_characters_beginning_with_a_letter() {
        assert!(is_deployment(&"a".repeat(45)));
        for bad in ["", "A", "1a", "a-", "-a", "a.b", "a_b", &"a".repeat(46)] {
            assert!(!is_deployment(bad), "{bad}");
        }
    }

    #[test]
    fn objects_take_dots_between_labels() {
        assert!(is_object("1.a-b.c") && is_object(&"a".repeat(253)));
        for bad in ["", ".a", "a..b", "a.-b", "A", &"a".repeat(254)] {
            assert!(!is_object(bad), "{bad}");
        }
    }
}
