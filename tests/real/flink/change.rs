//! One change of Git: what is told of it beforehand, what comes of it, and whether that is the same.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use flinkops::flink::kind::Kind;
use serde_json::Value;

use super::world::World;
use crate::real::stack::FLINK;

/// A commit on its way into the cluster.
pub struct Change<'a> {
    world: &'a World,
    what: &'static str,
    start: Instant,
    files: Vec<(String, String)>,
    plan: Value,
    before: Account,
    kills: usize,
}

/// What Flink has done so far.
struct Account {
    /// The units that run, and how often the job or the cluster of each has been started.
    units: BTreeMap<String, (bool, usize)>,
    savepoints: usize,
}

impl Account {
    fn new(world: &World, wish: &Value) -> Self {
        let units = wish.as_object().into_iter().flatten().map(|(name, manifest)| {
            // An application is one process: it starts with its job.
            let starts = if manifest["kind"] == Kind::FlinkSessionJob.as_str() {
                world.recorder.ids(name)
            } else {
                world.stack.starts(&world.place.namespace, name)
            };
            (name.clone(), (world.recorder.runs(name), starts))
        });
        Self { units: units.collect(), savepoints: world.savepoints() }
    }

    /// How often a unit that ran stopped and started again since.
    fn restarts(&self, after: &Self, name: &str) -> usize {
        let (ran, starts) = self.units.get(name).copied().unwrap_or_default();
        let first = usize::from(!ran);
        after.units.get(name).map_or(0, |unit| unit.1 - starts).saturating_sub(first)
    }
}

impl<'a> Change<'a> {
    /// Commits what Git says from now on, and has it planned.
    pub fn new(world: &'a World, what: &'static str, wish: &Value) -> Result<Self> {
        let start = Instant::now();
        let files = world.commit(wish)?;
        let (_, plan) = world.place.read("plan")?;
        let before = Account::new(world, wish);
        Ok(Self { world, what, start, files, plan, before, kills: 0 })
    }

    /// Fails unless the plan says this of a unit, and that its state is safe.
    pub fn told(self, name: &str, effect: &str) -> Result<Self> {
        let units = self.plan["units"].as_array().context("units")?;
        let unit =
            units.iter().find(|unit| unit["name"] == name).with_context(|| format!("no word of {name}"))?;
        ensure!(unit["effect"] == effect && unit["state"] != "dropped", "planned: {unit:#}");
        Ok(self)
    }

    /// Has it begun, and killed at a moment; the next one goes on from there, when it has found the lease of
    /// the dead one out.
    pub async fn killed_with_lease(
        mut self,
        moment: &str,
        reached: impl AsyncFn(&World) -> Result<bool>,
    ) -> Result<Self> {
        self.world.kill_when(moment, reached).await.with_context(|| format!("{}: {moment}", self.what))?;
        self.kills += 1;
        Ok(self)
    }

    /// The same without the wait.
    pub async fn killed(self, moment: &str, reached: impl AsyncFn(&World) -> Result<bool>) -> Result<Self> {
        let killed = self.killed_with_lease(moment, reached).await?;
        killed.world.expire_lease().await?;
        Ok(killed)
    }

    /// Carries it out; fails with what everybody said unless everything settles, as it was told and as the
    /// model has it.
    pub async fn settles(self, wish: &Value) -> Result<()> {
        let applied = self.world.apply().await?;
        ensure!(applied.success, "apply failed:\n{}\n{}", applied.said, self.world.stack.operator_log());
        self.came_true(wish)?;
        self.ends(true).await
    }

    /// Carries it out; fails unless that goes wrong, which is said in these words.
    pub async fn fails(self, words: &[&str]) -> Result<()> {
        let applied = self.world.apply().await?;
        ensure!(!applied.success, "settled:\n{}", applied.said);
        for words in words {
            ensure!(applied.said.contains(words), "not a word of {words}:\n{}", applied.said);
        }
        self.ends(false).await
    }

    /// The forecast against what Flink did.
    fn came_true(&self, wish: &Value) -> Result<()> {
        let forecast = &self.plan["forecast"];
        ensure!(forecast["end"] == "settled", "forecast: {forecast:#}");
        let after = Account::new(self.world, wish);
        let units = forecast["units"].as_array().context("units")?;
        for name in after.units.keys() {
            let told = units.iter().find(|unit| unit["id"] == name.as_str());
            let told = told.map_or(0, |unit| unit["restarts"].as_u64().unwrap_or(u64::MAX));
            let happened = self.before.restarts(&after, name);
            // A JobManager that did not come up in time on a busy machine is started once more, by whoever runs it.
            let is_process = wish[name]["kind"] != Kind::FlinkSessionJob.as_str();
            let as_told = told == happened as u64 || (is_process && told > 0 && told < happened as u64);
            ensure!(as_told, "{name} was to restart {told} times, and did {happened} times");
        }
        let (told, happened) =
            (&forecast["summary"]["savepoints"], after.savepoints - self.before.savepoints);
        ensure!(*told == happened, "{told} savepoints were to be taken, and {happened} were");
        Ok(())
    }

    /// The real trace against the model's, for people too.
    async fn ends(self, settled: bool) -> Result<()> {
        let took = self.start.elapsed();
        let killed =
            if self.kills == 0 { String::new() } else { format!(", killed {} times on the way", self.kills) };
        FLINK.say(&format!("{}{killed}: {took:.1?}", self.what));
        let real = self.world.recorder.take();
        let (ended, model) = self.world.rehearse(self.files).await?;
        println!("{}:\n{real}", self.what);
        ensure!(ended == settled, "the model ends otherwise, settled: {ended}\n{model}");
        let difference = real.difference(&model);
        ensure!(
            difference.is_none(),
            "the model differs: {}\nreal:\n{real}model:\n{model}",
            difference.unwrap_or_default()
        );
        Ok(())
    }
}
