//! What an HTTP request asks for, read from its path, query and headers.

use std::collections::BTreeMap;

use http::Method;
use http::request::Parts;
use url::form_urlencoded;

use super::admission::FieldValidation;
use super::journal::{LoggedRequest, Verb};
use super::resource::{Part, Resource};
use super::scale;
use super::status::StatusError;
use super::store::WriteOptions;
use crate::flink::kind::ObjectKey;

/// What a path names.
#[derive(Clone, Debug)]
pub enum Target {
    /// Every object of a kind, of one namespace or of all.
    Collection {
        /// The kind.
        resource: &'static Resource,
        /// The namespace; all when absent.
        namespace: Option<String>,
    },
    /// One object.
    Object {
        /// The kind.
        resource: &'static Resource,
        /// The namespace; empty for cluster-scoped kinds.
        namespace: String,
        /// The name.
        name: String,
        /// What of it is meant.
        part: Part,
    },
    /// What listens behind a Service.
    Service {
        /// The Service.
        key: ObjectKey,
        /// The path that is asked for there.
        path: String,
    },
    /// What the API serves, or how it is.
    Discovery,
}

/// A request, understood.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is meant.
    pub target: Target,
    /// What is to be done.
    pub verb: Verb,
    /// The path, without the leading slash, in parts.
    pub path: Vec<String>,
    /// `Content-Type`, without parameters.
    pub media_type: String,
    /// Whether a table is preferred.
    pub table: bool,
    query: BTreeMap<String, String>,
    logged: LoggedRequest,
}

impl Call {
    /// Reads a request's head.
    pub fn read(parts: &Parts) -> Result<Self, StatusError> {
        let raw_query = parts.uri.query().unwrap_or_default();
        let query: BTreeMap<String, String> =
            form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect();
        let path: Vec<String> =
            parts.uri.path().split('/').filter(|it| !it.is_empty()).map(str::to_owned).collect();
        let target = target(&path)?;
        let watches = matches!(query.get("watch").map(String::as_str), Some("true" | "1"));
        let verb = verb(&parts.method, &target, watches)?;
        let header = |name: &str| parts.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let media_type = header("content-type").split(';').next().unwrap_or_default().trim().to_owned();
        let agent =
            header("user-agent").split('/').next().filter(|agent| !agent.is_empty()).unwrap_or("unknown");
        let manager = query.get("fieldManager").filter(|it| !it.is_empty()).map_or(agent, String::as_str);
        let logged = LoggedRequest {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: raw_query.to_owned(),
            verb,
            dry_run: query.get("dryRun").is_some_and(|it| it == "All"),
            manager: manager.to_owned(),
        };
        let table = header("accept").contains("as=Table");
        Ok(Self { target, verb, path, media_type, table, query, logged })
    }

    /// The request as the journal keeps it.
    pub fn logged(&self) -> &LoggedRequest {
        &self.logged
    }

    /// A parameter of the query; empty when absent.
    pub fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Whether a parameter of the query says yes.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.parameter(name), "true" | "1")
    }

    /// How the write that this request asks for is made.
    pub fn write_options(&self) -> WriteOptions {
        let validation = match self.parameter("fieldValidation") {
            "Strict" => FieldValidation::Strict,
            "Ignore" => FieldValidation::Ignore,
            _ => FieldValidation::Warn,
        };
        let part = if let Target::Object { part, .. } = self.target { part } else { Part::Whole };
        WriteOptions { manager: self.logged.manager.clone(), part, dry_run: self.logged.dry_run, validation }
    }
}

fn target(path: &[String]) -> Result<Target, StatusError> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let (group, version, rest) = match path.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
        _ => return Ok(Target::Discovery),
    };
    let find = |plural: &str| Resource::by_path(group, version, plural).ok_or_else(StatusError::no_such_path);
    match rest {
        ["namespaces", namespace, "services", service, "proxy", path @ ..] if group.is_empty() => {
            let (name, _port) = service.split_once(':').unwrap_or((service, ""));
            let path = format!("/{}", path.join("/"));
            Ok(Target::Service { key: ObjectKey::new("v1", "Service", *namespace, name), path })
        }
        ["namespaces", namespace, plural] if *plural != "status" && *plural != "finalize" => {
            Ok(Target::Collection { resource: find(plural)?, namespace: Some((*namespace).to_owned()) })
        }
        ["namespaces", namespace, plural, name] => object(find(plural)?, namespace, name, None),
        ["namespaces", namespace, plural, name, part] => object(find(plural)?, namespace, name, Some(*part)),
        [plural] => Ok(Target::Collection { resource: find(plural)?, namespace: None }),
        [plural, name] => object(find(plural)?, "", name, None),
        [plural, name, part] => object(find(plural)?, "", name, Some(*part)),
        _ => Err(StatusError::no_such_path()),
    }
}

fn object(
    resource: &'static Resource,
    namespace: &str,
    name: &str,
    part: Option<&str>,
) -> Result<Target, StatusError> {
    let served = match part.map(Part::parse) {
        None => Some(Part::Whole),
        Some(Some(Part::Status)) if resource.has_status => Some(Part::Status),
        Some(Some(Part::Scale)) if scale::is_scalable(resource) => Some(Part::Scale),
        Some(_) => None,
    };
    let part = served.ok_or_else(StatusError::no_such_path)?;
    Ok(Target::Object { resource, namespace: namespace.to_owned(), name: name.to_owned(), part })
}

fn verb(method: &Method, target: &Target, watches: bool) -> Result<Verb, StatusError> {
    Ok(match (method.as_str(), target) {
        ("GET" | "HEAD", Target::Discovery) => Verb::Discover,
        ("GET", Target::Collection { .. }) if watches => Verb::Watch,
        ("GET", Target::Collection { .. }) => Verb::List,
        ("GET", Target::Object { .. } | Target::Service { .. }) => Verb::Get,
        ("POST", Target::Collection { .. }) => Verb::Create,
        ("PUT", Target::Object { .. }) => Verb::Update,
        ("PATCH", Target::Object { .. }) => Verb::Patch,
        ("DELETE", Target::Object { .. }) => Verb::Delete,
        _ => return Err(StatusError::method_not_allowed()),
    })
}
