//! The dependency graph as text, DOT and Mermaid.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::document::{EdgeDocument, GraphDocument, NodeDocument, WhyDocument};
use super::visible::visible;

/// Characters of a label that are shown.
const LONGEST_LABEL: usize = 100;

/// One line per node that depends on something, and the rest by name.
pub fn text(document: &GraphDocument) -> String {
    let mut targets: BTreeMap<&str, Vec<&EdgeDocument>> = BTreeMap::new();
    for edge in &document.edges {
        targets.entry(&edge.from).or_default().push(edge);
    }
    let mut text = String::new();
    for node in document.nodes.iter().filter(|node| !is_companion(node)) {
        let _ = writeln!(text, "{} ({}){}", node.id, node.kind, external(node));
        for edge in targets.get(node.id.as_str()).into_iter().flatten() {
            let why = match edge.why {
                WhyDocument::Declared => "",
                WhyDocument::SessionCluster => " (its session cluster)",
                WhyDocument::Reference => " (named in its spec)",
                WhyDocument::Companion => " (its companion)",
            };
            let _ = writeln!(text, "  after {}{why}", edge.to);
        }
    }
    text
}

fn external(node: &NodeDocument) -> &'static str {
    if node.external { ", not in Git" } else { "" }
}

fn is_companion(node: &NodeDocument) -> bool {
    crate::flink::kind::Kind::parse(&node.kind).is_none()
}

/// Graphviz: arrows lead from what goes first to what waits for it.
pub fn dot(document: &GraphDocument) -> String {
    let mut text = String::from("digraph flinkops {\n  rankdir=LR;\n  node [shape=box];\n");
    for node in &document.nodes {
        let shape = if is_companion(node) { ", shape=note" } else { "" };
        let style = if node.external { ", style=dashed" } else { "" };
        let label = format!("{}\\n{}", escape(&node.id), escape(&node.kind));
        let _ = writeln!(text, "  \"{}\" [label=\"{label}\"{shape}{style}];", escape(&node.id));
    }
    for edge in &document.edges {
        let style = if edge.why == WhyDocument::Declared { "" } else { " [style=dashed]" };
        let _ = writeln!(text, "  \"{}\" -> \"{}\"{style};", escape(&edge.to), escape(&edge.from));
    }
    text.push_str("}\n");
    text
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Mermaid, in the same direction.
pub fn mermaid(document: &GraphDocument) -> String {
    let numbers: BTreeMap<&str, usize> =
        document.nodes.iter().enumerate().map(|(number, node)| (node.id.as_str(), number)).collect();
    let mut text = String::from("flowchart LR\n");
    for (number, node) in document.nodes.iter().enumerate() {
        let label = format!("{}<br/>{}", label(&node.id), label(&node.kind));
        let _ = writeln!(text, "  n{number}[\"{label}\"]");
    }
    for edge in &document.edges {
        let arrow = if edge.why == WhyDocument::Declared { "-->" } else { "-.->" };
        if let (Some(from), Some(to)) = (numbers.get(edge.from.as_str()), numbers.get(edge.to.as_str())) {
            let _ = writeln!(text, "  n{to} {arrow} n{from}");
        }
    }
    text
}

/// A text within a quoted label: what could end it, or is markup, is written as Mermaid's entity.
pub(super) fn label(text: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || " ._-/".contains(letter);
    let text = visible(text);
    let letters = text.chars().take(LONGEST_LABEL);
    let mut label: String = letters
        .map(|letter| if plain(letter) { letter.to_string() } else { format!("#{};", u32::from(letter)) })
        .collect();
    if text.chars().count() > LONGEST_LABEL {
        label.push('…');
    }
    label
}
