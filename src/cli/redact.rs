//! The secrets this process has come across, and everything it writes without them (S25).

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use crate::flink::secret::Secrets;
use crate::plan::live::LiveObject;
use crate::plan::{Live, Plan};
use crate::spec::{Desired, Finding, SourceTree};

/// So many objects are read for secrets by one thread.
const SHARE: usize = 500;

/// Knows secrets. Clones share what they know.
#[derive(Clone, Debug, Default)]
pub(super) struct Redactor(Arc<RwLock<Arc<Secrets>>>);

impl Redactor {
    /// What is known now.
    pub(super) fn secrets(&self) -> Arc<Secrets> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A text without what is known.
    pub(super) fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.secrets().scrub(text)
    }

    /// Learns what the files with findings hold: they are quoted, and may not even parse.
    pub(super) fn learn_sources(&self, tree: &SourceTree, findings: &[Finding]) {
        let mut files: Vec<&str> = findings.iter().map(|finding| finding.place.file.as_str()).collect();
        files.sort_unstable();
        files.dedup();
        self.add(Secrets::of_sources(files.into_iter().filter_map(|file| tree.files.get(file).cloned())));
    }

    /// Learns what Git wants, when there is something to say.
    pub(super) fn learn_desired(&self, desired: &Desired) {
        let units = desired.units.values().map(|unit| unit.manifest.shared());
        self.add(Secrets::of(
            units.chain(desired.companions.values().map(|companion| companion.manifest.shared())),
        ));
    }

    /// Learns what the cluster holds, when there is something to say.
    pub(super) fn learn_live(&self, live: &Live) {
        self.add(Secrets::of(live.units.values().chain(live.companions.values()).map(LiveObject::shared)));
    }

    /// Learns what the cluster holds at once, on several cores: a daemon sees it change, and keeps none of it.
    pub(super) fn learn_live_now(&self, live: &Live) {
        let objects: Vec<_> = live.units.values().chain(live.companions.values()).collect();
        std::thread::scope(|threads| {
            for share in objects.chunks(SHARE) {
                threads.spawn(|| self.add(Secrets::collect(share.iter().map(|object| object.value()))));
            }
        });
    }

    /// Learns what a plan takes away: values the cluster has and Git does not.
    pub(super) fn learn_plan(&self, plan: &Plan) {
        let companions = plan.companions.iter().flat_map(|companion| &companion.changes);
        let changes = plan.units.iter().flat_map(|unit| &unit.changes).chain(companions);
        let mut secrets = Secrets::default();
        for change in changes {
            for value in change.before.iter().chain(&change.after) {
                secrets.read_value(&change.path, value);
            }
        }
        self.add(secrets);
    }

    /// Learns the secrets of one value, such as an object of the embedded cluster.
    pub(super) fn add(&self, secrets: Secrets) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // What is known already is what a daemon is told nearly always.
        if secrets.is_part_of(&known) {
            return;
        }
        let mut all = Secrets::clone(&known);
        all.extend(secrets);
        *known = Arc::new(all);
    }

    /// A panic's message may hold a value too.
    pub(super) fn guard_panics(&self) {
        let redactor = self.clone();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
            let payload = panic.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let message = text.unwrap_or("no message");
            let text = format!("flinkops has a fault{place}: {message}");
            super::talk::say(super::talk::Tone::Error, &redactor.scrub(&text));
        }));
    }
}
