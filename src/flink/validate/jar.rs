//! The rule of a session job's jar: where the operator lets it come from.
//!
//! Restates `JarUriValidationUtils` as far as it needs no lookup: of hosts, addresses and `localhost` are judged. A name
//! that leads to a private address where the operator runs, as that of most Services does, or to none, is refused
//! by it and not here; and so is nothing with a letter beyond ASCII.

use core::net::{IpAddr, Ipv6Addr};

use super::{ALLOWED_SCHEMES, Checked, Violation, violation};
use crate::flink::release::Release;
use crate::rule::RuleId;

/// Operator option: whether jars come from anywhere but the operator's own host and private networks. Only the operator's
/// own value counts.
const RESTRICTED: &str = "kubernetes.operator.user.artifacts.disallow-restricted-hosts";
const EXAMPLE: &str = "write it like https://host/job.jar";

/// The operator judges it from 1.15 on.
pub(super) fn check(checked: &Checked<'_>) -> Option<Violation> {
    if checked.proposal.release < Release::V1_15 {
        return None;
    }
    let uri = checked.text("/job/jarURI").filter(|uri| uri.is_ascii())?;
    let (message, hint) = refusal(uri, checked)?;
    Some(violation(RuleId::JarUri, "/spec/job/jarURI", message, hint))
}

fn refusal(uri: &str, checked: &Checked<'_>) -> Option<(String, &'static str)> {
    if let Some(at) = illegal(uri) {
        return Some((format!("jarURI is not a valid URI: Illegal character at index {at}"), EXAMPLE));
    }
    let Some((scheme, rest)) = scheme(uri) else {
        return Some(("jarURI must include a scheme".into(), EXAMPLE));
    };
    if let Some(allowed) = checked.proposal.operator.get(ALLOWED_SCHEMES) {
        let mut allowed: Vec<&str> = allowed.split([';', ',']).map(str::trim).collect();
        allowed.sort_unstable();
        if !allowed.iter().any(|it| it.eq_ignore_ascii_case(scheme)) {
            let message = format!(
                "jarURI scheme '{scheme}' is not in the allowlist [{}]. Configure '{ALLOWED_SCHEMES}' to extend the allowlist.",
                allowed.join(", ")
            );
            return Some((message, "serve the jar by an allowed scheme, or extend the operator's allowlist"));
        }
    }
    let by_http = ["http", "https"].iter().any(|it| it.eq_ignore_ascii_case(scheme));
    let judged = checked.proposal.operator.get(RESTRICTED).is_none_or(|it| !it.eq_ignore_ascii_case("false"));
    if !by_http || !judged {
        return None;
    }
    let Some(host) = host(rest) else {
        let hint = "write it like https://host/job.jar, with a host of letters, digits, `-` and `.` only";
        return Some(("jarURI must include a host for http/https schemes".into(), hint));
    };
    let message = || format!("jarURI host '{host}' resolves to a restricted address");
    let hint = "serve the jar from a host that is not the operator's own, nor private";
    is_restricted(host).then(|| (message(), hint))
}

/// Where the first letter stands that no URI may have.
fn illegal(uri: &str) -> Option<usize> {
    let escaped = |at: usize| {
        let code = uri.as_bytes().get(at + 1..at + 3);
        // The zone of an address in brackets is no code.
        code.is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit)) || uri.contains('[')
    };
    let is_illegal = |(at, letter): &(usize, u8)| match letter {
        b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => true,
        b'%' => !escaped(*at),
        letter => *letter <= b' ' || *letter == 0x7f,
    };
    uri.bytes().enumerate().find(is_illegal).map(|(at, _)| at)
}

fn scheme(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    let letters = scheme.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"+-.".contains(&letter));
    (scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && letters).then_some((scheme, rest))
}

/// The host of what follows a scheme; `None` where Java's `URI` finds none, as in a name with an underscore.
fn host(rest: &str) -> Option<&str> {
    let server = rest.strip_prefix("//")?.split(['/', '?', '#']).next()?;
    let server = server.split_once('@').map_or(server, |(_, host)| host);
    let end = if server.starts_with('[') {
        server.find(']')? + 1
    } else {
        server.find(':').unwrap_or(server.len())
    };
    let (host, port) = server.split_at(end);
    let digits = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit());
    let has_port = port.is_empty() || port.strip_prefix(':').is_some_and(digits);
    (has_port && (host.starts_with('[') || is_address(host) || is_name(host))).then_some(host)
}

/// Java takes numbers with zeros before them, too.
fn is_address(host: &str) -> bool {
    let numbers: Vec<&str> = host.split('.').collect();
    numbers.len() == 4 && numbers.iter().all(|number| number.parse::<u8>().is_ok())
}

fn is_name(host: &str) -> bool {
    let labels: Vec<&str> = host.strip_suffix('.').unwrap_or(host).split('.').collect();
    let is_label = |label: &&str| {
        let inner = label.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-');
        inner && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = labels.last().is_some_and(|last| last.starts_with(|first: char| first.is_ascii_alphabetic()));
    labels.iter().all(is_label) && (labels.len() == 1 || last)
}

/// Whether it is plain, without a lookup, that the operator does not fetch from a host.
fn is_restricted(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(ip)) => {
            ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
        }
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_unicast_link_local()
                || is_site_local(ip)
        }
        Err(_) => {
            ["localhost", "localhost."].contains(&host.to_ascii_lowercase().as_str())
                || host.ends_with(".localhost")
        }
    }
}

/// `fec0::/10`, which nothing but Java still knows.
fn is_site_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xffc0 == 0xfec0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Java 17's `URI.getHost` has it of each.
    #[test]
    fn a_host_is_what_java_takes_for_one() {
        for (rest, expected) in [
            ("//jars.example.com/a.jar", Some("jars.example.com")),
            ("//user:pass@jars.example.com:8443/a.jar", Some("jars.example.com")),
            ("//jars:/a.jar", Some("jars")),
            ("//jars.example.com./a.jar", Some("jars.example.com.")),
            ("//[::1]:80/a.jar", Some("[::1]")),
            ("//10.1.2.3/a.jar", Some("10.1.2.3")),
            ("//020.1.2.3/a.jar", Some("020.1.2.3")),
            ("//256.1.2.3/a.jar", None),
            ("//1host/a.jar", Some("1host")),
            ("//jar_server/a.jar", None),
            ("//jars:port/a.jar", None),
            ("//a.1/a.jar", None),
            ("//-a/a.jar", None),
            ("//a@b@c/a.jar", None),
            ("///a.jar", None),
            ("/a.jar", None),
            ("a.jar", None),
        ] {
            assert_eq!(host(rest), expected, "{rest}");
        }
    }

    #[test]
    fn an_address_is_restricted_without_a_lookup() {
        for host in [
            "localhost",
            "LocalHost.",
            "a.localhost",
            "127.8.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "169.254.1.1",
            "0.0.0.0",
            "224.0.0.1",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[::ffff:10.0.0.1]",
        ] {
            assert!(is_restricted(host), "{host}");
        }
        for host in [
            "jars",
            "jars.flink.svc",
            "172.32.0.1",
            "203.0.113.7",
            "[fd00::1]",
            "[2001:db8::1]",
            "localhost.example.com",
        ] {
            assert!(!is_restricted(host), "{host}");
        }
    }

    #[test]
    fn letters_that_no_uri_has_are_found() {
        for (uri, at) in
            [("https://h/a b.jar", 11), ("C:\\a.jar", 2), ("https://h/{{a}}", 10), ("https://h/100%.jar", 13)]
        {
            assert_eq!(illegal(uri), Some(at), "{uri}");
        }
        for uri in ["https://h/a%20b.jar", "s3://b/a(1)'!~*.jar?x=[1]&y#z", "http://[fe80::1%eth0]/a.jar"] {
            assert_eq!(illegal(uri), None, "{uri}");
        }
    }
}
