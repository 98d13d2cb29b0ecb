//! Rules of images and jars: what a job is made of should be one thing, and the one that was meant.

use url::Url;

use super::{Remark, Subject, containers, pod_templates};
use crate::flink::kind::Kind;
use crate::flink::secret::scrub_credentials;
use crate::flink::version::FlinkVersion;

/// Tags that are moved to another image with every build or release.
const FLOATING: [&str; 20] = [
    "canary",
    "current",
    "dev",
    "devel",
    "develop",
    "development",
    "edge",
    "head",
    "latest",
    "local",
    "main",
    "master",
    "nightly",
    "prod",
    "production",
    "release",
    "snapshot",
    "stable",
    "staging",
    "trunk",
];
/// Words that make a longer tag or an address float: `1.20-SNAPSHOT`, `latest-java17`.
const FLOATING_PART: [&str; 4] = ["latest", "nightly", "snapshot", "snapshots"];
/// The branches whose address a code host serves.
const BRANCHES: [&str; 5] = ["HEAD", "develop", "dev", "main", "master"];
/// The images that the Flink project publishes.
const OFFICIAL: [&str; 7] = [
    "flink",
    "library/flink",
    "docker.io/flink",
    "docker.io/library/flink",
    "apache/flink",
    "docker.io/apache/flink",
    "ghcr.io/apache/flink-docker",
];

/// An image as it is named: repository, tag, and whether a digest pins it.
fn parts(image: &str) -> (&str, Option<&str>, bool) {
    let (name, digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let slash = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[slash..].rfind(':').map(|colon| slash + colon) {
        Some(colon) => (&name[..colon], Some(&name[colon + 1..]), digest),
        None => (name, None, digest),
    }
}

fn floats(text: &str) -> bool {
    let is = |word: &str, words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    is(text, &FLOATING) || text.split(['-', '_', '.']).any(|part| is(part, &FLOATING_PART))
}

pub(super) fn floating_image(subject: &Subject<'_>) -> Vec<Remark> {
    let own = subject.text("/image").map(|image| ("/spec/image".to_owned(), image));
    let in_pods = pod_templates(subject.spec).flat_map(|(pointer, pod)| {
        containers(pod).filter_map(move |(container, value)| {
            Some((format!("/spec{pointer}{container}/image"), value.get("image")?.as_str()?))
        })
    });
    let judge = |(pointer, image): (String, &str)| {
        let message = match parts(image) {
            (_, _, true) => return None,
            (_, None, _) => format!("`{image}` has no tag, which means `latest`"),
            (_, Some(tag), _) if floats(tag) => format!("`{image}` can become another image"),
            _ => return None,
        };
        let hint = "a new build under the same name upgrades nothing, and a lost pod may come back as another version: write a version, or a digest `@sha256:…`";
        Some(Remark::at(pointer, message, hint))
    };
    own.into_iter().chain(in_pods).filter_map(judge).collect()
}

/// The scheme of a job's jar, and the whole of its address.
fn jar<'a>(subject: &Subject<'a>) -> Option<(String, &'a str)> {
    let uri = subject.text("/job/jarURI")?;
    let (scheme, _) = uri.split_once(':')?;
    Some((scheme.to_ascii_lowercase(), uri))
}

fn is_in_image(scheme: &str) -> bool {
    ["local", "file"].contains(&scheme)
}

pub(super) fn floating_jar(subject: &Subject<'_>) -> Vec<Remark> {
    let Some((_, uri)) = jar(subject).filter(|(scheme, uri)| !is_in_image(scheme) && moves(uri)) else {
        return Vec::new();
    };
    let message = format!("`{}` can become another jar", scrub_credentials(uri));
    let hint = "a new jar at the same address upgrades nothing, and a restart may run another version: write the address of one version";
    vec![Remark::at("/spec/job/jarURI", message, hint)]
}

fn moves(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    let segments: Vec<&str> = url.path().split('/').collect();
    let code_host = url.host_str().is_some_and(|host| host.contains("github") || host.contains("gitlab"));
    let branch = segments.iter().any(|segment| BRANCHES.contains(segment));
    segments.iter().any(|segment| segment.split(['-', '_', '.']).any(is_floating_part))
        || code_host && (branch || url.path().contains("/refs/heads/"))
}

fn is_floating_part(part: &str) -> bool {
    FLOATING_PART.iter().any(|word| part.eq_ignore_ascii_case(word))
}

pub(super) fn snapshot_jar(subject: &Subject<'_>) -> Vec<Remark> {
    let snapshot = |uri: &str| uri.to_ascii_uppercase().contains("SNAPSHOT");
    let found = jar(subject).filter(|(scheme, uri)| is_in_image(scheme) && snapshot(uri));
    let remark = |(_, uri): (String, &str)| {
        let message = format!("`{uri}` is a SNAPSHOT: its name does not say which build runs");
        Remark::at("/spec/job/jarURI", message, "build the image with a released version of the jar")
    };
    found.map(remark).into_iter().collect()
}

pub(super) fn unfetchable_jar(subject: &Subject<'_>) -> Vec<Remark> {
    let session_job = subject.key.kind == Kind::FlinkSessionJob;
    let found = jar(subject).filter(|(scheme, _)| session_job && is_in_image(scheme));
    let remark = |(_, uri): (String, &str)| {
        let message = format!("`{uri}` is fetched by the operator, which has no such file");
        let hint = "the operator uploads a session job's jar from its own pod: serve it over https or s3, or make the job a FlinkDeployment";
        Remark::at("/spec/job/jarURI", message, hint)
    };
    found.map(remark).into_iter().collect()
}

pub(super) fn image_version(subject: &Subject<'_>) -> Vec<Remark> {
    let found = subject.text("/image").and_then(|image| {
        let (repository, tag, _) = parts(image);
        let tagged = FlinkVersion::of_tag(tag.filter(|_| OFFICIAL.contains(&repository))?)?;
        let version = subject.version().filter(|version| *version != tagged)?;
        let (major, minor) = (tagged.major, tagged.minor);
        let message = format!("`{image}` is Flink {tagged}, and flinkVersion says {version}");
        let hint = format!("the operator submits and configures by flinkVersion: write v{major}_{minor}, or an image of {version}");
        Some(Remark::at("/spec/image", message, hint))
    });
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_parts() {
        assert_eq!(parts("a"), ("a", None, false));
        assert_eq!(parts("host:5000/a"), ("host:5000/a", None, false));
        assert_eq!(parts("host:5000/a:1.2"), ("host:5000/a", Some("1.2"), false));
        assert_eq!(parts("host/a:1.2@sha256:00"), ("host/a", Some("1.2"), true));
    }

    #[test]
    fn tags_that_move_are_told_from_versions() {
        for tag in ["latest", "LATEST", "dev", "main", "1.20-SNAPSHOT", "latest-java17", "nightly"] {
            assert!(floats(tag), "{tag}");
        }
        for tag in
            ["1.20", "1.20-java17", "2024-11-21", "v3", "devotion", "main-3f1c2a9", "3f1c2a9", "release-7"]
        {
            assert!(!floats(tag), "{tag}");
        }
    }

    #[test]
    fn addresses_that_move_are_told_from_those_of_one_version() {
        for uri in [
            "https://github.com/a/b/releases/latest/download/job.jar",
            "https://raw.githubusercontent.com/a/b/main/job.jar",
            "s3://jars/job-latest.jar",
            "https://maven.example.com/snapshots/org/a/job/1.0-SNAPSHOT/job-1.0-SNAPSHOT.jar",
        ] {
            assert!(moves(uri), "{uri}");
        }
        for uri in [
            "https://github.com/a/b/releases/download/v1.4.2/job.jar",
            "https://repo1.maven.org/maven2/org/apache/flink/flink-examples-streaming/1.20.1/flink-examples-streaming-1.20.1.jar",
            "s3://jars/main/job-1.4.2.jar",
            "not a uri",
        ] {
            assert!(!moves(uri), "{uri}");
        }
    }
}
