//! `init`: a repository that is sound, runs, and is not laid over another.

use std::path::Path;

use super::world::{Repository, World};

fn init(arguments: &[&str]) -> Repository {
    let repository = Repository::new(&[]);
    let ran = repository.run(&[&["init"], arguments].concat()).expect(0);
    assert!(ran.stdout.contains("wrote flinkops.yaml\n"), "{ran}");
    repository
}

fn read(repository: &Repository, path: &str) -> String {
    std::fs::read_to_string(repository.path().join(path)).unwrap()
}

#[test]
fn a_new_repository_is_free_of_findings() {
    for arguments in
        [&[][..], &["--ci", "github"], &["--ci", "gitlab", "--environment", "staging", "--name", "orders"]]
    {
        let repository = init(arguments);
        let ran = repository.run(&["validate", "--format", "json"]).expect(0);
        assert_eq!(ran.json()["findings"], serde_json::json!([]), "{arguments:?}");
        assert_eq!(ran.json()["summary"]["units"], 1);
    }
}

#[test]
fn editors_find_the_schemas_without_a_network() {
    let repository = init(&[]);
    for (file, subject) in [("flinkops.yaml", "flinkops"), ("jobs/state-machine/job.yaml", "job")] {
        let text = read(&repository, file);
        let modeline = text.lines().next().unwrap();
        let schema = modeline.strip_prefix("# yaml-language-server: $schema=").unwrap();
        let path = repository.path().join(file).parent().unwrap().join(schema);
        let committed = std::fs::read_to_string(path).unwrap();
        assert_eq!(committed, repository.run(&["schema", subject]).expect(0).stdout, "{file}");
    }
}

#[test]
fn the_recipes_are_those_of_deploy() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/ci");
    let both = [
        (
            "github",
            vec![
                (".github/workflows/flinkops-plan.yaml", "github-plan.yaml"),
                (".github/workflows/flinkops-drift.yaml", "github-drift.yaml"),
            ],
        ),
        ("gitlab", vec![("deploy/ci/gitlab.yaml", "gitlab.yaml")]),
    ];
    for (ci, files) in both {
        let repository = init(&["--ci", ci]);
        for (path, source) in [files, vec![("deploy/ci/flinkops.sh", "flinkops.sh")]].concat() {
            assert_eq!(
                read(&repository, path),
                std::fs::read_to_string(deploy.join(source)).unwrap(),
                "{path}"
            );
        }
    }
}

#[test]
fn the_first_job_runs() {
    let world = World::new(init(&[]));
    world.apply();
    let job = world.live("state-machine").unwrap();
    assert_eq!(job["status"]["jobStatus"]["state"], "RUNNING");
}

#[test]
fn a_folder_with_files_is_left_alone_unless_it_is_asked_for() {
    let repository = Repository::new(&[("README.md", "mine\n"), ("src/a.txt", "a\n")]);
    let ran = repository.run(&["init"]).expect(64);
    assert!(ran.stderr.contains("is not empty"), "{ran}");
    assert!(!repository.path().join("flinkops.yaml").exists());
    let ran = repository.run(&["init", "--add"]).expect(0);
    assert!(ran.stdout.contains("left as it was: README.md\n"), "{ran}");
    assert_eq!(read(&repository, "README.md"), "mine\n");
    repository.run(&["validate"]).expect(0);
    repository.run(&["init", "--add"]).expect(64);
    repository.run(&["init", "elsewhere", "--environment", "job"]).expect(64);
    assert!(!repository.path().join("elsewhere").exists());
}
