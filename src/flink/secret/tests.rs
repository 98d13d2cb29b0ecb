use std::sync::Arc;

use serde_json::json;

use super::{MASK, Secrets, is_secret_key, is_secret_path, mask, scrub_credentials};
use crate::flink::pointer::At as _;

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
        "pulsar.client.authParams",
        "spring.datasource.apiKey",
        "serviceKey",
        "fs.oss.accessKeyId",
        "fs.s3a.access.key",
        "basicAuth",
        "properties.ssl.keystore.key",
        "MYSQL_PWD",
        "REDIS_AUTH",
        "SENTRY_DSN",
        "X-Amz-Signature",
        "SharedAccessSignature",
        "--oauth2-bearer",
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
        "properties.sasl.jaas",
        "sasl.mechanism.oauthbearer",
        "author",
        "rest.auth.type",
        "signature.algorithm",
        "security.ssl.rest.keystore",
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
    assert_eq!(shown.at("/spec/image"), manifest().at("/spec/image"));
    assert_eq!(
        shown.at("/spec/job/args").unwrap(),
        &json!(["--password", MASK, format!("--token={MASK}"), "--parallelism", "4"])
    );
    let env = "/spec/podTemplate/spec/containers/0/env";
    assert_eq!(shown.at(&format!("{env}/2/value")).unwrap(), "jdbc:postgresql://(secret)@db/orders");
    assert_eq!(shown.at(&format!("{env}/1")), manifest().at(&format!("{env}/1")));
}

#[test]
fn s25_the_name_of_a_secret_is_none_and_what_is_no_name_stays_hidden() {
    let annotated = |value: &str| json!({"spec": {"ingress": {"annotations": {"nginx.ingress.kubernetes.io/auth-secret": value}}}});
    for name in ["basic-auth", "flink/basic-auth", "a.b-1"] {
        assert_eq!(mask("", &annotated(name)), annotated(name));
        assert_eq!(Secrets::collect([&annotated(name)]).scrub(name), name);
    }
    for value in ["hunter22!", "Hunter22", "user:$apr1$x", "a/b/c", "-a", "", "a b"] {
        assert_eq!(mask("", &annotated(value)), annotated(MASK), "{value}");
    }
    let others = json!({"metadata": {"annotations": {"example.com/auth-secret": "basic-auth"}}});
    assert_eq!(mask("", &others)["metadata"]["annotations"]["example.com/auth-secret"], MASK);
    let pointer = "/spec/ingress/annotations/nginx.ingress.kubernetes.io~1auth-secret";
    assert!(is_secret_path(pointer), "by its place alone it may be anything");
    assert_eq!(mask(pointer, &json!("basic-auth")), "basic-auth");
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
    assert_eq!(shown("user: a\npassword: b c\n"), "user: a\npassword: (secret)\n");
    assert_eq!(shown("a=1\n  db.password = b c; d\r\nx=y"), "a=1\n  db.password = (secret)\r\nx=y");
    assert_eq!(shown("- password: 'it''s b'\n- x"), "- password: '(secret)'\n- x");
    assert_eq!(
        shown(r#"{"x": {"password": "a\"b", "y": 1}}x"#),
        r#"{"x": {"password": "(secret)", "y": 1}}x"#
    );
    assert_eq!(
        shown("'properties.sasl.jaas.config' = 'X required password=''p q'';', 'a' = 'b'"),
        "'properties.sasl.jaas.config' = '(secret)', 'a' = 'b'"
    );
    assert_eq!(shown("host=h user=u password=p sslmode=x"), "host=h user=u password=(secret) sslmode=x");
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
fn commands_and_arguments_are_masked() {
    let shown = |value: serde_json::Value| mask("/spec/podTemplate/spec/containers/0/args", &value);
    let command = |text: &str| shown(json!([text]))[0].as_str().unwrap().to_owned();
    for (text, masked) in [
        ("run --db-password hunter2 --verbose", "run --db-password (secret) --verbose"),
        ("run --password 'a b' --verbose", "run --password '(secret)' --verbose"),
        ("-Xmx1g -Ds3.secret-key=abc -Dx=y", "-Xmx1g -Ds3.secret-key=(secret) -Dx=y"),
        ("curl -u svc:abc https://h", "curl -u svc:(secret) https://h"),
        ("chown -u 1000 x", "chown -u 1000 x"),
        ("curl -H \"Authorization: Bearer abc\" x", "curl -H \"Authorization: Bearer (secret)\" x"),
        ("curl -H Authorization:Basic\\ abc x", "curl -H Authorization:Basic\\ (secret) x"),
        ("--password --verbose x", "--password --verbose x"),
        ("java -jar x.jar --passwordless-login yes", "java -jar x.jar --passwordless-login (secret)"),
    ] {
        assert_eq!(command(text), masked);
    }
    assert_eq!(
        shown(json!(["--password=a b c", "-Dx.token=d e", "--token", "f g", "--sasl", "plain", "h"])),
        json!(["--password=(secret)", "-Dx.token=(secret)", "--token", MASK, "--sasl", "plain", "h"])
    );
    assert_eq!(command(r#"["--password", "abc", "x"]"#), MASK, "a list in a text");
}

#[test]
fn a_private_key_is_known_by_its_frame() {
    let shown = |text: &str| mask("/data/tls.pem", &json!(text)).as_str().unwrap().to_owned();
    let pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----\n";
    assert_eq!(shown(pem), "-----BEGIN EC PRIVATE KEY-----(secret)-----END EC PRIVATE KEY-----\n");
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    assert_eq!(shown(certificate), certificate);
    assert_eq!(shown("no PRIVATE KEY----- here"), "no PRIVATE KEY----- here");
}

/// FLINK-39561: a configuration may name further words.
#[test]
fn a_configuration_may_say_itself_what_is_secret() {
    let manifest = json!({"spec": {"flinkConfiguration": {
        "security.redaction.additional-keys": "Vault.Path, house", "my.vault.path.x": "kv/1", "warehouse": "s3://b",
        "other": "x"}}});
    let shown = mask("", &manifest);
    let configuration = &shown["spec"]["flinkConfiguration"];
    assert_eq!(
        (&configuration["my.vault.path.x"], &configuration["warehouse"]),
        (&json!(MASK), &json!(MASK))
    );
    assert_eq!(configuration["other"], "x");
    assert_eq!(Secrets::collect([&manifest]).scrub("at s3://b"), "at (secret)");
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
    let shown = |text: &str| mask("/data/url", &json!(text)).as_str().unwrap().to_owned();
    assert_eq!(
        shown("jdbc:oracle:thin:scott/tiger@h:1521:orcl"),
        "jdbc:oracle:thin:scott/(secret)@h:1521:orcl"
    );
    assert_eq!(shown("jdbc:oracle:thin:@h:1521/a b@c"), "jdbc:oracle:thin:@h:1521/a b@c");
    assert_eq!(shown("redis://:p@h/0"), "redis://(secret)@h/0");
    assert_eq!(
        shown("jdbc:sqlserver://h;user=u;password=p;x=y"),
        "jdbc:sqlserver://h;user=u;password=(secret);x=y"
    );
    assert_eq!(shown("https://a.blob/x?sv=1&sig=abc%3D&se=2"), "https://a.blob/x?sv=1&sig=(secret)&se=2");
    assert_eq!(
        shown("AccountName=a;AccountKey=Zm9v==;EndpointSuffix=e"),
        "AccountName=a;AccountKey=(secret);EndpointSuffix=e"
    );
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
fn s25_a_manifest_that_is_read_when_needed_is_as_secret_and_is_not_forgotten() {
    let other = json!({"spec": {"flinkConfiguration": {"s3.secret-key": "the-other-one"}}});
    let text = "refused: hunter2hunter2, the-other-one, named-by-hand";
    let later = json!({"spec": {"flinkConfiguration": {"s3.secret-key": "hunter2hunter2"}}});
    let mut secrets = Secrets::of([Arc::new(later)]);
    assert_eq!(secrets.scrub(text), "refused: (secret), the-other-one, named-by-hand");
    secrets.extend(Secrets::of([Arc::new(other)]));
    assert_eq!(secrets.scrub(text), "refused: (secret), (secret), named-by-hand");
    secrets.add("named-by-hand");
    assert_eq!(secrets.clone().scrub(text), "refused: (secret), (secret), (secret)");
    assert!(!Secrets::of([Arc::new(json!({}))]).is_part_of(&secrets), "nobody has read it");
}

#[test]
fn the_states_of_jobs_are_nobodys_secret() {
    let mut secrets = Secrets::default();
    secrets.add("RUNNING");
    assert_eq!(secrets.scrub("RUNNING"), "RUNNING");
    assert_eq!(secrets.scrub("is RUNNING again"), "is RUNNING again");
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
    let parts = [
        "a password=",
        "x: password=\"\\",
        "-u ",
        "-u \"",
        "--token '",
        "password: bearer ",
        "jdbc:oracle:",
        "-----BEGIN PRIVATE KEY-----",
        "PRIVATE KEY-----",
        "token=''",
        "[",
        "\n-token: ",
    ];
    for part in parts {
        let text = part.repeat(20_000);
        mask("/data/x", &json!(text));
        scrub_credentials(&text);
    }
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
stringData: {a: canary-ten}
stringData:
  b: canary-eleven
token: \"canary-twelve
  canary-thirteen\"
password: [
  canary-fourteen
]
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
fn what_a_reference_in_one_line_names_is_shown() {
    let mut secrets = Secrets::default();
    for source in [
        "env: [{name: AWS_SECRET_KEY, valueFrom: {secretKeyRef: {name: s3, key: secret}}}]\n",
        "imagePullSecrets: [{name: registry}]\nvolumes: [{name: a, secret: {secretName: b}}]\n",
    ] {
        secrets.read_source(source);
        assert_eq!(secrets.scrub(source), source);
    }
    let source = "secretKeyRef: {name: s3, password: canary-one, tokens: [canary-two]}\n";
    secrets.read_source(source);
    let shown = secrets.scrub(source);
    assert!(shown.contains("s3") && !shown.contains("canary"), "{shown}");
}

#[test]
fn the_data_of_a_secret_that_does_not_parse_is_hidden() {
    let rest = "data: {a: Y2FuYXJ5LW9uZQ==}\ndata:\n  b: Y2FuYXJ5LXR3bw==\nmetadata: {name: shown}\n: [";
    for (kind, hidden) in [("Secret", true), ("ConfigMap", false)] {
        let source = format!("kind: {kind}\n{rest}");
        let mut secrets = Secrets::default();
        secrets.read_source(&source);
        let shown = secrets.scrub(&source);
        assert_eq!(shown.contains("Y2FuYXJ5"), !hidden, "{shown}");
        assert!(shown.contains("shown"), "{shown}");
    }
}

#[test]
fn a_blanked_line_keeps_its_columns() {
    let mut secrets = Secrets::default();
    secrets.add("canärys");
    assert_eq!(secrets.blank("x: canärys # canärys, password: p"), "x: ******* # *******, password: *");
}
