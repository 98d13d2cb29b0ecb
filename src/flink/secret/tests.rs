use serde_json::json;

use super::{MASK, Secrets, is_secret_key, is_secret_path, mask, scrub_credentials};

#[test]
fn keys_that_promise_a_secret() {
    for key in [
        "s3.secret-key",
        "s3.access-key",
        "fs.azure.account.key.store.blob.core.windows.net",
        "security.ssl.rest.key-password",
        "DB_PASSWORD",
        "AWS_ACCESS_KEY_ID",
        "properties.sasl.jaas.config",
        "metrics.reporter.dghttp.apikey",
        "apiKey",
        "fs.azure.sas.container.account",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "--kafka.password",
        "Authorization",
    ] {
        assert!(is_secret_key(key), "{key}");
    }
    for key in [
        "taskmanager.numberOfTaskSlots",
        "properties.sasl.mechanism",
        "fs.s3a.aws.credentials.provider",
        "state.checkpoints.dir",
        "PASSENGERS",
        "keyed.state",
    ] {
        assert!(!is_secret_key(key), "{key}");
    }
}

#[test]
fn paths_that_lead_to_a_secret() {
    for path in [
        "/spec/flinkConfiguration/s3.secret-key",
        "/spec/flinkConfiguration/s3/secret-key",
        "/spec/podTemplate/spec/containers/0/env/DB_PASSWORD/value",
        "/spec/podTemplate/spec/containers/0/env/3/value",
        "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
        "/data/password",
        "/stringData/anything",
    ] {
        assert!(is_secret_path(path), "{path}");
    }
    for path in [
        "/spec/image",
        "/spec/flinkConfiguration/taskmanager.numberOfTaskSlots",
        "/spec/podTemplate/spec/containers/0/env/ZONE/value",
        "/spec/podTemplate/spec/containers/0/env/3/name",
        "/spec/podTemplate/spec/containers/0/env/TOKEN/valueFrom/secretKeyRef/name",
        "/spec/podTemplate/spec/imagePullSecrets/0/name",
        "/spec/podTemplate/spec/volumes/0/secret",
        "/spec/podTemplate/spec/automountServiceAccountToken",
    ] {
        assert!(!is_secret_path(path), "{path}");
    }
}

/// One of each place a secret is known to hide in.
fn manifest() -> serde_json::Value {
    json!({
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration":
            r#"{"spec":{"flinkConfiguration":{"s3.secret-key":"canary-applied"}}}"#}},
        "spec": {
            "image": "registry.example.com/a:1",
            "flinkConfiguration": {"s3.secret-key": "canary-config", "fs": {"azure": {"sas": "canary-sas"}}},
            "job": {"args": ["--password", "canary-arg", "--token=canary-inline", "--parallelism", "4"]},
            "podTemplate": {"spec": {"containers": [{"env": [
                {"name": "API_KEY", "value": "canary-env"},
                {"name": "API_KEY_2", "valueFrom": {"secretKeyRef": {"name": "not-a-secret", "key": "k"}}},
                {"name": "DB", "value": "jdbc:postgresql://svc:canary-url@db/orders"}]}]}},
        },
        "status": {"reconciliationStatus": {"lastReconciledSpec":
            r#"{"spec":{"flinkConfiguration":{"s3.secret-key":"canary-before"}},"resource_metadata":{}}"#}},
    })
}

#[test]
fn s25_every_planted_secret_is_found_and_taken_out_of_any_text() {
    let secret =
        json!({"kind": "Secret", "data": {"p": "Y2FuYXJ5LWVuY29kZWQ="}, "stringData": {"q": "canary-plain"}});
    let secrets = Secrets::collect([&manifest(), &secret]);
    let planted = "config sas arg inline env url applied before encoded plain";
    for name in planted.split(' ') {
        let canary = format!("canary-{name}");
        let shown = secrets.scrub(&canary);
        assert_eq!(shown, MASK, "{canary}");
    }
    assert_eq!(
        secrets.scrub("admission refused not-a-secret, 4, registry.example.com/a:1"),
        "admission refused not-a-secret, 4, registry.example.com/a:1"
    );
    assert_eq!(secrets.scrub("Y2FuYXJ5LWVuY29kZWQ="), MASK);
    assert!(!format!("{secrets:?}").contains("canary"));
}

#[test]
fn a_masked_manifest_keeps_everything_else() {
    let shown = mask("", &manifest());
    assert!(!shown.to_string().contains("canary"), "{shown}");
    assert_eq!(shown.pointer("/spec/image"), manifest().pointer("/spec/image"));
    assert_eq!(
        shown.pointer("/spec/job/args").unwrap(),
        &json!(["--password", MASK, format!("--token={MASK}"), "--parallelism", "4"])
    );
    let env = "/spec/podTemplate/spec/containers/0/env";
    assert_eq!(shown.pointer(&format!("{env}/2/value")).unwrap(), "jdbc:postgresql://(secret)@db/orders");
    assert_eq!(shown.pointer(&format!("{env}/1")), manifest().pointer(&format!("{env}/1")));
}

#[test]
fn a_value_is_masked_by_where_it_stands() {
    assert_eq!(mask("/spec/flinkConfiguration/s3.secret-key", &json!(7)), json!(MASK));
    assert_eq!(mask("/spec/flinkConfiguration/rest.port", &json!(7)), json!(7));
    let containers = json!([{"env": [{"name": "PASSWORD", "value": "x"}]}]);
    assert_eq!(
        mask("/spec/podTemplate/spec/containers", &containers),
        json!([{"env": [{"name": "PASSWORD", "value": MASK}]}])
    );
}

#[test]
fn options_in_files_and_statements_are_masked() {
    let shown = |text: &str| mask("/data/job.sql", &json!(text)).as_str().unwrap().to_owned();
    assert_eq!(
        shown("WITH ('connector' = 'jdbc', 'password' = 'hunter two')"),
        "WITH ('connector' = 'jdbc', 'password' = '(secret)')"
    );
    assert_eq!(shown("user: a\npassword: b c\n"), "user: a\npassword: (secret) c\n");
    assert_eq!(
        shown(r#"PlainLoginModule required username="u" password="p w";"#),
        r#"PlainLoginModule required username="u" password="(secret)";"#
    );
    assert_eq!(
        shown("jdbc:mysql://db/x?user=u&password=p&ssl=true"),
        "jdbc:mysql://db/x?user=u&password=(secret)&ssl=true"
    );
}

#[test]
fn urls_lose_their_credentials_and_keep_their_host() {
    assert_eq!(
        scrub_credentials("clone https://u:p@w@example.com/a.git"),
        "clone https://(secret)@example.com/a.git"
    );
    assert_eq!(scrub_credentials("https://ghp_token@example.com/a"), "https://(secret)@example.com/a");
    assert_eq!(scrub_credentials("ssh://git@example.com/a@b"), "ssh://git@example.com/a@b");
    assert_eq!(scrub_credentials("token: expected a string"), "token: expected a string");
}

#[test]
fn a_short_secret_is_taken_out_only_as_a_word() {
    let mut secrets = Secrets::default();
    secrets.add("flink");
    secrets.add("true");
    secrets.add("4");
    assert_eq!(
        secrets.scrub("bad password 'flink' in flinkConfiguration, true, 4"),
        "bad password '(secret)' in flinkConfiguration, true, 4"
    );
}

#[test]
fn a_secret_is_found_as_an_api_server_would_quote_it() {
    let mut secrets = Secrets::default();
    secrets.add("pass\"word\\one");
    secrets.add("-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n");
    assert_eq!(secrets.scrub(r#"invalid value: "pass\"word\\one""#), r#"invalid value: "(secret)""#);
    assert_eq!(secrets.scrub("line MIIEvQIBADANBg is odd"), "line (secret) is odd");
}

#[test]
fn secrets_that_overlap_are_both_taken_out() {
    let mut secrets = Secrets::default();
    secrets.add("abcdefgh-one");
    secrets.add("h-one-two-three");
    assert_eq!(secrets.scrub("<abcdefgh-one-two-three>"), "<(secret)>");
}

#[test]
fn hostile_text_takes_linear_time() {
    let text = "password=".repeat(200_000) + &"://a:".repeat(200_000) + &"{".repeat(200_000);
    let shown = mask("/data/x", &json!(text));
    assert!(shown.as_str().unwrap().len() < text.len());
}

#[test]
fn a_source_that_does_not_parse_still_hides_its_secrets() {
    let source = "\
spec:
  flinkConfiguration:
    s3.secret-key: canary-one
    sasl.jaas.config: |
      canary-two
    rest.port: 8081
  job:
    args:
      - --password
      - \"canary-three\"
      - --parallelism
      - shown-one
  env:
    - name: DB_PASSWORD
      value: canary-four
    - value: 'canary-five'
      name: TOKEN
    - {name: API_KEY, value: {a: canary-six}}
    - {value: canary-seven, name: \"PASSWORD\"}
    - password: {a: canary-eight, b: [canary-nine]}
    - name: ZONE
      value: shown-two
      valueFrom: {secretKeyRef: {name: shown-three}
";
    let mut secrets = Secrets::default();
    secrets.read_source(source);
    let shown = secrets.scrub(source);
    assert!(!shown.contains("canary"), "{shown}");
    for word in ["8081", "shown-one", "shown-two", "shown-three"] {
        assert!(shown.contains(word), "{word} in {shown}");
    }
}

#[test]
fn a_blanked_line_keeps_its_columns() {
    let mut secrets = Secrets::default();
    secrets.add("canärys");
    assert_eq!(secrets.blank("x: canärys # canärys, password: p"), "x: ******* # *******, password: *");
}
