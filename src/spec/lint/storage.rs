//! The rule of state in files: a folder of a pod is gone with the pod, unless a volume outlives it.

use serde_json::Value;

use super::{Remark, Subject, containers, entries, key_pointer, pod_templates};
use crate::flink::config;

pub(super) fn file_state(subject: &Subject<'_>) -> Vec<Remark> {
    let Some(deployment) = subject.deployment() else { return Vec::new() };
    let plain = !subject.configuration.contains_key("fs.default-scheme");
    let dirs = [
        ("checkpoints", subject.set(&config::CHECKPOINT_DIR)),
        ("savepoints", subject.set(&config::SAVEPOINT_DIR)),
        ("the records of high availability", subject.set(&[config::HIGH_AVAILABILITY_DIR])),
    ];
    let judge = |(what, set): (&str, Option<(&'static str, &str)>)| {
        let (key, dir) = set?;
        let lost = Lost::of(deployment, folder(dir, plain)?)?;
        let message = format!("{what} go to `{dir}`, which does not outlive its pod: {}", lost.reason());
        let hint = "use an object store, or mount a PersistentVolumeClaim there into the pods of both JobManager and TaskManagers";
        Some(Remark::at(key_pointer(key), message, hint))
    };
    dirs.into_iter().filter_map(judge).collect()
}

/// The folder of a pod that an address leads to; `None` for one that leads elsewhere.
fn folder(address: &str, plain: bool) -> Option<&str> {
    match address.strip_prefix("file:") {
        Some(path) => Some(path.strip_prefix("//").unwrap_or(path)),
        None => (plain && address.starts_with('/')).then_some(address),
    }
}

/// Why a folder is gone with its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lost {
    NoVolume,
    EmptyDir,
    HostPath,
}

impl Lost {
    /// `None` where a volume outlives the pod, or nothing can be said of it.
    fn of(deployment: &Value, folder: &str) -> Option<Self> {
        let pods = || pod_templates(deployment).map(|(_, pod)| pod);
        let mounts =
            pods().flat_map(containers).flat_map(|(_, container)| entries(container, "volumeMounts"));
        let mut found = Self::NoVolume;
        for mount in mounts.filter(|mount| covers(mount, folder)) {
            let named = |volume: &&Value| volume.get("name") == mount.get("name");
            let volume = pods().flat_map(|pod| entries(pod, "volumes")).find(named)?;
            found = found.max(Self::with(volume)?);
        }
        Some(found)
    }

    fn with(volume: &Value) -> Option<Self> {
        if volume.get("emptyDir").is_some() || volume.get("ephemeral").is_some() {
            Some(Self::EmptyDir)
        } else {
            volume.get("hostPath").map(|_| Self::HostPath)
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::NoVolume => "no volume is mounted there",
            Self::EmptyDir => "the volume there is the pod's own",
            Self::HostPath => "a hostPath is another folder on every node",
        }
    }
}

fn covers(mount: &Value, folder: &str) -> bool {
    let path = mount.get("mountPath").and_then(Value::as_str).unwrap_or_default().trim_end_matches('/');
    folder.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_leads_to_a_folder_or_elsewhere() {
        for address in ["file:///data/x", "file:/data/x", "/data/x"] {
            assert_eq!(folder(address, true), Some("/data/x"), "{address}");
        }
        assert_eq!(folder("s3://bucket/x", true), None);
        assert_eq!(folder("/data/x", false), None, "another scheme is the default");
    }

    #[test]
    fn a_volume_counts_where_it_is_mounted() {
        let with = |mount: &str, volume: Value| {
            let container =
                json!({"name": "flink-main-container", "volumeMounts": [{"name": "v", "mountPath": mount}]});
            let mut volume = volume;
            volume["name"] = json!("v");
            let deployment =
                json!({"podTemplate": {"spec": {"volumes": [volume], "containers": [container]}}});
            Lost::of(&deployment, "/data/x")
        };
        let claim = || json!({"persistentVolumeClaim": {"claimName": "c"}});
        assert_eq!(with("/data", claim()), None);
        assert_eq!(with("/data/", claim()), None);
        assert_eq!(with("/data/x", claim()), None);
        assert_eq!(with("/dat", claim()), Some(Lost::NoVolume));
        assert_eq!(with("/data", json!({"emptyDir": {}})), Some(Lost::EmptyDir));
        assert_eq!(with("/data", json!({"hostPath": {"path": "/x"}})), Some(Lost::HostPath));
        assert_eq!(with("/data", json!({"nfs": {"server": "s", "path": "/x"}})), None);
        assert_eq!(Lost::of(&json!({}), "/data/x"), Some(Lost::NoVolume));
    }
}
