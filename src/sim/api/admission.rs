//! What the API server does to an object between a request and the store: it checks, prunes, keeps
//! status and metadata apart, counts generations and records who owns what. Values in, values out.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::apply;
use super::field_set::{Changes, FieldSet};
use super::managed_fields::{Author, ManagedFields};
use super::resource::{Part, Resource};
use super::scale;
use super::schema;
use super::status::{Cause, StatusError};
use super::validation;
use crate::flink::kind::ObjectKey;

/// What to do about fields the schema does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Drop them silently.
    Ignore,
    /// Drop them and say so.
    #[default]
    Warn,
    /// Refuse the request.
    Strict,
}

/// A mutating webhook: changes an object that is about to be stored.
pub type Webhook = Arc<dyn Fn(&mut Value) + Send + Sync>;

/// A claim made by server-side apply.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The fields of the configuration.
    pub fields: FieldSet,
    /// Whether to take fields from their owners.
    pub force: bool,
}

/// Everything about a write but the two objects.
#[derive(Clone)]
pub struct Request<'a> {
    /// The kind.
    pub resource: &'static Resource,
    /// The object's key, as the path has it.
    pub key: &'a ObjectKey,
    /// The field manager.
    pub manager: &'a str,
    /// What of the object is written.
    pub part: Part,
    /// What to do about unknown fields.
    pub validation: FieldValidation,
    /// The kind's schema, if it has one.
    pub schema: Option<&'a Value>,
    /// The webhook that writes of this kind pass.
    pub webhook: Option<Webhook>,
    /// The time, as metadata writes it.
    pub now: &'a str,
    /// The uid a new object gets.
    pub new_uid: &'a str,
}

/// An object as it is to be stored.
#[derive(Debug)]
pub struct Admitted {
    /// The object; its `resourceVersion` is still the old one.
    pub object: Value,
    /// What to warn the client of.
    pub warnings: Vec<String>,
}

impl Request<'_> {
    /// The author of the write.
    pub fn author(&self, applies: bool) -> Author {
        let api_version = self.key.api_version.clone();
        Author { manager: self.manager.to_owned(), applies, api_version, part: self.part }
    }

    /// Makes of a proposed object the one to store, or refuses it.
    pub fn admit(
        &self,
        old: Option<&Value>,
        mut object: Value,
        claim: Option<Claim>,
    ) -> Result<Admitted, StatusError> {
        self.check_identity(&mut object)?;
        let warnings = self.prune(&mut object)?;
        self.keep_status_apart(old, &mut object);
        self.check_version(old, &object)?;
        // What others own is refused before what is wrong, as the real server does.
        let checked = self.check_fields(old, &object);
        self.carry_metadata(old, &mut object);
        self.count_generation(old, &mut object);
        self.record_owner(old, &mut object, claim)?;
        checked?;
        self.call_webhook(old, &mut object);
        Ok(Admitted { object, warnings })
    }

    fn check_identity(&self, object: &mut Value) -> Result<(), StatusError> {
        let Some(map) = object.as_object_mut() else {
            return Err(StatusError::bad_request("the body must be a JSON object"));
        };
        map.entry("apiVersion").or_insert_with(|| json!(self.key.api_version));
        map.entry("kind").or_insert_with(|| json!(self.key.kind));
        let metadata = map.entry("metadata").or_insert_with(|| json!({}));
        let Some(metadata) = metadata.as_object_mut() else {
            return Err(StatusError::bad_request("metadata must be a JSON object"));
        };
        let name = text(metadata, "name").to_owned();
        if name != self.key.name {
            return Err(StatusError::other_name(&name, &self.key.name));
        }
        if self.resource.namespaced {
            let namespace = metadata.entry("namespace").or_insert_with(|| json!(self.key.namespace));
            if *namespace != json!(self.key.namespace) {
                let message =
                    "the namespace of the provided object does not match the namespace sent on the request";
                return Err(StatusError::bad_request(message));
            }
        }
        self.check_kind(object)
    }

    fn check_kind(&self, object: &Value) -> Result<(), StatusError> {
        if object["kind"] == json!(self.key.kind) && object["apiVersion"] == json!(self.key.api_version) {
            return Ok(());
        }
        let kind = object["kind"].clone();
        let why = format!("must be {}", self.resource.kind);
        Err(StatusError::invalid(self.resource, &self.key.name, &[Cause::invalid("kind", &kind, &why)]))
    }

    fn prune(&self, object: &mut Value) -> Result<Vec<String>, StatusError> {
        let Some(schema) = self.schema else { return self.check_text(object).map(|()| Vec::new()) };
        let unknown = schema::prune(object, schema);
        let warnings: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
        match self.validation {
            FieldValidation::Strict if !warnings.is_empty() => {
                let (kind, version) = (self.resource.kind, self.resource.version);
                let listed = warnings.join(", ");
                Err(StatusError::bad_request(format!(
                    "{kind} in version \"{version}\" cannot be handled as a {kind}: strict decoding error: {listed}"
                )))
            }
            FieldValidation::Ignore => Ok(Vec::new()),
            FieldValidation::Warn | FieldValidation::Strict => Ok(warnings),
        }
    }

    /// The data of a ConfigMap is text; a number is what authors write by mistake.
    fn check_text(&self, object: &Value) -> Result<(), StatusError> {
        let mut data = object["data"].as_object().into_iter().flatten();
        match data.find(|(_, value)| !value.is_string() && !value.is_null()) {
            Some((_, value)) if self.resource.kind == "ConfigMap" => {
                let type_name =
                    schema::type_name(value).replace("integer", "number").replace("boolean", "bool");
                Err(StatusError::bad_request(format!(
                    "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal {type_name} \
                     into Go struct field ConfigMap.data of type string"
                )))
            }
            _ => Ok(()),
        }
    }

    /// A write of the object leaves the status as it is, and the other way round.
    fn keep_status_apart(&self, old: Option<&Value>, object: &mut Value) {
        if !self.resource.has_status {
            return;
        }
        let newborn_namespace = old.is_none() && self.resource.kind == "Namespace";
        let status = if self.part == Part::Status || newborn_namespace {
            object.get("status")
        } else {
            old.and_then(|old| old.get("status"))
        };
        let status = status.cloned();
        if let (Part::Status, Some(old)) = (self.part, old) {
            let asked = object["metadata"].take();
            *object = old.clone();
            for key in ["resourceVersion", "uid"] {
                if let Some(value) = asked.get(key) {
                    object["metadata"][key] = value.clone();
                }
            }
        }
        let Some(map) = object.as_object_mut() else { return };
        map.remove("status");
        map.extend(status.map(|status| ("status".to_owned(), status)));
    }

    fn check_version(&self, old: Option<&Value>, object: &Value) -> Result<(), StatusError> {
        let asked = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        match old {
            None if !asked.is_empty() => {
                Err(StatusError::new(500, "", "resourceVersion should not be set on objects to be created"))
            }
            Some(old) if !asked.is_empty() && old["metadata"]["resourceVersion"] != json!(asked) => {
                Err(StatusError::modified(self.resource, &self.key.name))
            }
            _ => Ok(()),
        }
    }

    fn check_fields(&self, old: Option<&Value>, object: &Value) -> Result<(), StatusError> {
        let mut causes = self.schema.map(|schema| schema::check(object, schema)).unwrap_or_default();
        causes.extend(validation::check(old, object));
        if causes.is_empty() {
            return Ok(());
        }
        Err(StatusError::invalid(self.resource, &self.key.name, &causes))
    }

    fn carry_metadata(&self, old: Option<&Value>, object: &mut Value) {
        const SERVER_OWNED: [&str; 7] = [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "managedFields",
        ];
        let Some(metadata) = object["metadata"].as_object_mut() else { return };
        let empty = |key: &str, value: &Value| value.is_null() || key == "finalizers" && *value == json!([]);
        metadata.retain(|key, value| !SERVER_OWNED.contains(&key.as_str()) && !empty(key, value));
        if let Some(old) = old {
            let kept = SERVER_OWNED
                .iter()
                .filter_map(|key| Some(((*key).to_owned(), old["metadata"].get(key)?.clone())));
            metadata.extend(kept);
        } else {
            metadata.insert("uid".into(), json!(self.new_uid));
            metadata.insert("creationTimestamp".into(), json!(self.now));
        }
    }

    /// Who owns a field was settled by the request: what a webhook makes of it keeps that owner, and what it
    /// adds has none.
    fn call_webhook(&self, old: Option<&Value>, object: &mut Value) {
        let Some(webhook) = self.webhook.as_ref().filter(|_| self.part != Part::Status) else { return };
        webhook(object);
        self.count_generation(old, object);
        if let Some(old) = old.filter(|old| without_owners(old) == without_owners(object)) {
            old.clone_into(object);
        }
    }

    /// Anything but metadata and status makes a new generation.
    fn count_generation(&self, old: Option<&Value>, object: &mut Value) {
        if !self.resource.has_generation {
            return;
        }
        let generation = match old {
            None => 1,
            Some(old) => generation(old) + i64::from(intent(old) != intent(object)),
        };
        object["metadata"]["generation"] = json!(generation);
    }

    fn record_owner(
        &self,
        old: Option<&Value>,
        object: &mut Value,
        claim: Option<Claim>,
    ) -> Result<(), StatusError> {
        let mut managed = ManagedFields::of(old);
        let author = self.author(claim.is_some());
        if let Some(claim) = &claim {
            let keep = claim.fields.union(&managed.owned_by_others(&author));
            apply::drop_abandoned(object, &managed.owned_by(&author), &keep);
            self.count_generation(old, object);
        }
        let mut changes = Changes::between(old, object);
        if self.part == Part::Scale && old.is_none_or(|old| !scale::is_set(self.resource, old)) {
            // The real server loses track of who set a number that was not there before.
            changes = Changes::default();
        }
        match claim {
            None => managed.record_update(&author, &changes, self.now),
            Some(claim) => {
                if !claim.force {
                    apply::check_conflicts(&managed, &author, &changes.changed)?;
                }
                managed.record_apply(&author, claim.fields, &changes, self.now);
            }
        }
        managed.write_into(object);
        Ok(())
    }
}

/// `metadata.generation`; 0 where the object has none.
pub fn generation(object: &Value) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or_default()
}

/// An object but for who owns what, and since when: that alone is no change.
fn without_owners(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"].as_object_mut().and_then(|metadata| metadata.remove("managedFields"));
    object
}

fn intent(object: &Value) -> Vec<(&String, &Value)> {
    let map = object.as_object().into_iter().flatten();
    map.filter(|(key, _)| !["metadata", "status"].contains(&key.as_str())).collect()
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}
