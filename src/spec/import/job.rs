//! A unit's manifest as the text of a `job.yaml`, or of an `<environment>.yaml`, in its own words where it can be.

use serde_json::{Map, Value, json};

use super::secret::LeftOut;
use super::text;
use crate::flink::secret::{LAST_APPLIED, Secrets};
use crate::spec::render::yaml;

/// The line by which editors find the schema; the path follows.
pub const MODELINE: &str = "# yaml-language-server: $schema=";
/// The annotation that says of any plain manifest which environments it is in.
pub const ENVIRONMENTS: &str = "flinkops.dev/environments";
/// Annotations that say in a plain manifest what fields say in a `job.yaml`.
const ANNOTATIONS: [(&str, &[&str]); 8] = [
    ("flinkops.dev/adopt", &["adopt"]),
    ("flinkops.dev/allow-recreate", &["allow", "recreate"]),
    ("flinkops.dev/allow-state-loss", &["allow", "stateLoss"]),
    ("flinkops.dev/depends-on", &["dependsOn"]),
    (ENVIRONMENTS, &["environments"]),
    ("flinkops.dev/freeze", &["freeze"]),
    ("flinkops.dev/on-create", &["onCreate"]),
    ("flinkops.dev/renamed-from", &["renamedFrom"]),
];
/// The fields in the order in which they are written.
const ORDER: [&str; 13] = [
    "kind",
    "name",
    "environments",
    "dependsOn",
    "adopt",
    "allow",
    "freeze",
    "onCreate",
    "renamedFrom",
    "labels",
    "annotations",
    "policy",
    "spec",
];

/// What becomes a `job.yaml` or an overlay of one.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The fields, as they are to be read again.
    pub fields: Map<String, Value>,
    /// The document they come from, in the form of a manifest.
    pub text: Option<String>,
    /// What is to be cut out of the text.
    pub left_out: Vec<LeftOut>,
}

/// The fields of a `job.yaml` that a manifest says, without its name.
pub fn fields(manifest: &Value) -> Map<String, Value> {
    let mut fields = Map::new();
    let metadata = &manifest["metadata"];
    if let Some(labels) = metadata["labels"].as_object().filter(|labels| !labels.is_empty()) {
        fields.insert("labels".into(), labels.clone().into());
    }
    let annotations = metadata["annotations"].as_object().cloned().unwrap_or_default();
    let (own, others): (Map<_, _>, Map<_, _>) =
        annotations.into_iter().partition(|(key, _)| key.starts_with("flinkops.dev/"));
    let others: Map<_, _> = others.into_iter().filter(|(key, _)| key != LAST_APPLIED).collect();
    if !others.is_empty() {
        fields.insert("annotations".into(), others.into());
    }
    for (annotation, path) in ANNOTATIONS {
        let Some(said) = own.get(annotation).and_then(Value::as_str) else { continue };
        let value = if ["flinkops.dev/depends-on", ENVIRONMENTS].contains(&annotation) {
            said.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
        } else {
            Value::from(said)
        };
        match path {
            [field] => drop(fields.insert((*field).to_owned(), value)),
            [field, below] => {
                let map = fields.entry((*field).to_owned()).or_insert_with(|| json!({}));
                map[*below] = value;
            }
            _ => {}
        }
    }
    if let Some(spec) = manifest.get("spec") {
        fields.insert("spec".into(), spec.clone());
    }
    fields
}

/// Leaves what stands below these rules to the cluster.
pub fn ignore(fields: &mut Map<String, Value>, left_out: &[LeftOut]) {
    let rule = |left: &LeftOut| json!({"path": left.pointer, "reason": "holds a secret, which does not belong in Git: import left it to the cluster"});
    let rules: Vec<Value> = left_out.iter().filter(|left| left.is_spec()).map(rule).collect();
    if !rules.is_empty() {
        fields.insert("policy".into(), json!({ "ignore": rules }));
    }
}

impl Draft {
    /// The file, and whether the source's own words are in it.
    pub fn write(&self, schema: &str) -> (String, bool) {
        let written = self.text.as_deref().and_then(|text| self.lifted(text));
        let own = written.is_some();
        let body = written.unwrap_or_else(|| ORDER.iter().map(|field| self.field(field)).collect());
        (format!("{MODELINE}{schema}\n{body}"), own)
    }

    fn field(&self, field: &str) -> String {
        self.fields.get(field).map(|value| yaml(&json!({ field: value }))).unwrap_or_default()
    }

    /// The manifest's text with the fields in the places of what they replace; `None` where that would say
    /// anything else, or show a secret in a comment.
    fn lifted(&self, source: &str) -> Option<String> {
        let mut text = source.to_owned();
        let mut left_out: Vec<_> = self.left_out.iter().filter(|left| left.is_spec()).collect();
        left_out.sort_by_key(|left| std::cmp::Reverse(position(source, left)));
        for left in left_out {
            text = text::cut_with_comments(&text, &left.path)?;
        }
        let root = text::root(source)?;
        let metadata = |part: &str| {
            let said = root.at(&["metadata", part])?;
            let same = self.fields.get(part).is_some_and(|value| *value == said.to_value());
            same.then(|| text::lift(source, &text::keys(&["metadata", part])))?
        };
        let field = |field: &str| match field {
            "kind" | "spec" => String::new(),
            "labels" | "annotations" => metadata(field).unwrap_or_else(|| self.field(field)),
            other => self.field(other),
        };
        let head: String = ORDER.iter().map(|one| field(one)).collect();
        let members = root.members()?.keys().filter(|key| !["kind", "spec"].contains(&key.as_str()));
        for key in members {
            text = text::cut(&text, &text::keys(&[key]))?;
        }
        text = insert(&text, &head, self.fields.contains_key("kind"))?;
        let lines = text.split_inclusive('\n').filter(|line| !line.starts_with(MODELINE));
        let text = format!("{}\n", lines.collect::<String>().trim_matches('\n'));
        let mut secrets = Secrets::default();
        secrets.read_source(source);
        let sound = text::root(&text)?.to_value() == without_null(&Value::Object(self.fields.clone()));
        (sound && secrets.scrub(&text) == text).then_some(text)
    }
}

/// As the reader gives values: null is absent.
fn without_null(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, field)| !field.is_null());
            kept.map(|(key, field)| (key.clone(), without_null(field))).collect()
        }
        Value::Array(items) => items.iter().map(without_null).collect(),
        scalar => scalar.clone(),
    }
}

fn position(source: &str, left: &LeftOut) -> usize {
    text::cut(source, &left.path).map_or(0, |cut| {
        source.bytes().zip(cut.bytes()).take_while(|(before, after)| before == after).count()
    })
}

/// Puts lines below the kind's, which goes where the file does not say it.
pub fn insert(text: &str, head: &str, with_kind: bool) -> Option<String> {
    let root = text::root(text)?;
    let anchor = if with_kind || root.get("kind").is_some() { "kind" } else { "spec" };
    let line = usize::try_from(root.key_mark(anchor).line).ok()?.checked_sub(1)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let below = if anchor == "kind" { line + 1 } else { line };
    let kept = if anchor == "kind" && !with_kind { line } else { below };
    let gap = if kept > 0 && !lines[kept - 1].ends_with('\n') { "\n" } else { "" };
    Some([&lines[..kept].concat(), gap, head, &lines[below..].concat()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::import::secret;

    const MANIFEST: &str = "\
# Orders, as they come in.
apiVersion: flink.apache.org/v1beta1
kind: FlinkDeployment # an application
metadata:
  name: orders
  # who pays
  labels: {team: a}
  annotations:
    flinkops.dev/depends-on: a, b
# What runs.
spec:
  image: x # pinned
  flinkConfiguration:
    # of the bucket
    s3.secret-key: hunter22
    a: b
status: {}
";

    fn written(text: &str) -> (String, bool) {
        let manifest = text::root(text).unwrap().to_value();
        let (clean, left_out) = secret::leave_out(&manifest);
        let mut fields = fields(&clean);
        fields.insert("kind".into(), clean["kind"].clone());
        ignore(&mut fields, &left_out);
        Draft { fields, text: Some(text.to_owned()), left_out }.write("s")
    }

    #[test]
    fn s25_a_manifest_becomes_a_job_in_its_own_words_and_without_its_secrets() {
        let expected = "\
# yaml-language-server: $schema=s
# Orders, as they come in.
kind: FlinkDeployment # an application
dependsOn:
- a
- b
# who pays
labels: {team: a}
policy:
  ignore:
  - path: /spec/flinkConfiguration/s3.secret-key
    reason: \"holds a secret, which does not belong in Git: import left it to the cluster\"
# What runs.
spec:
  image: x # pinned
  flinkConfiguration:
    a: b
";
        let (text, own) = written(MANIFEST);
        assert_eq!(text, expected);
        assert!(own);
    }

    #[test]
    fn s25_a_comment_with_a_secret_in_it_goes_with_all_comments() {
        let (text, own) = written(&MANIFEST.replace("# pinned", "# s3.secret-key: hunter33"));
        assert!(!own && !text.contains("hunter") && !text.contains("pinned"), "{text}");
    }

    #[test]
    fn what_cannot_be_cut_by_lines_is_written_anew() {
        let (text, own) =
            written("{apiVersion: a/v1, kind: FlinkDeployment, metadata: {name: x}, spec: {image: x}}");
        assert!(!own);
        assert_eq!(text, "# yaml-language-server: $schema=s\nkind: FlinkDeployment\nspec:\n  image: x\n");
    }
}
