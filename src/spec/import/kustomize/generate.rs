//! ConfigMaps that a kustomization makes of files and literals.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::transform::refuse;
use super::{Kustomization, Reader, join};
use crate::spec::finding::Finding;
use crate::spec::import::bundle::Object;
use crate::spec::layout::base_name;
use crate::spec::node::Node;

impl Reader<'_> {
    /// An entry of `configMapGenerator`. One whose name changes with what is in it is refused: kustomize writes the
    /// new name into the kinds that it knows, and no Flink resource is one.
    pub(super) fn config_map(&mut self, one: &Kustomization, item: &Node) -> Result<Object, Box<Finding>> {
        let fail = |what: &str, hint: &str| Box::new(refuse(item, what).hint(hint));
        let name = item.get("name").and_then(Node::text).unwrap_or_default();
        let options = [one.node.get("generatorOptions"), item.get("options")];
        let option =
            |key: &str| options.iter().rev().flatten().find_map(|from| from.get(key)).map(Node::to_value);
        if option("disableNameSuffixHash") != Some(json!(true)) {
            let what = format!(
                "`configMapGenerator`, whose `{name}` has another name whenever its content changes,"
            );
            return Err(fail(&what, "put the files beside job.yaml, and list them there under `configMaps`"));
        }
        if item.get("behavior").and_then(Node::text).is_some_and(|behavior| behavior != "create") {
            return Err(fail("`configMapGenerator` that changes another's", "write the whole ConfigMap out"));
        }
        let mut manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        for part in ["labels", "annotations"] {
            // Of one kind of option, both are in force.
            let all =
                options.iter().flatten().filter_map(|from| from.get(part)?.to_value().as_object().cloned());
            let all: Map<String, Value> = all.flatten().collect();
            if !all.is_empty() {
                manifest["metadata"][part] = all.into();
            }
        }
        if option("immutable") == Some(json!(true)) {
            manifest["immutable"] = json!(true);
        }
        self.fill(&mut manifest, one, item)?;
        Ok(Object::bare(item.mark.place(), manifest, false))
    }

    /// Puts in what the entry names.
    fn fill(&mut self, manifest: &mut Value, one: &Kustomization, item: &Node) -> Result<(), Box<Finding>> {
        let unset = |what: &str| Box::new(refuse(item, what).hint("write `key=value`"));
        let texts = |field: &str| item.list(field).iter().filter_map(Node::text);
        for literal in texts("literals") {
            let (key, value) = literal.split_once('=').ok_or_else(|| unset("a literal without `=`"))?;
            manifest["data"][key] = unquoted(value).into();
        }
        for entry in texts("files") {
            let (key, path) = entry.split_once('=').unwrap_or((base_name(entry), entry));
            let content = self.content(one, item, path)?;
            match std::str::from_utf8(content) {
                Ok(text) => manifest["data"][key] = text.into(),
                Err(_) => manifest["binaryData"][key] = STANDARD.encode(content).into(),
            }
        }
        for path in texts("envs").chain(item.get("env").and_then(Node::text)) {
            let content = String::from_utf8_lossy(self.content(one, item, path)?);
            let lines = content.lines().map(str::trim_start);
            for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
                // A name alone has the value that it has for whoever builds.
                let set = line.split_once('=');
                let (key, value) =
                    set.ok_or_else(|| unset(&format!("a name without a value in `{path}`")))?;
                manifest["data"][key] = value.into();
            }
        }
        Ok(())
    }

    fn content(&mut self, one: &Kustomization, item: &Node, path: &str) -> Result<&[u8], Box<Finding>> {
        let known = join(&one.folder, path).filter(|path| self.tree.files.contains_key(path));
        let Some(known) = known else {
            return Err(Box::new(refuse(item, &format!("the file `{path}`, which is not there,"))));
        };
        self.used.insert(known.clone());
        Ok(&self.tree.files[&known])
    }
}

/// A value without the quotes around it.
fn unquoted(value: &str) -> &str {
    let within = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}
