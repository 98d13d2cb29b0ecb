//! What happens if a plan is carried out, as a part of its document.

use schemars::JsonSchema;
use serde::Serialize;

use crate::flink::kind::UnitKey;
use crate::flink::secret::Secrets;
use crate::plan::Plan;
use crate::plan::forecast::{End, Ending, Forecast, Happening, UnitForecast, What};

/// What happens if the plan is carried out, as far as a model of the operator can tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForecastDocument {
    /// Why it ends where it ends.
    pub end: End,
    /// How often anything stops and starts again.
    pub summary: ForecastSummary,
    /// Everything that happens, in order.
    pub steps: Vec<HappeningDocument>,
    /// What comes of each unit to which something happens or that does not settle.
    pub units: Vec<UnitForecastDocument>,
}

/// Sums over all units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForecastSummary {
    /// Units that stop and start again at least once.
    pub restarted: usize,
    /// How many times they do, all together.
    pub restarts: usize,
    /// Savepoints that are taken.
    pub savepoints: usize,
}

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HappeningDocument {
    /// Seconds after the beginning. The model's pace is not the cluster's: only the order counts.
    pub second: i64,
    /// To what: a unit's id, or a companion as `Kind/name`.
    pub on: String,
    /// What.
    pub what: What,
    /// Why; empty where it follows from the step before.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// From one step to another, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SpanDocument {
    /// The step at which it begins.
    pub from: usize,
    /// The step at which it ends; null where it does not.
    pub to: Option<usize>,
}

/// What comes of one unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnitForecastDocument {
    /// The unit.
    pub id: String,
    /// How many times its job, or its session cluster, stops and starts again.
    pub restarts: usize,
    /// How many savepoints of it are taken.
    pub savepoints: usize,
    /// While its job, or its session cluster, does not run.
    pub down: Vec<SpanDocument>,
    /// What it waits for before anything is done to it.
    pub waits_for: Vec<String>,
    /// How it ends.
    pub ends: Ending,
    /// How it is in the end, in words; what keeps it, where it is blocked.
    pub message: String,
}

impl ForecastDocument {
    /// The document of a plan's forecast.
    pub fn new(forecast: &Forecast, plan: &Plan, secrets: &Secrets) -> Self {
        let writer = Writer { plan, secrets };
        let restarted = forecast.units.iter().filter(|unit| unit.restarts > 0).count();
        let summary = ForecastSummary {
            restarted,
            restarts: forecast.units.iter().map(|unit| unit.restarts).sum(),
            savepoints: forecast.units.iter().map(|unit| unit.savepoints).sum(),
        };
        Self {
            end: forecast.end,
            summary,
            steps: forecast.steps.iter().map(|step| writer.step(step)).collect(),
            units: forecast.units.iter().map(|unit| writer.unit(unit)).collect(),
        }
    }
}

struct Writer<'p> {
    plan: &'p Plan,
    secrets: &'p Secrets,
}

impl Writer<'_> {
    fn name(&self, key: &UnitKey) -> String {
        let found = self.plan.units.binary_search_by(|unit| unit.key.cmp(key));
        found.map_or_else(|_| key.to_string(), |at| self.plan.units[at].id.clone())
    }

    fn text(&self, text: &str) -> String {
        self.secrets.scrub(text).into_owned()
    }

    fn step(&self, step: &Happening) -> HappeningDocument {
        let companion = || format!("{}/{}", step.object.kind, step.object.name);
        HappeningDocument {
            second: step.at.as_secs(),
            on: step.unit.as_ref().map_or_else(companion, |unit| self.name(unit)),
            what: step.what,
            why: self.text(&step.why),
        }
    }

    fn unit(&self, unit: &UnitForecast) -> UnitForecastDocument {
        let span = |span: &crate::plan::forecast::Span| SpanDocument {
            from: span.from + 1,
            to: span.to.map(|to| to + 1),
        };
        UnitForecastDocument {
            id: self.name(&unit.key),
            restarts: unit.restarts,
            savepoints: unit.savepoints,
            down: unit.down.iter().map(span).collect(),
            waits_for: unit.waits_for.iter().map(|on| self.name(on)).collect(),
            ends: unit.ends,
            message: self.text(&unit.message),
        }
    }
}
