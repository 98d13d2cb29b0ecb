use insta::assert_snapshot;

use crate::flink::secret::Secrets;
use crate::report::document::{AgainstKind, FindingsDocument, PlanDocument};
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
    ### flinkops plan: orders <code>3f1c8a2b9</code> → prod (cluster prod-eu)

    **1 to create, 6 to update, 1 to suspend, 1 to resume, 1 to recreate, 1 to delete, 1 unchanged** · ⚠ **1 would lose state** · 2 blocked · 1 drifted

    - **error** in <code>jobs/broken/job.yaml:2:3</code>: unknown field &#96;paralelism&#96; (did you mean &#96;parallelism&#96;?)

    | | unit | action | what happens | state | wave | |
    |---|---|---|---|---|---|---|
    | ⚠ `~` | <code>counts</code> | update | restarts from nothing | **STATE LOST** | 1 |  |
    | ⚠ `±` | <code>moved</code> | recreate | is deleted and created again | state kept | 1 |  |
    | ⚠ `-` | <code>archive</code> | delete | is removed | state kept | 1 |  |
    | `~` | <code>sessions</code> | update | restarts the cluster and its jobs | state kept | 1 |  |
    | `#` | <code>night</code> | suspend | stops | state kept | 1 |  |
    | `>` | <code>paused</code> | resume | starts again | state kept | 1 |  |
    | `~` | <code>orders-enrich</code> | update | restarts from a savepoint | state kept | 2 | blocked |
    | `~` | <code>orders-ingest</code> | update | restarts from a savepoint | state kept | 1 |  |
    | `+` | <code>settlement</code> | create | starts for the first time |  | 2 |  |
    | `~` | <code>audit</code> | update | only labels and annotations | state kept |  | blocked |
    | `~` | <code>found</code> | update | taken over as it is | state kept | 1 |  |
    | `~` | <code>ConfigMap/orders-enrich-sql</code> | update | companion | | |  |

    **Blocked**

    - <code>audit</code> (frozen): "the auditors are looking"; remove flinkops.dev/freeze to go on
    - <code>orders-enrich</code> (gate): waits for orders-ingest: RESTARTING since 2026-11-20T14:02:00Z

    <details><summary>Order: 2 waves</summary>

    ```mermaid
    flowchart LR
      subgraph w0["Wave 1"]
        u0["archive<br/>is removed"]
        u1["counts<br/>restarts from nothing"]
        u2["moved<br/>is deleted and created again"]
        u3["night<br/>stops"]
        u4["orders-ingest<br/>restarts from a savepoint"]
        u5["paused<br/>starts again"]
        u6["sessions<br/>restarts the cluster and its jobs"]
        u7["found<br/>taken over as it is"]
      end
      subgraph w1["Wave 2"]
        u8["orders-enrich<br/>restarts from a savepoint"]
        u9["settlement<br/>starts for the first time"]
      end
      u4 --> u8
      classDef danger stroke:#d1242f,stroke-width:3px
      class u0 danger
      class u1 danger
      class u2 danger
    ```

    </details>

    <details><summary><code>sessions</code> update: restarts the cluster and its jobs</summary>

    - steps: suspend flink-prod/FlinkDeployment/totals; wait for the savepoint of flink-prod/FlinkDeployment/totals; record the savepoint of flink-prod/FlinkDeployment/totals; update sessions; wait until settled: sessions; resume flink-prod/FlinkDeployment/totals

    ```diff
    @@ spec.taskManager.resource.memory @@
    - 2g
    + 4g
    ```

    </details>

    <details><summary><code>orders-enrich</code> update: restarts from a savepoint</summary>

    - rejected (secret) once

    ```diff
    @@ spec.image @@
    - registry.example.com/orders-enrich:1.4.1
    + registry.example.com/orders-enrich:1.4.2
    @@ spec.flinkConfiguration.s3.secret-key @@
    - (secret)
    + (secret)
    @@ spec.podTemplate.spec.containers[flink-main-container].env[LOG_LEVEL].value @@ holds secrets, which are compared and not shown
    - info
    + debug
    @@ spec.job.args @@
    - --url
    - http://(secret)@h
    ```

    </details>

    <details><summary><code>orders-ingest</code> update: restarts from a savepoint</summary>

    ```diff
    @@ spec.job.parallelism @@ drift: changed in the cluster by kubectl-edit at 2026-11-20T14:02:00Z
    - 8
    + 4
    ```

    </details>

    <details><summary><code>audit</code> update: only labels and annotations</summary>

    ```diff
    @@ metadata.labels.team @@
    + orders
    ```

    </details>

    <details><summary><code>ConfigMap/orders-enrich-sql</code> update</summary>

    ```diff
    @@ data.enrich.sql @@
    - SELECT *
    + SELECT id
      FROM orders
      'password' = '(secret)'
    ```

    </details>
    "#);
}

#[test]
fn a_drift_table() {
    assert_snapshot!(super::drift(&document().into_drift()), @r#"
    <!-- flinkops:drift:orders:prod -->
    ### flinkops drift: orders <code>3f1c8a2b9</code> → prod (cluster prod-eu)

    **1 object drifted in 1 field**

    - **error** in <code>jobs/broken/job.yaml:2:3</code>: unknown field &#96;paralelism&#96; (did you mean &#96;parallelism&#96;?)

    | | object | fields | by | since | flinkops |
    |---|---|---|---|---|---|
    |  | <code>orders-ingest</code> | <code>spec.job.parallelism</code> | kubectl-edit | 2026-11-20T14:02:00Z | will update it: restarts from a savepoint, state kept |

    What differs, from Git (`-`) to the cluster (`+`):

    <details><summary><code>orders-ingest</code></summary>

    ```diff
    @@ spec.job.parallelism @@ drift: changed in the cluster by kubectl-edit at 2026-11-20T14:02:00Z
    - 4
    + 8
    ```

    </details>
    "#);
}

#[test]
fn findings_are_a_list() {
    assert_snapshot!(super::findings(&FindingsDocument::new(&[sample::finding()], 1, &Secrets::default())), @r#"
    <!-- flinkops:validate -->
    ### flinkops validate

    1 error, 0 warnings in 1 unit

    - **error** in <code>jobs/broken/job.yaml:2:3</code>: unknown field &#96;paralelism&#96; (did you mean &#96;parallelism&#96;?)
    "#);
}
