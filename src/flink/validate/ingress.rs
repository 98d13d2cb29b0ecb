//! The rule of an ingress: its template is an address, as Java's `URL` reads it once the operator has put the names in
//! (`IngressUtils.getIngressUrl`). What is in brackets, and a port that is the namespace, is not judged.

use super::{Checked, Violation, violation};
use crate::rule::RuleId;

const NAME: &str = "{{name}}";
const NAMESPACE: &str = "{{namespace}}";
const SCHEMES: [&str; 2] = ["http://", "https://"];

pub(super) fn check(checked: &Checked<'_>) -> Option<Violation> {
    checked.spec("/ingress")?;
    let Some(template) = checked.text("/ingress/template") else {
        let hint = "set spec.ingress.template, for instance {{name}}.example.com";
        return Some(violation(
            RuleId::IngressTemplate,
            "/spec/ingress",
            "Ingress template must be defined",
            hint,
        ));
    };
    let error = wrong_port(template, checked.proposal.name)?;
    let message = format!("Unable to process the Ingress template({template}). Error: {error}");
    let hint =
        "write a host and perhaps a port and a path, such as {{name}}.example.com or example.com/{{name}}";
    Some(violation(RuleId::IngressTemplate, "/spec/ingress/template", message, hint))
}

/// What Java says of the port: nothing else of an address can be wrong.
fn wrong_port(template: &str, name: &str) -> Option<String> {
    let written =
        |scheme: &&str| template.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme));
    let scheme = SCHEMES.into_iter().find(written).unwrap_or_default();
    let address = template[scheme.len()..].trim_end_matches(|letter| letter <= ' ');
    let server = address.split(['/', '?', '#']).next()?;
    let host = match server.split_once('@') {
        Some((_, host)) => Some(host).filter(|host| !host.contains('@'))?,
        None => server,
    };
    let (_, port) = host.split_once(':').filter(|(host, port)| !host.starts_with('[') && !port.is_empty())?;
    if !port.is_ascii() || port.to_ascii_lowercase().contains(NAMESPACE) {
        return None;
    }
    let port = port.replace(NAME, name);
    if let Ok(number) = port.parse::<i32>() {
        return (number < -1).then(|| format!("Invalid port number :{number}"));
    }
    let signs = usize::from(port.starts_with(['+', '-']));
    let wrong = (signs..port.len()).find(|at| port[..=*at].parse::<i32>().is_err());
    Some(format!("Error at index {} in: \"{port}\"", wrong.unwrap_or(port.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Java 17 says of each.
    #[test]
    fn a_port_is_a_number() {
        for (template, error) in [
            ("example.com:port", "Error at index 0 in: \"port\""),
            ("https://example.com:80x/path", "Error at index 2 in: \"80x\""),
            ("example.com:2147483648", "Error at index 9 in: \"2147483648\""),
            ("example.com:-5", "Invalid port number :-5"),
            ("example.com:+", "Error at index 1 in: \"+\""),
            ("user@example.com:x", "Error at index 0 in: \"x\""),
            ("url:http://example.com", "Error at index 0 in: \"http:\""),
            ("example.com:{{name}}", "Error at index 0 in: \"orders\""),
        ] {
            assert_eq!(wrong_port(template, "orders").as_deref(), Some(error), "{template}");
        }
        for template in [
            "{{name}}.{{namespace}}.example.com",
            "/{{namespace}}/{{name}}(/|$)(.*)",
            "*.example.com:8443/a:b",
            "HTTPS://example.com:80 ",
            "example.com:",
            "example.com:-1",
            "example.com?a:b",
            "example.com#a:b",
            "a@b@c:x",
            "[::1]:80",
            "example.com:{{Namespace}}",
            "ftp://example.com",
            "{{other}}.example.com",
            "",
        ] {
            assert_eq!(wrong_port(template, "orders"), None, "{template}");
        }
    }
}
