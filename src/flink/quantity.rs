//! Amounts as Kubernetes and Flink spell them.

use std::fmt;

/// A Kubernetes quantity, exact: `1`, `1.0`, `1000m` and `1e0` are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    /// In billionths, which is as fine as Kubernetes goes.
    nanos: i128,
}

impl Quantity {
    const ONE: i128 = 1_000_000_000;

    /// Reads a quantity; `None` where it is none, or finer or larger than any real one.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c)).unwrap_or(text.len());
        let (digits, suffix) = text.split_at(end);
        let (ten, two) = match suffix {
            "" => (0, 0),
            "n" => (-9, 0),
            "u" => (-6, 0),
            "m" => (-3, 0),
            "k" => (3, 0),
            "M" => (6, 0),
            "G" => (9, 0),
            "T" => (12, 0),
            "P" => (15, 0),
            "E" => (18, 0),
            "Ki" => (0, 10),
            "Mi" => (0, 20),
            "Gi" => (0, 30),
            "Ti" => (0, 40),
            "Pi" => (0, 50),
            "Ei" => (0, 60),
            exponent => (exponent.strip_prefix(['e', 'E'])?.parse().ok()?, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let unsigned = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
        let bare = whole.trim_start_matches(['+', '-']);
        if whole.len() - bare.len() > 1
            || !unsigned(bare)
            || !unsigned(fraction)
            || digits.len() == whole.len() - bare.len()
        {
            return None;
        }
        let mantissa: i128 = format!("{bare}{fraction}").parse().ok()?;
        let exponent: i32 = 9_i32.checked_add(ten)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let scale = 10_i128.checked_pow(exponent.unsigned_abs())?;
        let scaled = mantissa.checked_mul(1 << two)?;
        let nanos = match exponent {
            0.. => scaled.checked_mul(scale)?,
            _ if scaled % scale == 0 => scaled / scale,
            _ => return None,
        };
        Some(Self { nanos: if whole.starts_with('-') { -nanos } else { nanos } })
    }

    /// The nearest floating-point number.
    #[expect(clippy::cast_precision_loss, reason = "who asks for this wants a magnitude")]
    pub fn as_f64(self) -> f64 {
        self.nanos as f64 / Self::ONE as f64
    }
}

/// Plain decimal digits.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, nanos) = (
            self.nanos.unsigned_abs() / Self::ONE.unsigned_abs(),
            self.nanos.unsigned_abs() % Self::ONE.unsigned_abs(),
        );
        let sign = if self.nanos < 0 { "-" } else { "" };
        let text = format!("{sign}{whole}.{nanos:09}");
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// The bytes of a size as the operator reads `resource.memory`: Flink's spelling (`2048m`, `2 gb`), or else
/// Kubernetes' (`2Gi`). Flink's units are powers of 1024, in either case.
pub fn memory(text: &str) -> Option<Quantity> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => Some(""),
        "k" | "kb" | "kibibytes" => Some("Ki"),
        "m" | "mb" | "mebibytes" => Some("Mi"),
        "g" | "gb" | "gibibytes" => Some("Gi"),
        "t" | "tb" | "tebibytes" => Some("Ti"),
        _ => None,
    };
    match unit {
        Some(unit) if !digits.is_empty() => Quantity::parse(&format!("{digits}{unit}")),
        _ => Quantity::parse(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_amount_are_equal() {
        for same in [
            &["1", "1.0", "1000m", "1e0", "+1", "1000000000n"][..],
            &["0.1", "100m", ".1"],
            &["2.3", "2300m"],
            &["1Gi", "1024Mi", "1073741824", "1048576Ki"],
            &["1G", "1000M", "1e9", "1E9", "1000000k"],
            &["-5", "-5000m"],
            &["0.5Gi", "512Mi"],
        ] {
            let first = Quantity::parse(same[0]);
            assert!(first.is_some(), "{same:?}");
            for other in same {
                assert_eq!(Quantity::parse(other), first, "{other}");
            }
        }
        assert_ne!(Quantity::parse("1G"), Quantity::parse("1Gi"));
    }

    #[test]
    fn what_is_no_quantity() {
        for text in ["", "lots", "1 Gi", "--1", "1.2.3", "m", "-", "1ki", "1e", "0.1n"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn they_print_as_plain_digits() {
        for (text, printed) in [("1500m", "1.5"), ("1e3", "1000"), ("2Gi", "2147483648"), ("-0.5", "-0.5")] {
            assert_eq!(Quantity::parse(text).unwrap().to_string(), printed);
        }
    }

    #[test]
    fn memory_is_read_as_flink_reads_it_first() {
        for (one, other) in
            [("2g", "2048m"), ("2 GB", "2048 mb"), ("2g", "2Gi"), ("1024", "1k"), ("2G", "2g")]
        {
            assert_eq!(memory(one), memory(other), "{one} {other}");
        }
        assert_eq!(memory("much"), None);
    }
}
