//! What Git wants: a source tree becomes [`Desired`], or findings that say where and why not.
//!
//! Files are read by one strict YAML reader, checked against one set of schemas, layered, rendered
//! and ordered into a graph. Nothing here touches a file system or Git: a [`source::SourceTree`] is
//! a value, whoever read it.

mod annotations;
mod awaited;
pub mod check;
pub mod companions;
mod config_map;
mod cycles;
pub mod desired;
pub mod each;
pub mod edit;
mod environment;
pub mod explain;
pub mod finding;
mod folder;
pub mod graph;
mod ignore;
mod images;
pub mod import;
mod layers;
mod layout;
pub mod lint;
pub mod load;
mod loading;
mod manifest;
mod names;
pub mod node;
mod object;
mod placeholder;
pub mod policy;
pub mod refusal;
pub(crate) mod render;
mod repository;
pub mod schema;
pub mod served;
mod shape;
pub mod source;
mod unused;
mod values;
pub mod yaml;

pub use desired::{
    Awaited, Companion, Consents, Dependency, Desired, RemovalConsent, RenderedManifest, Unit,
};
pub use finding::{Finding, Severity};
pub use load::{Loaded, load};
pub use policy::Policy;
pub use render::render;
pub use repository::FILE;
pub use source::SourceTree;
