//! What exists becomes job folders: manifests, live objects and Terraform as the files of a repository.
//!
//! ```text
//! folder, kustomize, terraform, live ──► Bundle ──► import ──► files, and what is to be said of them
//! ```
//!
//! A source only reads; what a file looks like, where it goes and what is never written (S25) is decided
//! once, below. The result is loaded by the loader before it is returned, and compared with its source.

mod bundle;
mod companion;
mod document;
mod evaluate;
pub mod folder;
mod job;
mod kustomize;
mod later;
pub mod live;
mod overlay;
mod repository;
mod secret;
mod terraform;
mod text;
mod verify;
mod write;

use std::collections::BTreeMap;

pub use bundle::Bundle;
pub use job::MODELINE;
pub use repository::{SCHEMAS, Target, label, text as repository_file};

use super::finding::{Finding, Place};
use crate::rule::RuleId;
use repository::Repository;
use write::Writer;

/// The files that a source becomes.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// Texts by path from the repository's root.
    pub files: BTreeMap<String, String>,
    /// What was left out and why, and what is to be done by hand: errors.
    pub findings: Vec<Finding>,
    /// How many units were imported.
    pub units: usize,
}

/// Turns what a source gave into files of a repository.
pub fn import(mut bundle: Bundle, target: &Target<'_>) -> Import {
    let repository = match Repository::of(target, &mut bundle) {
        Ok(repository) => repository,
        Err(mut findings) => {
            findings.append(&mut bundle.findings);
            return Import { findings, ..Import::default() };
        }
    };
    if !bundle.objects.iter().any(|object| object.unit().is_some()) {
        let message = "there is nothing here that flinkops looks after: nothing was imported";
        bundle.findings.push(Finding::error(RuleId::ImportNothing, Place::file("."), message));
        return Import { findings: bundle.findings, ..Import::default() };
    }
    let later = later::take(&mut bundle, target);
    let mut written = Writer::new(repository, bundle).write(later);
    written.findings.extend(verify::verify(target, &written));
    written.findings.sort();
    written.findings.dedup();
    Import { units: written.units.len(), files: written.files, findings: written.findings }
}
