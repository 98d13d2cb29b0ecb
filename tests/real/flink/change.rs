//! One change of Git: what is told of it beforehand, what comes of it, and whether that is the same.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use flinkops::flink::kind::{Kind, UnitKey};
use serde_json::Value;

use super::hand::Hand;
use super::trace::agree;
use super::world::{Applied, World};
use crate::real::stack::FLINK;

/// A commit on its way into the cluster.
pub struct Change<'a> {
    world: &'a World,
    what: &'static str,
    by: Hand,
    start: Instant,
    wish: Value,
    files: Vec<(String, String)>,
    plan: Value,
    before: Account,
    kills: usize,
    doomed: Vec<UnitKey>,
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
        let (by, wish, kills, doomed) = (Hand::Apply, wish.clone(), 0, Vec::new());
        Ok(Self { world, what, by, start, wish, files, plan, before, kills, doomed })
    }

    /// Leaves it to the daemon.
    pub fn by_daemon(self) -> Self {
        Self { by: Hand::Run, ..self }
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
        let killed = self.world.kill_when(self.by, moment, reached).await;
        killed.with_context(|| format!("{}: {moment}", self.what))?;
        self.kills += 1;
        Ok(self)
    }

    /// The same without the wait.
    pub async fn killed(self, moment: &str, reached: impl AsyncFn(&World) -> Result<bool>) -> Result<Self> {
        let killed = self.killed_with_lease(moment, reached).await?;
        killed.world.expire_lease().await?;
        Ok(killed)
    }

    /// Has these jobs, as they run by now, fail for good; and in the model, once they run anew.
    pub async fn doomed(mut self, units: &[(Kind, &str)]) -> Result<Self> {
        for (kind, name) in units {
            self.world.fail(*kind, name).await.with_context(|| format!("{}: {name}", self.what))?;
            self.doomed.push(self.world.key(*kind, name));
        }
        Ok(self)
    }

    /// Commits the same in other words, on the way.
    pub fn reworded(self, wish: &Value) -> Result<Self> {
        self.world.commit(wish)?;
        Ok(self)
    }

    /// Carries it out; fails with what everybody said unless everything settles, as it was told and as the
    /// model has it.
    pub async fn settles(self) -> Result<()> {
        let applied = self.carried_out().await?;
        ensure!(
            applied.success,
            "{} failed:\n{}\n{}",
            self.what,
            applied.said,
            self.world.stack.operator_log()
        );
        self.came_true(&[]).context(self.what)?;
        self.ends(true).await
    }

    /// Carries it out; fails unless that goes wrong with these units, which is said in these words.
    pub async fn fails(self, with: &[&str], words: &[&str]) -> Result<()> {
        let applied = self.carried_out().await?;
        ensure!(!applied.success, "settled:\n{}", applied.said);
        for words in words {
            ensure!(applied.said.contains(words), "not a word of {words}:\n{}", applied.said);
        }
        self.came_true(with).context(self.what)?;
        self.ends(false).await
    }

    /// Goes on to the end with what was begun: no change is told that is not cut short at least once.
    async fn carried_out(&self) -> Result<Applied> {
        ensure!(self.kills > 0, "{}: never killed on the way", self.what);
        let units = self.wish.as_object().map_or(0, serde_json::Map::len);
        self.world.carry_out(self.by, units).await
    }

    /// The forecast against what Flink did. What goes wrong may be seen to do so beforehand; else only this can be
    /// told of it, that it takes no more savepoints than it would have.
    fn came_true(&self, wrong: &[&str]) -> Result<()> {
        let forecast = &self.plan["forecast"];
        let foreseen = forecast["end"] != "settled";
        ensure!(!foreseen || !wrong.is_empty(), "forecast: {forecast:#}");
        let wrong = if foreseen { &[] } else { wrong };
        let after = Account::new(self.world, &self.wish);
        let units = forecast["units"].as_array().context("units")?;
        for name in after.units.keys().filter(|name| !wrong.contains(&name.as_str())) {
            let told = units.iter().find(|unit| unit["id"] == name.as_str());
            let told = told.map_or(0, |unit| unit["restarts"].as_u64().unwrap_or(u64::MAX));
            let happened = self.before.restarts(&after, name);
            ensure!(told == happened as u64, "{name} was to restart {told} times, and did {happened} times");
        }
        let told = forecast["summary"]["savepoints"].as_u64().context("savepoints")?;
        let happened = (after.savepoints - self.before.savepoints) as u64;
        let as_told = told == happened || (!wrong.is_empty() && happened < told);
        ensure!(as_told, "{told} savepoints were to be taken, and {happened} were");
        Ok(())
    }

    /// The real trace against the model's, for people too.
    async fn ends(self, settled: bool) -> Result<()> {
        self.world.runs_each_job_once().await.context(self.what)?;
        let took = self.start.elapsed();
        let real = self.world.recorder.take();
        let (ended, model) = self.world.rehearse(self.files, self.doomed).await?;
        println!("{}:\n{real}", self.what);
        ensure!(ended == settled, "{}: the model ends otherwise, settled: {ended}\n{model}", self.what);
        agree(self.what, &real, &model)?;
        self.world.told.lock().expect("no panic under lock").changes += 1;
        let by = if self.by == Hand::Run { ", by the daemon" } else { "" };
        let (kills, states) = (self.kills, real.states());
        let killed = format!("{kills} kill{} on the way", if kills == 1 { "" } else { "s" });
        let what = self.what;
        FLINK.say(&format!("{what}{by}: {took:.1?}, {killed}, {states} states as the model has them"));
        Ok(())
    }
}
