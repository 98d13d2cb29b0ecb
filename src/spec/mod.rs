//! What Git wants: a source tree becomes [`Desired`], or findings that say where and why not.
//!
//! Files are read by one strict YAML reader, checked against one set of schemas, layered, rendered
//! and ordered into a graph. Nothing here touches a file system or Git: a [`source::SourceTree`] is
//! a value, whoever read it.

pub mod check;
pub mod desired;
pub mod finding;
pub mod node;
pub mod policy;
pub mod schema;
pub mod source;
pub mod yaml;

pub use desired::{Companion, Consents, Dependency, Desired, RemovalConsent, Unit};
pub use finding::{Finding, Severity};
pub use policy::Policy;
pub use source::SourceTree;
