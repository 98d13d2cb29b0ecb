//! Documents for a pull request: totals, a table ordered by danger, details folded.

use std::cmp::Reverse;
use std::fmt::Write as _;

use super::document::{
    AgainstKind, ChangeDocument, FindingDocument, FindingsDocument, GraphDocument, PlanDocument,
    StatusDocument, UnitDocument,
};
use super::text::{clean, count, short};
use super::words;
use crate::plan::outcome::{Action, Cause, State};

/// Bytes beyond which no further details are written: a comment on a pull request holds 65,536.
const LONGEST: usize = 40_000;

/// A plan.
pub fn plan(document: &PlanDocument) -> String {
    let mut text = format!("{}### flinkops plan: {}\n\n", marker("plan", document), title(document));
    if document.is_empty() {
        let _ = writeln!(text, "Nothing to do, {} as in Git.", count(document.units.len(), "unit"));
    } else {
        let _ = writeln!(text, "{}\n", totals(document));
        table(&mut text, document);
        details(&mut text, document);
    }
    findings_list(&mut text, &document.findings);
    text
}

/// What drifted.
pub fn drift(document: &PlanDocument) -> String {
    let mut text = format!("{}### flinkops drift: {}\n\n", marker("drift", document), title(document));
    if document.units.is_empty() && document.companions.is_empty() {
        text.push_str("No drift.\n");
        return text;
    }
    text.push_str("| unit | field | in Git | in the cluster | by | at |\n|---|---|---|---|---|---|\n");
    let units = document.units.iter().map(|unit| (unit.id.clone(), &unit.changes));
    let companions = document.companions.iter();
    let companions =
        companions.map(|companion| (format!("{}/{}", companion.kind, companion.name), &companion.changes));
    for (id, changes) in units.chain(companions) {
        for change in changes {
            drift_row(&mut text, &id, change);
        }
    }
    text
}

fn drift_row(text: &mut String, id: &str, change: &ChangeDocument) {
    let owner = change.owner.as_ref();
    let by = owner.map_or_else(String::new, |owner| prose(&owner.manager));
    let at = owner.and_then(|owner| owner.time).map_or_else(String::new, |time| time.to_string());
    let (git, cluster) = (value(change.after.as_ref()), value(change.before.as_ref()));
    let _ = writeln!(text, "| {} | {} | {git} | {cluster} | {by} | {at} |", code(id), code(change.place()));
}

/// Findings.
pub fn findings(document: &FindingsDocument) -> String {
    let summary = document.summary;
    let mut text = format!(
        "### flinkops validate\n\n{}, {} in {}\n",
        count(summary.errors, "error"),
        count(summary.warnings, "warning"),
        count(summary.units, "unit")
    );
    findings_list(&mut text, &document.findings);
    text
}

/// How every unit is doing.
pub fn status(document: &StatusDocument) -> String {
    let StatusDocument { repository, revision, environment, summary, .. } = document;
    let mut text = format!(
        "### flinkops status: {} {} → {}\n\n{} of {} settled\n\n",
        prose(repository),
        code(short(revision)),
        prose(environment),
        summary.settled,
        count(summary.units, "unit")
    );
    text.push_str("| unit | health | revision | message |\n|---|---|---|---|\n");
    for unit in &document.units {
        let revision = unit.revision.as_deref().map_or_else(String::new, |revision| code(short(revision)));
        let message = prose(unit.blocked.as_deref().unwrap_or(&unit.message));
        let health = words::health(unit.health);
        let _ = writeln!(text, "| {} | {health} | {revision} | {message} |", code(&unit.id));
    }
    text
}

/// A graph, as a Mermaid diagram that code hosts draw.
pub fn graph(document: &GraphDocument) -> String {
    format!("```mermaid\n{}```\n", super::graphs::mermaid(document))
}

/// An invisible first line, by which a CI job finds the comment it wrote before:
/// `<!-- flinkops:plan:orders:prod -->`.
fn marker(what: &str, document: &PlanDocument) -> String {
    let name = |name: &str| -> String {
        let kept = |letter: &char| letter.is_ascii_alphanumeric() || "-._".contains(*letter);
        name.chars().filter(kept).collect()
    };
    format!("<!-- flinkops:{what}:{}:{} -->\n", name(&document.repository), name(&document.environment))
}

fn title(document: &PlanDocument) -> String {
    let PlanDocument { repository, revision, environment, against, .. } = document;
    format!(
        "{} {} → {} ({})",
        prose(repository),
        code(short(revision)),
        prose(environment),
        if against.kind == AgainstKind::Revision { code(short(&against.name)) } else { prose(&against.name) }
    )
}

fn totals(document: &PlanDocument) -> String {
    let summary = &document.summary;
    let counts = [
        (summary.create, "to create"),
        (summary.update, "to update"),
        (summary.suspend, "to suspend"),
        (summary.resume, "to resume"),
        (summary.recreate, "to recreate"),
        (summary.delete, "to delete"),
        (summary.blocked, "blocked"),
        (summary.drifted, "drifted"),
        (summary.keep, "unchanged"),
    ];
    let told: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let lost = match summary.state_dropped {
        0 => String::new(),
        units => format!(" · ⚠ **{units} would lose state**"),
    };
    format!("**{}**{lost}", told.join(", "))
}

/// The units that act, the most dangerous first.
fn by_danger(document: &PlanDocument) -> Vec<&UnitDocument> {
    let mut units: Vec<_> = document.units.iter().filter(|unit| !unit.is_quiet()).collect();
    units.sort_by_key(|unit| (Reverse(unit.state), Reverse(unit.effect), &unit.id));
    units
}

fn table(text: &mut String, document: &PlanDocument) {
    text.push_str(
        "| | unit | action | what happens | state | wave | waits for |\n|---|---|---|---|---|---|---|\n",
    );
    for unit in by_danger(document) {
        let wave = unit.wave.map_or_else(String::new, |wave| wave.to_string());
        let blocked = unit.blocked.as_ref().map_or_else(String::new, |blocked| prose(&blocked.message));
        let action = if unit.adopt { "adopt" } else { words::action(unit.action) };
        let _ = writeln!(
            text,
            "| `{}` | {} | {action} | {} | {} | {wave} | {blocked} |",
            words::glyph(unit.action),
            code(&unit.id),
            words::effect(unit.effect, unit.state),
            state(unit.state),
        );
    }
    for companion in &document.companions {
        let blocked = companion.blocked.as_ref().map_or_else(String::new, |blocked| prose(&blocked.message));
        let name = code(&format!("{}/{}", companion.kind, companion.name));
        let (glyph, action) = (words::glyph(companion.action), words::action(companion.action));
        let _ = writeln!(text, "| `{glyph}` | {name} | {action} | companion | | | {blocked} |");
    }
    text.push('\n');
}

fn state(state: State) -> String {
    match (state, words::state(state)) {
        (State::Dropped, Some(words)) => format!("**{words}**"),
        (_, Some(words)) => words.to_owned(),
        (_, None) => String::new(),
    }
}

fn details(text: &mut String, document: &PlanDocument) {
    let units = by_danger(document);
    for (index, unit) in units.iter().enumerate() {
        if text.len() > LONGEST {
            let _ =
                writeln!(text, "The details of {} more are left out.\n", count(units.len() - index, "unit"));
            return;
        }
        fold(text, &unit.id, unit.action, &unit.reasons, &unit.changes);
    }
    for companion in &document.companions {
        let name = format!("{}/{}", companion.kind, companion.name);
        fold(text, &name, companion.action, &[], &companion.changes);
    }
}

fn fold(text: &mut String, id: &str, action: Action, reasons: &[String], changes: &[ChangeDocument]) {
    if reasons.is_empty() && changes.is_empty() {
        return;
    }
    let summary = format!("{}: {}", html(id), words::action(action));
    let _ = writeln!(text, "<details><summary>{summary}</summary>\n");
    for reason in reasons {
        let _ = writeln!(text, "- {}", prose(reason));
    }
    if !changes.is_empty() {
        text.push_str("\n| field | before | after | effect | |\n|---|---|---|---|---|\n");
    }
    for change in changes {
        let (before, after) = (value(change.before.as_ref()), value(change.after.as_ref()));
        let effect = serde_json::to_value(change.effect).unwrap_or_default();
        let effect = effect.as_str().unwrap_or_default();
        let drift = if change.cause == Cause::Pending { "" } else { "drift" };
        let note = change.note.as_deref().map(prose).unwrap_or_default();
        let remarks = [drift, &note].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(": ");
        let _ = writeln!(text, "| {} | {before} | {after} | {effect} | {remarks} |", code(change.place()));
    }
    text.push_str("\n</details>\n\n");
}

fn findings_list(text: &mut String, findings: &[FindingDocument]) {
    if !findings.is_empty() {
        text.push('\n');
    }
    for finding in findings {
        let _ = writeln!(text, "- {}", prose(&super::text::finding_line(finding)));
    }
}

fn value(value: Option<&serde_json::Value>) -> String {
    match value {
        None => String::new(),
        Some(serde_json::Value::String(text)) => code(text),
        Some(other) => code(&other.to_string()),
    }
}

/// Text that means itself: every character Markdown, HTML or a table would act upon is escaped.
fn prose(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in clean(text).chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            // An invisible space keeps a mention from reaching anyone.
            '@' => escaped.push_str("@\u{200b}"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// Text as code within a table cell.
fn code(text: &str) -> String {
    let text = clean(text);
    let cut: String = text.chars().take(200).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("<code>{}{more}</code>", html(&cut).replace('|', "&#124;"))
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::flink::secret::Secrets;
    use crate::report::document::AgainstKind;
    use crate::report::sample;

    fn document() -> PlanDocument {
        PlanDocument::new(&sample::plan(), AgainstKind::Cluster, &sample::secrets())
    }

    #[test]
    fn a_plan_with_every_action() {
        let text = super::plan(&document());
        assert!(!text.contains("canary"), "{text}");
        assert_snapshot!(text, @r#"
        <!-- flinkops:plan:orders:prod -->
        ### flinkops plan: orders <code>3f1c8a2b9</code> → prod (prod-eu)

        **1 to create, 6 to update, 1 to suspend, 1 to resume, 1 to recreate, 1 to delete, 2 blocked, 1 drifted, 1 unchanged** · ⚠ **1 would lose state**

        | | unit | action | what happens | state | wave | waits for |
        |---|---|---|---|---|---|---|
        | `~` | <code>counts</code> | update | restarts from nothing | **STATE LOST** | 1 |  |
        | `-` | <code>archive</code> | delete | is removed | state kept | 1 |  |
        | `±` | <code>moved</code> | recreate | is deleted and created again | state kept | 1 |  |
        | `~` | <code>sessions</code> | update | restarts the cluster and its jobs | state kept | 1 |  |
        | `#` | <code>night</code> | suspend | stops | state kept | 1 |  |
        | `>` | <code>paused</code> | resume | starts again | state kept | 1 |  |
        | `~` | <code>orders-enrich</code> | update | restarts from a savepoint | state kept | 2 | waits for orders-ingest: RESTARTING since 2026-11-20T14:02:00Z |
        | `~` | <code>orders-ingest</code> | update | restarts from a savepoint | state kept | 1 |  |
        | `~` | <code>audit</code> | update | only labels and annotations | state kept |  | frozen: "the auditors are looking"; remove flinkops.dev/freeze to go on |
        | `~` | <code>found</code> | adopt | only labels and annotations | state kept | 1 |  |
        | `+` | <code>settlement</code> | create | starts for the first time |  | 2 |  |
        | `~` | <code>ConfigMap/orders-enrich-sql</code> | update | companion | | |  |

        <details><summary>sessions: update</summary>

        - spec.taskManager.resource.memory changed

        | field | before | after | effect | |
        |---|---|---|---|---|
        | <code>/spec/taskManager/resource/memory</code> | <code>2g</code> | <code>4g</code> | upgrade |  |

        </details>

        <details><summary>orders-enrich: update</summary>

        - spec.image changed
        - rejected (secret) once

        | field | before | after | effect | |
        |---|---|---|---|---|
        | <code>/spec/image</code> | <code>registry.example.com/orders-enrich:1.4.1</code> | <code>registry.example.com/orders-enrich:1.4.2</code> | upgrade |  |
        | <code>/spec/flinkConfiguration/s3.secret-key</code> | <code>(secret)</code> | <code>(secret)</code> | upgrade |  |
        | <code>/spec/podTemplate/spec/containers</code> | <code>[{"env":[{"name":"LOG_LEVEL","value":"info"},{"name":"DB_PASSWORD","value":"(secret)"}],"name":"flink-main-container"}]</code> | <code>[{"env":[{"name":"LOG_LEVEL","value":"debug"},{"name":"DB_PASSWORD","value":"(secret)"}],"name":"flink-main-container"}]</code> | upgrade |  |
        | <code>/spec/job/args</code> | <code>["--url","http://(secret)@h"]</code> | <code>[]</code> | upgrade |  |

        </details>

        <details><summary>orders-ingest: update</summary>

        - spec.job.parallelism drifted

        | field | before | after | effect | |
        |---|---|---|---|---|
        | <code>/spec/job/parallelism</code> | <code>8</code> | <code>4</code> | upgrade | drift |

        </details>

        <details><summary>audit: update</summary>


        | field | before | after | effect | |
        |---|---|---|---|---|
        | <code>/metadata/labels/team</code> |  | <code>orders</code> | upgrade |  |

        </details>

        <details><summary>ConfigMap/orders-enrich-sql: update</summary>


        | field | before | after | effect | |
        |---|---|---|---|---|
        | <code>/data/enrich.sql</code> | <code>SELECT * FROM orders 'password' = '(secret)'</code> | <code>SELECT id FROM orders 'password' = '(secret)'</code> | upgrade |  |

        </details>


        - jobs/broken/job.yaml:2:3: error: unknown field \`paralelism\` (did you mean \`parallelism\`?)
        "#);
    }

    #[test]
    fn a_drift_table() {
        assert_snapshot!(super::drift(&document().into_drift()), @r#"
        <!-- flinkops:drift:orders:prod -->
        ### flinkops drift: orders <code>3f1c8a2b9</code> → prod (prod-eu)

        | unit | field | in Git | in the cluster | by | at |
        |---|---|---|---|---|---|
        | <code>orders-ingest</code> | <code>/spec/job/parallelism</code> | <code>4</code> | <code>8</code> | kubectl-edit | 2026-11-20T14:02:00Z |
        "#);
    }

    #[test]
    fn findings_are_a_list() {
        assert_snapshot!(super::findings(&FindingsDocument::new(&[sample::finding()], 1, &Secrets::default())), @r#"
        ### flinkops validate

        1 error, 0 warnings in 1 unit

        - jobs/broken/job.yaml:2:3: error: unknown field \`paralelism\` (did you mean \`parallelism\`?)
        "#);
    }

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(prose("a|b @all <img> `x`"), "a\\|b @\u{200b}all &lt;img&gt; \\`x\\`");
        assert_eq!(code("a|b</code>\n"), "<code>a&#124;b&lt;/code&gt;</code>");
    }
}
