//! Detects changed files by polling. This works on every file system, through renames and links, and 200
//! files cost less than a millisecond.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::base::CameraId;
use crate::config::Config;

/// Size, time and inode of a file: a changed content changes one of them. `None`: the file does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) struct Stamp(Option<(u64, i64, i64, u64)>);

impl Stamp {
    fn of(path: &Path) -> Self {
        let stamp = |m: std::fs::Metadata| (m.len(), m.mtime(), m.mtime_nsec(), m.ino());
        Self(std::fs::metadata(path).ok().map(stamp))
    }
}

/// The reader of a file that the config names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::app) enum Named {
    Mqtt,
    Evidence,
    /// All cameras.
    Ground,
    Camera(CameraId),
}

pub(in crate::app) type Stamps = BTreeMap<(Named, PathBuf), Stamp>;

/// The files that stages read by themselves. **A new config key that names a file belongs here** unless the
/// checked config holds its content: else nobody notices a change of the file.
pub(in crate::app) fn stamps(config: &Config) -> Stamps {
    let tls = config.mqtt.tls.iter();
    let tls = tls.flat_map(|tls| [&tls.ca_file, &tls.client_cert_file, &tls.client_key_file]);
    let mut named: Vec<(Named, &Option<PathBuf>)> = tls.map(|file| (Named::Mqtt, file)).collect();
    named.push((Named::Evidence, &config.evidence.font));
    named.push((Named::Ground, &config.map.dem));
    named.extend(config.cameras.iter().map(|c| (Named::Camera(c.id.clone()), &c.calibration)));
    let stamp = |(who, path): (Named, &Option<PathBuf>)| {
        let path = path.clone()?;
        let stamp = Stamp::of(&path);
        Some(((who, path), stamp))
    };
    named.into_iter().filter_map(stamp).collect()
}

/// Polls the files of a config.
pub(in crate::app) struct FileWatch {
    paths: Vec<PathBuf>,
    known: Vec<Stamp>,
    /// The changed stamps of the last poll: the file may still be being written.
    pending: Option<Vec<Stamp>>,
}

impl FileWatch {
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let known = stamp_all(&paths);
        Self { paths, known, pending: None }
    }

    /// True once after a change, when two polls in a row find the same.
    pub fn changed(&mut self) -> bool {
        let now = stamp_all(&self.paths);
        if now == self.known {
            self.pending = None;
            return false;
        }
        if self.pending.as_ref() == Some(&now) {
            self.known = now;
            self.pending = None;
            return true;
        }
        self.pending = Some(now);
        false
    }
}

fn stamp_all(paths: &[PathBuf]) -> Vec<Stamp> {
    paths.iter().map(|path| Stamp::of(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_reported_once_and_only_when_it_has_settled() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("a.toml"), "1").expect("written");
        let mut watch = FileWatch::new(vec![path("a.toml"), path("later.toml"), dir.path().to_owned()]);
        let mut changed_after = |what: &dyn Fn()| {
            what();
            watch.changed()
        };
        assert!(!changed_after(&|| {}));
        assert!(!changed_after(&|| std::fs::write(path("a.toml"), "12").expect("written")));
        assert!(
            !changed_after(&|| std::fs::write(path("a.toml"), "123").expect("written")),
            "still being written"
        );
        assert!(changed_after(&|| {}));
        assert!(!changed_after(&|| {}));
        // As an editor or a package does it: a new file under the old name.
        std::fs::write(path("a.new"), "456").expect("written");
        std::fs::rename(path("a.new"), path("a.toml")).expect("renamed");
        assert!(!watch.changed());
        assert!(watch.changed());
        std::fs::write(path("later.toml"), "x").expect("written");
        assert!(!watch.changed());
        assert!(watch.changed());
        std::fs::remove_file(path("later.toml")).expect("removed");
        assert!(!watch.changed());
        assert!(watch.changed());
    }
}
