//! The embedded cluster and the daemon of the demo, and what is heard from them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::line::{Audience, Count, Line, Said};
use super::repository::ENVIRONMENT;
use super::story::NAMESPACE;
use crate::cli::redact::Redactor;
use crate::cluster::Cluster;
use crate::daemon::run::Settings;
use crate::daemon::{Checkout, Event, Loaded, Progress, Standing};
use crate::flink::health::Health;
use crate::flink::kind::{API_VERSION, Kind, UnitKey};
use crate::plan::live::LiveObject;
use crate::plan::outcome::{Action, Cause};
use crate::plan::{Plan, UnitPlan};
use crate::repo::Source;
use crate::report::document::{AgainstKind, PlanDocument};
use crate::sim::api::resource::Resource;
use crate::sim::{Options, Sim};
use crate::spec;
use crate::spec::source::{Limits, Revision};

/// How often the records are counted for the audience.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long the audience has between two acts.
const PAUSE: Duration = Duration::from_secs(2);
/// How long one act may take before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running daemon on a running cluster.
pub struct Stage {
    sim: Sim,
    audience: Audience,
    redactor: Redactor,
    begun: Instant,
    news: UnboundedReceiver<News>,
    sender: UnboundedSender<News>,
    daemon: Option<JoinHandle<anyhow::Result<()>>>,
    shutdown: CancellationToken,
}

impl Stage {
    /// Starts an embedded cluster in which everything takes `scale` times as long as in a real one.
    pub fn new(scale: f64, audience: Audience) -> Self {
        let sim = Sim::start(Options { time_scale: scale, ..Options::default() });
        let (sender, news) = unbounded_channel();
        let shutdown = CancellationToken::new();
        let redactor = Redactor::default();
        Self { sim, audience, redactor, begun: Instant::now(), news, sender, daemon: None, shutdown }
    }

    /// Has someone learn the secrets that come by.
    pub(in crate::cli) fn knowing(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Serves the cluster on an address, and says on which.
    pub async fn listen(&self, address: SocketAddr) -> anyhow::Result<SocketAddr> {
        self.sim.listen(address).await.with_context(|| format!("failed to listen on {address}"))
    }

    /// A client of the cluster.
    pub fn client(&self) -> kube::Client {
        self.sim.client()
    }

    /// Starts the daemon on a repository that has a commit.
    pub fn start_daemon(&mut self, repository: &Path) -> anyhow::Result<()> {
        let source = Source::parse(&repository.display().to_string())?;
        let loader = Arc::new(|tree: &spec::SourceTree| {
            let mut loaded = spec::load(tree, &Limits::default(), Some(ENVIRONMENT));
            Ok(Loaded { desired: loaded.environments.remove(ENVIRONMENT), findings: loaded.findings })
        });
        let checkout = Arc::new(Checkout::new(source, "HEAD", loader));
        let settings = Settings {
            interval: Duration::from_secs(2),
            progress: Arc::new(Teller(self.sender.clone(), self.redactor.clone())),
            ..Settings::default()
        };
        let cluster = Cluster::new(self.client(), "demo");
        let connect = move |_| std::future::ready(Ok(cluster.clone()));
        let daemon = crate::daemon::run(connect, checkout, settings, self.shutdown.clone());
        self.daemon = Some(tokio::spawn(daemon));
        Ok(())
    }

    /// Tells the audience something.
    pub fn say(&self, line: Line) {
        (self.audience)(&Said { at: self.begun.elapsed(), line });
    }

    /// What every job has counted.
    pub fn counts(&self) -> Vec<Count> {
        let (store, now) = (self.sim.store(), self.sim.now());
        let resources = Kind::ALL.into_iter().filter(|kind| kind.is_everywhere());
        let resources = resources.filter_map(|kind| Resource::by_kind(API_VERSION, kind.as_str()));
        let objects = resources.flat_map(|resource| store.list(resource, Some(NAMESPACE)).0);
        let keys = objects.filter_map(|object| LiveObject::new((*object).clone()).unit_key());
        let count = |key: UnitKey| {
            let job = self.sim.operator().job(&key, now)?;
            Some(Count { key, state: job.state, records: job.records, from: job.restored_from })
        };
        keys.filter_map(count).collect()
    }

    /// Tells what happens until something was planned, for this revision if one is given, and all of it is done.
    pub async fn until_quiet(&mut self, revision: Option<&Revision>) -> anyhow::Result<()> {
        let begun = Instant::now();
        let end = tokio::time::timeout(PATIENCE, self.follow(revision)).await;
        end.with_context(|| format!("failed to become quiet within {} s", PATIENCE.as_secs()))??;
        self.say(Line::Quiet { took: begun.elapsed(), counts: self.counts() });
        Ok(())
    }

    async fn follow(&mut self, revision: Option<&Revision>) -> anyhow::Result<()> {
        let mut planned = false;
        loop {
            match self.next().await? {
                News::Planned(of, line) if !planned && revision.is_none_or(|wanted| *wanted == of) => {
                    planned = true;
                    self.say(line);
                }
                News::Failed(message) => bail!(message),
                News::Quiet(standing) if planned => return well(&standing),
                News::Planned(..) | News::Quiet(_) => {}
                news => self.relay(news),
            }
        }
    }

    /// Tells what happens until something else happens; nothing that goes wrong is the end.
    pub async fn follow_until<T>(&mut self, end: impl Future<Output = T>) -> anyhow::Result<()> {
        tokio::pin!(end);
        loop {
            tokio::select! {
                news = self.next() => {
                    let news = news?;
                    self.relay(news);
                }
                _ = &mut end => return Ok(()),
            }
        }
    }

    /// Gives the audience time to read.
    pub async fn pause(&mut self) -> anyhow::Result<()> {
        self.follow_until(tokio::time::sleep(PAUSE)).await
    }

    /// Waits for the next news, counting records meanwhile.
    async fn next(&mut self) -> anyhow::Result<News> {
        loop {
            match tokio::time::timeout(HEARTBEAT, self.news.recv()).await {
                Ok(news) => return news.context("the daemon fell silent"),
                Err(_) => self.say(Line::Counts(self.counts())),
            }
            self.check_daemon().await?;
        }
    }

    fn relay(&self, news: News) {
        match news {
            News::Stands { key, health, message } => {
                let count = self.counts().into_iter().find(|count| count.key == key);
                self.say(Line::Stands { key, health, message, records: count.map(|count| count.records) });
            }
            News::Line(line) | News::Planned(_, line) => self.say(line),
            News::Failed(message) => self.say(Line::Aside(message)),
            News::Quiet(_) => {}
        }
    }

    /// Ends the demo if the daemon ended.
    async fn check_daemon(&mut self) -> anyhow::Result<()> {
        match self.daemon.take_if(|daemon| daemon.is_finished()) {
            Some(daemon) => daemon.await?.and_then(|()| bail!("the daemon ended early")),
            None => Ok(()),
        }
    }

    /// Stops the daemon and waits for it.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        match self.daemon.take() {
            Some(daemon) => daemon.await?,
            None => Ok(()),
        }
    }
}

fn well(standing: &Standing) -> anyhow::Result<()> {
    if standing.failed.is_empty() && standing.blocked.is_empty() {
        return Ok(());
    }
    bail!("not everything went well: {standing}")
}

/// What the daemon told, owned.
enum News {
    Planned(Revision, Line),
    Stands { key: UnitKey, health: Health, message: String },
    Line(Line),
    Failed(String),
    Quiet(Standing),
}

/// Hands what the daemon tells to the stage.
struct Teller(UnboundedSender<News>, Redactor);

impl Progress for Teller {
    fn tell(&self, event: &Event<'_>) {
        if let Some(news) = news(event, &self.1) {
            // Nobody listens any more once the demo is over.
            let _ = self.0.send(news);
        }
    }
}

fn news(event: &Event<'_>, redactor: &Redactor) -> Option<News> {
    Some(match event {
        Event::Planned(plan) => News::Planned(plan.revision.clone(), page(plan, redactor)),
        Event::Changed(unit) if is_worth_a_line(unit) => News::Stands {
            key: unit.key.clone(),
            health: unit.health,
            message: unit.blocked.as_ref().map_or(&unit.health_message, |blocked| &blocked.message).clone(),
        },
        Event::Gone(key) => News::Line(Line::Gone((*key).clone())),
        Event::Wrote(task) if task.event => News::Line(Line::Wrote {
            unit: task.unit.as_ref().map_or_else(|| task.write.key().name, |unit| unit.name.clone()),
            reason: task.reason,
            message: task.message.clone(),
        }),
        Event::Invalid { revision, findings, .. } => {
            let first =
                findings.first().map(|finding| format!("{}: {}", finding.place.file, finding.message));
            News::Failed(format!("commit {} cannot be used: {}", revision.short(), first.unwrap_or_default()))
        }
        Event::GitFailed { message } => News::Failed((*message).to_owned()),
        Event::Quiet(standing) => News::Quiet((*standing).clone()),
        _ => return None,
    })
}

/// A unit that waits for its turn says so once in the plan already.
fn is_worth_a_line(unit: &UnitPlan) -> bool {
    unit.health != Health::Missing && (unit.action != Action::Create || unit.blocked.is_none())
}

/// The plan as the audience sees it: what drifted, where that is why there is something to do.
fn page(plan: &Plan, redactor: &Redactor) -> Line {
    let drifted =
        plan.units.iter().flat_map(|unit| &unit.changes).any(|change| change.cause != Cause::Pending);
    redactor.learn_plan(plan);
    let document = Box::new(PlanDocument::new(plan, AgainstKind::Cluster, &redactor.secrets()));
    if drifted { Line::Drifted(Box::new(document.into_drift())) } else { Line::Planned(document) }
}
