//! `images` of `flinkops.yaml`: which tag or digest an image has in an environment, wherever a unit or a companion
//! names it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::finding::Finding;
use super::layers::holder;
use super::node::{Content, Mark, Node};
use crate::rule::RuleId;

/// Where pods are described within a manifest: a unit's templates, and that of a Deployment and its like.
const POD_TEMPLATES: [&[&str]; 4] = [
    &["spec", "podTemplate"],
    &["spec", "jobManager", "podTemplate"],
    &["spec", "taskManager", "podTemplate"],
    &["spec", "template"],
];

/// What `images` says of one environment, by the image's name.
#[derive(Clone, Debug, Default)]
pub struct Images(BTreeMap<String, Image>);

#[derive(Clone, Debug)]
struct Image {
    /// Where the entry stands.
    key: Mark,
    /// Where what it says stands.
    said: Mark,
    name: Option<String>,
    version: Option<String>,
}

impl Images {
    /// Reads one `images`; says which entry cannot be about an image.
    pub fn read(declared: Option<&Node>) -> (Self, Vec<Finding>) {
        let (mut images, mut findings) = (Self::default(), Vec::new());
        for (name, member) in declared.and_then(Node::members).into_iter().flatten() {
            if split(name).1.is_some() {
                let message = format!("`{name}` is more than the name of an image");
                let hint = format!("write `{}`, and `tag` or `digest` under it", split(name).0);
                findings.push(Finding::error(RuleId::BadName, member.key.place(), message).hint(hint));
                continue;
            }
            if let Some(image) = Image::read(&member.key, &member.value) {
                images.0.insert(name.clone(), image);
            }
        }
        (images, findings)
    }

    /// These with the entries of an environment over them.
    #[must_use]
    pub fn under(mut self, over: &Self) -> Self {
        self.0.extend(over.0.clone());
        self
    }

    /// Changes the images of a manifest, and adds the entries that were about one of them to `used`.
    pub fn apply(&self, manifest: &mut Node, used: &mut BTreeSet<String>) {
        if self.0.is_empty() {
            return;
        }
        let manifest = holder(manifest);
        if let Some(image) = manifest.at_mut(&["spec", "image"]) {
            self.change(image, used);
        }
        for template in POD_TEMPLATES {
            for list in ["containers", "initContainers"] {
                let Some(template) = manifest.at_mut(template) else { continue };
                let Some(Content::List(containers)) =
                    template.at_mut(&["spec", list]).map(|list| &mut list.content)
                else {
                    continue;
                };
                for container in Arc::make_mut(containers) {
                    if let Some(image) = container.at_mut(&["image"]) {
                        self.change(image, used);
                    }
                }
            }
        }
    }

    fn change(&self, image: &mut Node, used: &mut BTreeSet<String>) {
        let Content::Text(written) = &image.content else { return };
        let (name, version) = split(written);
        let Some((entry, said)) = self.0.get_key_value(name) else { return };
        used.insert(entry.clone());
        let name = said.name.as_deref().unwrap_or(name);
        let version = said.version.as_deref().or(version).unwrap_or_default();
        *image = Node::text_at(said.said.clone(), format!("{name}{version}"));
    }

    /// Entries that were about no image, kustomize's silent mistake.
    pub fn unused(&self, used: &BTreeSet<String>, whose: &str) -> Vec<Finding> {
        let unused = self.0.iter().filter(|(name, _)| !used.contains(*name));
        let told = |(name, image): (&String, &Image)| {
            let message = format!("no unit and no companion {whose} has the image `{name}`");
            Finding::error(RuleId::UnusedImage, image.key.place(), message)
                .hint("write the name as it stands there, without tag and digest, or remove the entry")
        };
        unused.map(told).collect()
    }
}

impl Image {
    fn read(key: &Mark, said: &Node) -> Option<Self> {
        let text = |field| said.get(field).and_then(Node::text);
        let tag = text("tag").map(|tag| format!(":{tag}"));
        let digest = text("digest").map(|digest| format!("@{digest}"));
        let at = ["digest", "tag", "name"].into_iter().find_map(|field| said.get(field))?.mark.clone();
        let version = tag.into_iter().chain(digest).reduce(|tag, digest| tag + &digest);
        Some(Self { key: key.clone(), said: at, name: text("name").map(str::to_owned), version })
    }
}

/// The name of an image, and its tag and digest with their signs. A colon before the last `/` is a port's.
fn split(image: &str) -> (&str, Option<&str>) {
    let name_and_tag = image.split('@').next().unwrap_or(image);
    let last = name_and_tag.rfind('/').map_or(0, |at| at + 1);
    let end = name_and_tag[last..].find(':').map_or(name_and_tag.len(), |at| last + at);
    (&image[..end], Some(&image[end..]).filter(|version| !version.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::source::Limits;
    use crate::spec::yaml;

    fn node(text: &str) -> Node {
        yaml::read("f", text.as_bytes(), &Limits::default()).unwrap().remove(0)
    }

    fn applied(images: &str, manifest: &str) -> (serde_json::Value, Vec<String>) {
        let (images, findings) = Images::read(Some(&node(images)));
        assert_eq!(findings, []);
        let (mut manifest, mut used) = (node(manifest), BTreeSet::new());
        images.apply(&mut manifest, &mut used);
        (manifest.to_value(), images.unused(&used, "of prod").into_iter().map(|one| one.message).collect())
    }

    #[test]
    fn a_name_ends_before_its_tag_and_not_before_its_registrys_port() {
        for (image, name, version) in [
            ("flink", "flink", None),
            ("flink:1.20", "flink", Some(":1.20")),
            ("localhost:5000/a/b", "localhost:5000/a/b", None),
            ("localhost:5000/a/b:1", "localhost:5000/a/b", Some(":1")),
            ("r/a@sha256:0a", "r/a", Some("@sha256:0a")),
            ("r/a:1@sha256:0a", "r/a", Some(":1@sha256:0a")),
        ] {
            assert_eq!(split(image), (name, version), "{image}");
        }
    }

    #[test]
    fn images_change_wherever_pods_are_described() {
        let images = "{r/a: {tag: '2'}, r/b: {digest: 'sha256:0b'}, r/c: {name: x/c}, r/none: {tag: '1'}}";
        let manifest = "
spec:
  image: r/a:1
  podTemplate: {spec: {initContainers: [{name: i, image: r/b:1}], containers: [{name: c, image: r/c:3}, {name: d}]}}
  taskManager: {podTemplate: {spec: {containers: [{name: c, image: r/ab:1}, {name: e, image: r/a}]}}}
";
        let changed = manifest.replace("r/a:1", "r/a:2").replace("r/a}", "r/a:2}");
        let changed = changed.replace("r/b:1", "'r/b@sha256:0b'").replace("r/c:3", "x/c:3");
        let unused = "no unit and no companion of prod has the image `r/none`".to_owned();
        assert_eq!(applied(images, manifest), (node(&changed).to_value(), vec![unused]));
    }
}
