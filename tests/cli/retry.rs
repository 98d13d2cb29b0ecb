//! An upgrade that fails goes back and is held, until somebody says to try it again (S23).

use super::world::{Repository, World, job};

#[test]
fn s23_what_went_back_is_tried_again_when_somebody_says_so() {
    let policy = "policy: {onFailure: rollback}\n";
    let world = World::new(Repository::with_jobs(&[("ingest", policy)]));
    world.apply();
    assert_eq!(world.run(&["retry", "ingest"]).expect(0).stdout, "ingest: is not held\n");
    let broken = job(policy).replace("upgradeMode:", "entryClass: org.example.Missing, upgradeMode:");
    world.repository.write("jobs/ingest/job.yaml", &broken);
    world.repository.commit();
    let apply = || world.run(&["apply", "--yes", "--timeout", "60s"]).expect(1).stderr;
    let failed = apply();
    assert!(failed.contains("goes back to") && failed.contains("flinkops retry ingest"), "{failed}");
    assert_eq!(world.live("ingest").unwrap()["spec"]["job"].get("entryClass"), None);
    let plan = world.run(&["plan", "--format", "json"]).expect(2).json();
    assert_eq!(plan["units"][0]["blocked"]["by"], "held", "{plan:#}");
    assert!(!apply().contains("goes back"), "held, so nothing is tried");

    let retried = world.run(&["retry", "ingest", "--format", "json"]).expect(0).json();
    assert_eq!(
        (&retried["schema"], &retried["units"][0]["released"]),
        (&"flinkops.dev/retry/v1".into(), &true.into())
    );
    assert!(retried["units"][0]["held"].as_str().unwrap().contains("did not settle"), "{retried:#}");
    assert!(apply().contains("goes back to"), "tried again, and back again");
}

#[test]
fn s23_a_unit_that_is_not_there_is_wrong_usage() {
    let world = World::new(Repository::with_jobs(&[("ingest", "")]));
    assert!(world.run(&["retry", "nobody"]).expect(64).stderr.contains("there is no unit `nobody`"));
    world.run(&["retry"]).expect(64);
}
