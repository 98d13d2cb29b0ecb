//! Releases of Flink as `spec.flinkVersion` spells them.

use std::fmt;

/// A release of Flink by its first two numbers: `v1_20` is 1.20.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlinkVersion {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl FlinkVersion {
    /// A release from its numbers.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Reads `v1_20`.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.strip_prefix('v')?.split_once('_')?;
        Some(Self::new(major.parse().ok()?, minor.parse().ok()?))
    }

    /// The release that the tag of an official image names first: `1.20.1-java17` is of 1.20.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let number = tag.split('-').next().unwrap_or_default();
        let mut parts = number.split('.');
        Some(Self::new(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

/// As people write it: `1.20`.
impl fmt::Display for FlinkVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_tags_name_a_release() {
        assert_eq!(FlinkVersion::parse("v1_20"), Some(FlinkVersion::new(1, 20)));
        assert_eq!(FlinkVersion::parse("1.20"), None);
        assert_eq!(FlinkVersion::of_tag("1.20"), FlinkVersion::parse("v1_20"));
        assert_eq!(FlinkVersion::of_tag("2.0.1-scala_2.12-java17"), FlinkVersion::parse("v2_0"));
        for tag in ["scala_2.12-java11", "latest", "2", "java17"] {
            assert_eq!(FlinkVersion::of_tag(tag), None, "{tag}");
        }
        assert!(FlinkVersion::new(1, 9) < FlinkVersion::new(1, 20));
    }
}
