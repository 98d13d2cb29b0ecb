//! Files beside a `job.yaml`: those in `configMaps` become immutable ConfigMaps, mounted into the pods; those in
//! `logConfiguration` become `spec.logConfiguration`.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::finding::Finding;
use super::layers;
use super::names;
use super::node::{Content, Mark, Node};
use super::source::SourceTree;
use crate::rule::RuleId;

/// Where each of them is mounted, in a folder by its short name.
pub const MOUNT: &str = "/opt/flink/files";
/// What Kubernetes takes in one ConfigMap.
const MAX_BYTES: usize = 1 << 20;

/// The ConfigMap for one entry of `configMaps`.
pub struct ConfigMap {
    /// The entry's key.
    pub short: String,
    /// The object's name, which changes with the content.
    pub name: String,
    /// The manifest without a namespace.
    pub manifest: Node,
}

/// Makes the ConfigMaps of a job from its merged layers.
pub fn generate(tree: &SourceTree, folder: &str, job: &str, layers: &Node) -> (Vec<ConfigMap>, Vec<Finding>) {
    let mut made = Vec::new();
    let mut findings = Vec::new();
    for (short, member) in layers.get("configMaps").and_then(Node::members).into_iter().flatten() {
        if !names::is_label(short) || short.len() > 40 {
            let message = format!("`{short}` cannot be the name of a ConfigMap's entry");
            let hint = "lower-case letters, digits and `-`, no more than 40 characters";
            findings.push(Finding::error(RuleId::BadName, member.key.place(), message).hint(hint));
            continue;
        }
        let (data, mut refused) = contents(tree, folder, &member.value);
        if refused.is_empty() {
            let name = format!("{job}-{short}-{}", hash(&data));
            let manifest = manifest(&name, &member.key, data);
            made.push(ConfigMap { short: short.clone(), name, manifest });
        }
        findings.append(&mut refused);
    }
    (made, findings)
}

type File = (String, Mark, String);

fn contents(tree: &SourceTree, folder: &str, listed: &Node) -> (Vec<File>, Vec<Finding>) {
    let mut data: Vec<File> = Vec::new();
    let mut findings = Vec::new();
    for item in listed.items() {
        let name = item.text().unwrap_or_default();
        match content(tree, folder, name) {
            Ok(text) if data.iter().all(|(known, ..)| known != name) => {
                data.push((name.to_owned(), item.mark.clone(), text));
            }
            Ok(_) => findings.push(Finding::error(
                RuleId::DuplicateKey,
                item.mark.place(),
                format!("`{name}` is listed twice"),
            )),
            Err((message, hint)) => {
                findings.push(Finding::error(RuleId::ConfigMapFile, item.mark.place(), message).hint(hint));
            }
        }
    }
    findings.extend(too_large(&data));
    data.sort();
    (data, findings)
}

/// More than a ConfigMap holds, told of the largest file.
fn too_large(data: &[File]) -> Option<Finding> {
    let bytes = |(name, _, text): &File| name.len() + text.len();
    let total: usize = data.iter().map(bytes).sum();
    let largest = data.iter().max_by_key(|file| bytes(file)).filter(|_| total > MAX_BYTES)?;
    let (name, mark, _) = largest;
    let others = match data.len() - 1 {
        0 => String::new(),
        others => format!(", and with {others} more files {total}"),
    };
    let message = format!(
        "`{name}` is {} bytes{others}: a ConfigMap holds no more than {MAX_BYTES} (1 MiB)",
        bytes(largest)
    );
    let finding = Finding::error(RuleId::ConfigMapTooLarge, mark.place(), message);
    Some(finding.hint("put it into the image, or split the files over several entries"))
}

/// Puts the text of the files in `logConfiguration` into `spec.logConfiguration`.
pub fn logging(tree: &SourceTree, folder: &str, layers: &mut Node) -> Vec<Finding> {
    let mut findings = Vec::new();
    let files = layers.get("logConfiguration").and_then(Node::members).cloned().unwrap_or_default();
    for (key, member) in files {
        let (name, mark) = (member.value.text().unwrap_or_default(), &member.value.mark);
        if let Some(inline) = layers::holder(layers).at(&["spec", "logConfiguration", &key]) {
            let message = format!("`{key}` is written in spec.logConfiguration and in a file");
            findings.push(
                Finding::error(RuleId::DuplicateKey, inline.mark.place(), message).hint("remove one of them"),
            );
            continue;
        }
        match content(tree, folder, name) {
            Ok(text) if text.len() > MAX_BYTES => {
                findings.extend(too_large(&[(name.to_owned(), mark.clone(), text)]));
            }
            Ok(text) => {
                let text = Node::text_at(mark.clone(), text);
                layers::lay(layers::holder(layers), &text.wrap(&key).wrap("logConfiguration").wrap("spec"));
            }
            Err((message, hint)) => {
                findings.push(Finding::error(RuleId::ConfigMapFile, mark.place(), message).hint(hint));
            }
        }
    }
    findings
}

fn content(tree: &SourceTree, folder: &str, name: &str) -> Result<String, (String, String)> {
    let beside = || format!("put it beside {folder}/job.yaml");
    if name.contains('/') || name == "." || name == ".." {
        return Err((format!("`{name}` is not a file of this folder"), beside()));
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > 253 || !name.bytes().all(legal) {
        let hint = "letters, digits, `-`, `_` and `.`, no more than 253 characters".to_owned();
        return Err((format!("`{name}` cannot be a key of a ConfigMap"), hint));
    }
    let Some(bytes) = tree.files.get(&format!("{folder}/{name}")) else {
        return Err((format!("there is no file `{name}` in this folder"), beside()));
    };
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned)
        .map_err(|_| (format!("`{name}` is not UTF-8 text"), "put it into the image".to_owned()))
}

/// Eight hexadecimal digits of everything in the files, lengths included so that nothing can shift.
fn hash(data: &[File]) -> String {
    let mut digest = Sha256::new();
    for (name, _, text) in data {
        for part in [name, text] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
    }
    let [a, b, c, d, ..] = digest.finalize().0;
    format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
}

fn manifest(name: &str, mark: &Mark, data: Vec<File>) -> Node {
    let text = |text: &str| Node::text_at(mark.clone(), text);
    let files: Vec<(String, Node)> =
        data.into_iter().map(|(name, mark, content)| (name, Node::text_at(mark, content))).collect();
    let data = Node::map(mark.clone(), files.iter().map(|(name, node)| (name.as_str(), node.clone())));
    let immutable = Node { mark: mark.clone(), content: Content::Bool(true) };
    let metadata = Node::map(mark.clone(), [("name", text(name))]);
    let members = [
        ("apiVersion", text("v1")),
        ("kind", text("ConfigMap")),
        ("metadata", metadata),
        ("immutable", immutable),
        ("data", data),
    ];
    Node::map(mark.clone(), members)
}

/// Mounts the ConfigMaps into Flink's container through `spec.podTemplate`.
pub fn mount(made: &[ConfigMap], layers: &mut Node) -> Vec<Finding> {
    let findings = made.first().and_then(|_| merged_by_position(layers)).into_iter().collect();
    for map in made {
        let mark = map.manifest.mark.clone();
        let text = |text: String| Node::text_at(mark.clone(), text);
        let name = format!("files-{}", map.short);
        let list = |node| Node { mark: mark.clone(), content: Content::List(Arc::new(vec![node])) };
        let source = Node::map(mark.clone(), [("name", text(map.name.clone()))]);
        let volume = Node::map(mark.clone(), [("name", text(name.clone())), ("configMap", source)]);
        let read_only = Node { mark: mark.clone(), content: Content::Bool(true) };
        let path = text(format!("{MOUNT}/{}", map.short));
        let mounts =
            Node::map(mark.clone(), [("name", text(name)), ("mountPath", path), ("readOnly", read_only)]);
        let container = [("name", text("flink-main-container".to_owned())), ("volumeMounts", list(mounts))];
        let containers = list(Node::map(mark.clone(), container));
        let spec = Node::map(mark.clone(), [("containers", containers), ("volumes", list(volume))]);
        layers::lay(layers, &spec.wrap("spec").wrap("podTemplate").wrap("spec"));
    }
    findings
}

/// The operator merges the lists of pod templates by position unless told otherwise, and would then mix up
/// the volumes of a JobManager's or TaskManager's own template with these.
fn merged_by_position(layers: &Node) -> Option<Finding> {
    let key = "kubernetes.operator.pod-template.merge-arrays-by-name";
    let by_name = layers.at(&["spec", layers::CONFIGURATION, key]).map(Node::to_value);
    if by_name.is_some_and(|value| value == true || value == "true") {
        return None;
    }
    let own = ["jobManager", "taskManager"].into_iter().find_map(|part| {
        let spec = layers.at(&["spec", part, "podTemplate", "spec"])?;
        spec.get("containers").or_else(|| spec.get("volumes"))
    })?;
    let message = "the operator would mix up these entries with the volumes that `configMaps` makes";
    let hint = format!("set `{key}: \"true\"` in flinkConfiguration, or write them in spec.podTemplate");
    Some(Finding::error(RuleId::ConfigMapMount, own.mark.place(), message).hint(hint))
}
