//! Writes many files of a repository at once: all of them, or none where one is there already and differs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Component, Path};

use anyhow::{Context, bail};
use similar::TextDiff;

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is not there yet.
    New,
    /// It is there, and the same.
    Same,
    /// It is there, and differs.
    Differs,
}

/// Files to be written below a folder, with what each of them would replace.
pub(super) struct Files<'a> {
    root: &'a Path,
    texts: BTreeMap<&'a str, (&'a str, Option<String>)>,
}

impl<'a> Files<'a> {
    /// Looks at what is there. A path that a link leads out of the folder is refused.
    pub(super) fn new(root: &'a Path, files: &'a BTreeMap<String, String>) -> anyhow::Result<Self> {
        let mut texts = BTreeMap::new();
        for (path, text) in files {
            texts.insert(path.as_str(), (text.as_str(), there(root, path)?));
        }
        Ok(Self { root, texts })
    }

    /// What becomes of each file.
    pub(super) fn fates(&self) -> impl Iterator<Item = (&str, Fate)> {
        self.texts.iter().map(|(path, (text, old))| match old {
            None => (*path, Fate::New),
            Some(old) if old == text => (*path, Fate::Same),
            Some(_) => (*path, Fate::Differs),
        })
    }

    /// The files as a patch against what is there.
    pub(super) fn patch(&self) -> String {
        let mut patch = String::new();
        for (path, (text, old)) in self.texts.iter().filter(|(_, (text, old))| old.as_deref() != Some(*text))
        {
            let before = old.as_ref().map_or_else(|| "/dev/null".to_owned(), |_| format!("a/{path}"));
            let diff = TextDiff::from_lines(old.as_deref().unwrap_or_default(), *text);
            let _ = write!(patch, "{}", diff.unified_diff().header(&before, &format!("b/{path}")));
        }
        patch
    }

    /// Writes what is new or differs.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        for (path, (text, old)) in &self.texts {
            if old.as_deref() == Some(*text) {
                continue;
            }
            let whole = self.root.join(path);
            if let Some(folder) = whole.parent() {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("failed to create {}", folder.display()))?;
            }
            super::output::replace(&whole, text)?;
        }
        Ok(())
    }
}

fn there(root: &Path, path: &str) -> anyhow::Result<Option<String>> {
    let mut whole = root.to_owned();
    for part in Path::new(path).components() {
        let Component::Normal(part) = part else { bail!("{path} is no path within the repository") };
        whole.push(part);
        if whole.is_symlink() {
            bail!("{} is a link, and nothing is written through it", whole.display());
        }
    }
    match std::fs::read_to_string(&whole) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", whole.display())),
    }
}
