//! The files of `init`: nothing that is there is overwritten, and passwords are for their owner only.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::base::read_text;
use crate::config::Secret;

/// # Errors
/// It cannot be made.
pub(super) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Writes a password as the first line of a file that only its owner may read. One that holds it already stays.
///
/// # Errors
/// The file cannot be written, or holds another password.
pub(super) fn password(path: &Path, password: &Secret) -> anyhow::Result<()> {
    if path.symlink_metadata().is_ok() {
        let there = read_text(path).with_context(|| format!("cannot read {}", path.display()))?;
        if there.lines().next() == Some(password.expose()) {
            return Ok(());
        }
        bail!("{} holds another password and is not overwritten; move it away", path.display());
    }
    if let Some(folder) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    create(path, 0o600, &format!("{}\n", password.expose()))
}

/// Writes a file that is not there yet.
///
/// # Errors
/// It is there, or cannot be written.
pub(super) fn create(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    made.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_password_is_for_its_owner_and_never_replaced() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("secrets/gate.password");
        let secret = |text: &str| Secret::new(text.to_owned());
        password(&path, &secret("one")).expect("written");
        password(&path, &secret("one")).expect("there");
        let error = format!("{:#}", password(&path, &secret("two")).expect_err("another"));
        assert!(
            error.contains("gate.password") && !error.contains("one") && !error.contains("two"),
            "{error}"
        );
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&path).expect("text"), "one\n");
    }
}
