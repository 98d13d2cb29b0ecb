//! The five acts of the demo.

use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use super::line::{Count, Line};
use super::repository::{DemoRepository, ENVIRONMENT};
use super::stage::Stage;
use super::voice::grouped;
use crate::flink::kind::{API_VERSION, GROUP, Kind, UnitKey, VERSION};
use crate::plan::ledger::Ledger;
use crate::plan::live::LiveObject;
use crate::spec::source::Revision;

/// The namespace of the environment that is played.
pub const NAMESPACE: &str = "flink-staging";
/// `name` in `flinkops.yaml`.
const REPOSITORY: &str = "orders";
/// The job that leaves Git and comes back.
const SINK: &str = "orders-sink";
/// The job that someone edits by hand.
const EDITED: &str = "orders-enrich";

/// Plays all five acts.
pub async fn play(stage: &mut Stage, repository: &DemoRepository) -> anyhow::Result<()> {
    first_commit(stage, repository).await?;
    stage.pause().await?;
    upgrade(stage, repository).await?;
    stage.pause().await?;
    hand_edit(stage).await?;
    stage.pause().await?;
    let stopped = removal(stage, repository).await?;
    stage.pause().await?;
    return_with_state(stage, repository, &stopped).await
}

async fn first_commit(stage: &mut Stage, repository: &DemoRepository) -> anyhow::Result<()> {
    begin(stage, 1, "a repository meets an empty cluster: in waves, dependencies first");
    let revision = commit(stage, repository, "Six jobs around orders")?;
    stage.start_daemon(repository.path())?;
    stage.until_quiet(Some(&revision)).await
}

async fn upgrade(stage: &mut Stage, repository: &DemoRepository) -> anyhow::Result<()> {
    begin(stage, 2, "an upgrade: savepoints first, in order, and every counter goes on");
    repository.edit("jobs/orders-ingest/job.yaml", "ingest:1.4.1", "ingest:1.5.0")?;
    repository.edit("jobs/orders-session/staging.yaml", "2048m", "3072m")?;
    let revision = commit(stage, repository, "Ingest 1.5.0, and more memory for the session cluster")?;
    stage.until_quiet(Some(&revision)).await
}

async fn hand_edit(stage: &mut Stage) -> anyhow::Result<()> {
    begin(stage, 3, "someone edits a live job by hand: reported, and healed");
    stage.say(Line::Aside(format!("kubectl edit flinkdeployment {EDITED}   # parallelism: 4 → 2")));
    let kind = Kind::FlinkDeployment;
    let resource = ApiResource {
        group: GROUP.into(),
        version: VERSION.into(),
        api_version: API_VERSION.into(),
        kind: kind.to_string(),
        plural: kind.plural().into(),
    };
    let api: Api<DynamicObject> = Api::namespaced_with(stage.client(), NAMESPACE, &resource);
    let by = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    let edit: Patch<Value> = Patch::Merge(json!({"spec": {"job": {"parallelism": 2}}}));
    api.patch(EDITED, &by, &edit).await.with_context(|| format!("failed to edit {EDITED}"))?;
    stage.until_quiet(None).await
}

/// Answers with what the job had counted when it was stopped.
async fn removal(stage: &mut Stage, repository: &DemoRepository) -> anyhow::Result<Count> {
    begin(stage, 4, "a folder is deleted: the savepoint comes first, and stays on record");
    let before = sink(stage).with_context(|| format!("failed to find {SINK}"))?;
    repository.remove("jobs/orders-sink")?;
    let revision = commit(stage, repository, "The warehouse reads from Kafka itself: drop the sink")?;
    stage.until_quiet(Some(&revision)).await?;
    ensure!(sink(stage).is_none(), "{SINK} is still there");
    let path = recorded(stage).await?;
    stage.say(Line::Recorded { key: sink_key(), path });
    Ok(before)
}

/// The savepoint that the ledger keeps of the job that is gone.
async fn recorded(stage: &Stage) -> anyhow::Result<String> {
    let api: Api<ConfigMap> = Api::namespaced(stage.client(), NAMESPACE);
    let name = Ledger::name(REPOSITORY, ENVIRONMENT, &sink_key());
    let object = api.get(&name).await.with_context(|| format!("failed to read the ConfigMap {name}"))?;
    let ledger = Ledger::from_config_map(&LiveObject::new(serde_json::to_value(object)?));
    let (_, ledger) = ledger.with_context(|| format!("failed to understand the ConfigMap {name}"))?;
    let last = ledger.last_savepoint().context("no final savepoint is on record")?;
    Ok(last.path.clone())
}

async fn return_with_state(
    stage: &mut Stage,
    repository: &DemoRepository,
    stopped: &Count,
) -> anyhow::Result<()> {
    begin(stage, 5, "the commit is reverted: the job comes back with its state");
    let (revision, subject) = repository.revert()?;
    stage.say(Line::Committed { revision: revision.clone(), subject });
    stage.until_quiet(Some(&revision)).await?;
    let back = sink(stage).with_context(|| format!("failed to bring {SINK} back"))?;
    let from = back.from.as_deref().context("it came back empty")?;
    let records = grouped(back.records);
    stage.say(Line::Aside(format!("{SINK} goes on at {records} records, from {from}")));
    ensure!(back.records >= stopped.records, "{SINK} lost records");
    Ok(())
}

fn begin(stage: &Stage, number: usize, title: &'static str) {
    stage.say(Line::Act { number, title });
}

fn commit(stage: &Stage, repository: &DemoRepository, subject: &str) -> anyhow::Result<Revision> {
    let revision = repository.commit(subject)?;
    stage.say(Line::Committed { revision: revision.clone(), subject: subject.to_owned() });
    Ok(revision)
}

fn sink_key() -> UnitKey {
    UnitKey::new(NAMESPACE, Kind::FlinkDeployment, SINK)
}

fn sink(stage: &Stage) -> Option<Count> {
    let key = sink_key();
    stage.counts().into_iter().find(|count| count.key == key)
}
