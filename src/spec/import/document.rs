//! YAML files as single documents, each with the text it was written as.

use serde_json::Value;

use super::super::finding::{Finding, Place};
use super::super::node::Node;
use super::super::source::Limits;
use super::super::yaml;

/// One YAML document.
#[derive(Clone, Debug)]
pub struct Document {
    /// The whole value, with places in its file.
    pub node: Node,
    /// The lines it was written as, without the markers around them; `None` where they could not be told apart.
    pub text: Option<String>,
}

impl Document {
    /// Where it begins.
    pub fn place(&self) -> Place {
        self.node.mark.place()
    }

    /// The plain value.
    pub fn value(&self) -> Value {
        self.node.to_value()
    }

    /// The text at a path of keys; empty where there is none.
    pub fn at(&self, path: &[&str]) -> &str {
        self.node.at(path).and_then(Node::text).unwrap_or_default()
    }
}

/// Every document of a file; blank ones are left out.
///
/// # Errors
/// The first mistake that keeps the file from being read.
pub fn read(path: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Document>, Box<Finding>> {
    let nodes = yaml::read(path, bytes, limits)?;
    let text = String::from_utf8_lossy(bytes);
    let chunks: Vec<(Node, String)> = chunks(text.trim_start_matches('\u{feff}'))
        .into_iter()
        .filter_map(|(line, chunk)| Some((alone(path, line, &chunk, limits)?, chunk)))
        .collect();
    let same = chunks.iter().map(|(node, _)| node).eq(&nodes);
    let texts = chunks.into_iter().map(|(_, chunk)| Some(chunk).filter(|_| same));
    let texts = texts.chain(std::iter::repeat(None));
    Ok(nodes.into_iter().zip(texts).map(|(node, text)| Document { node, text }).collect())
}

/// A chunk read by itself, at its place in the file.
fn alone(path: &str, line: usize, chunk: &str, limits: &Limits) -> Option<Node> {
    let padded = "\n".repeat(line) + chunk;
    let mut read = yaml::read(path, padded.as_bytes(), limits).ok()?;
    (read.len() == 1).then(|| read.remove(0))
}

/// The text between markers, each part with the number of lines above it. A line that begins with `---` is a
/// marker wherever it stands, even within a block of text.
fn chunks(text: &str) -> Vec<(usize, String)> {
    let mut chunks = vec![(0, String::new())];
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let marker = ["---", "..."].iter().find_map(|marker| {
            line.strip_prefix(marker)
                .filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
        });
        match marker {
            Some(rest) if rest.trim().is_empty() || rest.trim_start().starts_with('#') => {
                chunks.push((number + 1, String::new()));
            }
            Some(rest) => chunks.push((number, format!("   {rest}"))),
            None => chunks.last_mut().expect("there is a first").1.push_str(line),
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<Option<String>> {
        let read = read("f.yaml", source.as_bytes(), &Limits::default()).unwrap();
        read.into_iter().map(|document| document.text).collect()
    }

    #[test]
    fn every_document_keeps_its_own_lines() {
        let source = "# first\na: 1\n---\n# only a comment\n--- # second\nb: |\n  ---\n  x\n...\n";
        assert_eq!(
            texts(source),
            [Some("# first\na: 1\n".to_owned()), Some("b: |\n  ---\n  x\n".to_owned())]
        );
        let second = &read("f.yaml", source.as_bytes(), &Limits::default()).unwrap()[1];
        assert_eq!(second.place().line, 6);
    }

    #[test]
    fn a_document_that_begins_on_its_marker_keeps_its_lines_too() {
        assert_eq!(texts("--- {a: 1}\n"), [Some("    {a: 1}\n".to_owned())]);
    }
}
