//! Finds the job folder that an object belongs to: the one job that names it, or lies beside it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::bundle::Object;

/// The folder of what belongs to several jobs, or to none that can be told.
pub const SHARED: &str = "shared";

/// A unit and the folder it is going to have.
pub struct Home<'a> {
    /// The folder's name.
    pub folder: String,
    /// The unit.
    pub unit: &'a Object,
}

/// The folder for a companion.
pub fn home(companion: &Object, homes: &[Home<'_>]) -> String {
    let near = |same: &dyn Fn(&Object) -> bool| -> BTreeSet<&str> {
        homes.iter().filter(|home| same(home.unit)).map(|home| home.folder.as_str()).collect()
    };
    let wanted = (companion.at("/kind").to_owned(), companion.name().to_owned());
    let users = near(&|unit| references(&unit.manifest).contains(&wanted));
    if !users.is_empty() {
        return only(&users).unwrap_or(SHARED).to_owned();
    }
    let file = near(&|unit| unit.place.file == companion.place.file);
    let beside = near(&|unit| folder(&unit.place.file) == folder(&companion.place.file));
    only(&file).or_else(|| only(&beside)).unwrap_or(SHARED).to_owned()
}

fn only<'s>(names: &BTreeSet<&'s str>) -> Option<&'s str> {
    let mut names = names.iter();
    names.next().copied().filter(|_| names.next().is_none())
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What a manifest names, as kind and name.
pub fn references(manifest: &Value) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    collect(manifest, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeSet<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let named = match key.as_str() {
                    "configMap" | "configMapRef" | "configMapKeyRef" => Some(("ConfigMap", &field["name"])),
                    "persistentVolumeClaim" => Some(("PersistentVolumeClaim", &field["claimName"])),
                    "serviceAccount" | "serviceAccountName" => Some(("ServiceAccount", field)),
                    _ => None,
                };
                if let Some((kind, Value::String(name))) = named {
                    found.insert((kind.to_owned(), name.clone()));
                }
                collect(field, found);
            }
        }
        Value::Array(entries) => entries.iter().for_each(|entry| collect(entry, found)),
        _ => {}
    }
}
