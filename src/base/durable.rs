//! Writes files that survive a power cut.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Ending of a file that is still being written.
pub const UNFINISHED: &str = "part";

/// Replaces the file at `path`, or creates it. Its folder must exist.
///
/// When this returns `Ok`, the new content and its name are on the disk. A crash or a power cut before that
/// leaves the old file whole, or no file if there was none, and perhaps an unfinished file beside it. Two
/// threads must not replace the same file at the same time.
///
/// # Errors
/// The unfinished file cannot be written or renamed. It is removed then, and the old file stays.
pub fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(path);
    // Made new: a link under this name would lead to a file of somebody else.
    let written = remove_if_there(&unfinished)
        .and_then(|()| File::create_new(&unfinished))
        .and_then(|mut file| file.write_all(content));
    written.and_then(|()| finish_file(&unfinished, path)).inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Gives a completely written file its final name, with the guarantee of [`replace_file`]. Both names must be
/// in the same file system.
///
/// # Errors
/// The file cannot be flushed or renamed.
pub fn finish_file(unfinished: &Path, path: &Path) -> io::Result<()> {
    File::open(unfinished)?.sync_all()?;
    fs::rename(unfinished, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Writes the names in a folder to the disk. Without this, a power cut can undo a rename or lose a new file.
///
/// # Errors
/// The folder cannot be opened or flushed. An empty path is the current folder.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

/// Where [`replace_file`] writes the new content of `path`: `name.part` beside it.
pub fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(UNFINISHED);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_unfinished_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("state.json");
        fs::write(dir.path().join("state.json.part"), b"left by a crash").expect("written");
        for content in [&b"first"[..], b"second"] {
            replace_file(&path, content).expect("replaced");
            assert_eq!(fs::read(&path).expect("there"), content);
        }
        assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 1);
    }

    #[test]
    fn a_failure_keeps_the_old_file_and_removes_the_new_one() {
        let dir = tempfile::tempdir().expect("a folder");
        // A folder that is not empty cannot be replaced by a file.
        let path = dir.path().join("taken");
        fs::create_dir_all(path.join("inside")).expect("made");
        replace_file(&path, b"new").expect_err("refused");
        assert!(path.join("inside").is_dir());
        assert_eq!(fs::read_dir(dir.path()).expect("there").count(), 1);
        replace_file(&dir.path().join("nowhere/file"), b"new").expect_err("no folder");
    }

    #[test]
    fn a_bare_name_is_in_the_current_folder() {
        sync_folder(Path::new("file").parent().expect("an empty path")).expect("flushed");
        assert_eq!(unfinished(Path::new("/a/b.json")), Path::new("/a/b.json.part"));
    }
}
