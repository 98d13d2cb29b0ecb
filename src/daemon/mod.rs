//! Triggers (poll, notify, watch, timer) feed one loop; leadership; web pages and metrics.
//!
//! ```text
//! triggers ─► source ─► desired ─┐
//!                                ├─► reconciler: observe → plan → step → perform, again
//! cluster watch ────────► live ──┘            └─► progress, metrics, Events
//! ```
//!
//! [`apply`](apply::apply) turns the [`Reconciler`] until nothing moves any more; [`run`](run::run)
//! never stops. Whatever either remembers may be lost at any moment: it only makes them wait longer.

pub mod apply;
mod clock;
mod eye;
mod metrics;
mod outcome;
mod progress;
mod reconcile;
mod refusal;
pub mod run;
mod source;
mod start;
mod trigger;
mod web;

pub use apply::apply;
pub use clock::Clock;
pub use metrics::Metrics;
pub use outcome::{Outcome, Reason, Standing};
pub use progress::{Event, Log, Progress, Silent};
pub use reconcile::{History, Only, Options, Reconciler, Round};
pub use run::run;
pub use source::{Checkout, Loaded, Misuse, Repository};
pub use trigger::{Trigger, Triggers};
pub use web::Health;
