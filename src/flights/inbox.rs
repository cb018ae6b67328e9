//! The folder for dropped flights: which are complete, what they contain, and where they go afterwards.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

use crate::base::{WallTime, monotonic, wall};

/// Endings that copy programs give to unfinished files.
const UNFINISHED: [&str; 3] = ["part", "filepart", "tmp"];
/// Folders next to the flights for the results.
pub(crate) const DONE: &str = "done";
pub(crate) const FAILED: &str = "failed";

/// A flight in the folder: a folder of pictures, or a mosaic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dropped {
    pub name: String,
    pub path: PathBuf,
    /// Modification time of its newest file, used as the time of the flight.
    pub at: WallTime,
}

/// Name, size and time of each file.
type Stamp = Vec<(PathBuf, u64, SystemTime)>;

/// The content of the folder at the last poll, and since when each flight is unchanged.
#[derive(Default)]
pub(crate) struct Inbox {
    seen: BTreeMap<PathBuf, (Stamp, Instant)>,
    /// Failed flights that could not be moved; ignored until they change.
    stuck: BTreeMap<PathBuf, Stamp>,
}

impl Inbox {
    /// Returns the complete flights, oldest first, and the number of all flights.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn poll(&mut self, folder: &Path, settle: Duration) -> io::Result<(Vec<Dropped>, usize)> {
        let mut found = BTreeMap::new();
        let mut ready = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if !is_flight(&path) {
                continue;
            }
            // A flight that is just being removed is checked again at the next poll.
            let Ok(stamp) = stamp(&path) else { continue };
            if stamp.is_empty() || self.stuck.get(&path) == Some(&stamp) {
                continue;
            }
            let since = match self.seen.remove(&path) {
                Some((before, since)) if before == stamp => since,
                _ => monotonic(),
            };
            let whole = !stamp.iter().any(|(file, ..)| is_unfinished(file));
            if whole && since.elapsed() >= settle {
                let newest = stamp.iter().map(|(_, _, at)| *at).max().unwrap_or(SystemTime::UNIX_EPOCH);
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                ready.push(Dropped { name, path: path.clone(), at: wall(newest) });
            }
            found.insert(path, (stamp, since));
        }
        let all = found.len();
        self.seen.retain(|path, _| path.parent() != Some(folder));
        self.seen.extend(found);
        ready.sort_by(|a, b| (a.at, &a.name).cmp(&(b.at, &b.name)));
        Ok((ready, all))
    }

    /// Ignores the flight from now on, until it changes.
    pub fn leave(&mut self, flight: &Dropped) {
        if let Ok(stamp) = stamp(&flight.path) {
            self.stuck.insert(flight.path.clone(), stamp);
        }
    }
}

fn is_flight(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let apart = name.starts_with('.') || name == DONE || name == FAILED || is_unfinished(path);
    !apart && (path.is_dir() || has_ending(path, &["tif", "tiff"]))
}

fn is_unfinished(path: &Path) -> bool {
    has_ending(path, &UNFINISHED)
}

pub(crate) fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|e| endings.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

/// The files of a flight, by name, without those in subfolders.
pub(crate) fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        if file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let stamp = |file: PathBuf| {
        let known = fs::metadata(&file)?;
        Ok((file, known.len(), known.modified()?))
    };
    files(path)?.into_iter().map(stamp).collect()
}

/// Identifies a flight by its content: a hash of the names and contents of its files.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn digest(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    for file in files(path)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        hash.update(name.len().to_be_bytes());
        hash.update(&name);
        let mut content = File::open(&file)?;
        hash.update(content.metadata()?.len().to_be_bytes());
        loop {
            let n = content.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            hash.update(&buffer[..n]);
        }
    }
    Ok(hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect())
}

/// Copies the files of a flight into the node's own folder, durably. On the same file system it uses hard
/// links, which take no space.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn copy_in(flight: &Path, into: &Path) -> io::Result<()> {
    if into.exists() {
        fs::remove_dir_all(into)?;
    }
    fs::create_dir_all(into)?;
    for file in files(flight)? {
        // Use the same lossy name as the rest of the program, whatever its bytes.
        let place = into.join(&*file.file_name().unwrap_or_default().to_string_lossy());
        // A hard link to a symlink would be a symlink.
        if file.is_symlink() || fs::hard_link(&file, &place).is_err() {
            fs::copy(&file, &place)?;
        }
        File::open(&place)?.sync_all()?;
    }
    File::open(into)?.sync_all()
}

/// Removes a finished flight and leaves its summary.
pub(crate) fn finish(flight: &Dropped, words: &str) {
    note(flight, DONE, words);
    let removed =
        if flight.path.is_dir() { fs::remove_dir_all(&flight.path) } else { fs::remove_file(&flight.path) };
    if let Err(error) = removed {
        tracing::warn!(flight = %flight.path.display(), "the flight was compared but cannot be removed: {error}");
    }
}

/// Moves an unusable flight into `failed`, with the reason next to it.
///
/// # Errors
/// It cannot be moved; it stays where it is.
pub(crate) fn put_aside(flight: &Dropped, reason: &str) -> io::Result<PathBuf> {
    let folder = flight.path.with_file_name(FAILED);
    fs::create_dir_all(&folder)?;
    let free = |n: &u32| !folder.join(numbered(&flight.name, *n)).exists();
    let place = folder.join(numbered(&flight.name, (0..).find(free).unwrap_or_default()));
    fs::rename(&flight.path, &place)?;
    note(
        &Dropped {
            name: place.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            ..flight.clone()
        },
        FAILED,
        reason,
    );
    Ok(place)
}

fn numbered(name: &str, n: u32) -> String {
    if n == 0 { name.to_owned() } else { format!("{n}-{name}") }
}

fn note(flight: &Dropped, folder: &str, words: &str) {
    let folder = flight.path.with_file_name(folder);
    let path = folder.join(format!("{}.txt", flight.name));
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, format!("{words}\n")));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), "the summary of a flight cannot be written: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flight_is_taken_when_nothing_of_it_changes_any_more() {
        let dir = tempfile::tempdir().expect("a folder");
        let flight = dir.path().join("may");
        fs::create_dir(&flight).expect("a folder");
        let mut inbox = Inbox::default();
        let mut names = |settle: u64| {
            let (ready, all) = inbox.poll(dir.path(), Duration::from_secs(settle)).expect("polled");
            (ready.into_iter().map(|f| f.name).collect::<Vec<_>>(), all)
        };
        assert_eq!(names(0), (vec![], 0), "an empty folder is no flight yet");
        fs::write(flight.join("a.jpg"), b"1").expect("written");
        assert_eq!(names(3600), (vec![], 1));
        assert_eq!(names(0), (vec!["may".to_owned()], 1));
        for unfinished in ["june.part", ".hidden", "done", "failed"] {
            fs::create_dir(dir.path().join(unfinished)).expect("a folder");
            fs::write(dir.path().join(unfinished).join("a.jpg"), b"1").expect("written");
        }
        fs::write(dir.path().join("notes.txt"), b"1").expect("written");
        // Two files written one after the other may have the same time.
        let first = fs::File::options().write(true).open(flight.join("a.jpg")).expect("there");
        let earlier = first.metadata().and_then(|m| m.modified()).expect("a time") - Duration::from_secs(10);
        first.set_modified(earlier).expect("set");
        fs::write(dir.path().join("july.TIF"), b"1").expect("written");
        let later = fs::metadata(flight.join("a.jpg")).and_then(|m| m.modified()).expect("a time")
            + Duration::from_secs(60);
        let july = File::options().write(true).open(dir.path().join("july.TIF")).expect("a file");
        july.set_modified(later).expect("its time");
        assert_eq!(names(0), (vec!["may".to_owned(), "july.TIF".to_owned()], 2), "by time, then by name");
        fs::write(flight.join("b.jpg.filepart"), b"1").expect("written");
        assert_eq!(names(0).0, ["july.TIF"], "a file of it is still being copied");
    }

    #[test]
    fn it_is_known_by_what_it_holds_and_goes_where_it_belongs() {
        let dir = tempfile::tempdir().expect("a folder");
        let flight = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            fs::create_dir(&path).expect("a folder");
            fs::write(path.join("a.jpg"), content).expect("written");
            Dropped { name: name.to_owned(), path, at: WallTime(0) }
        };
        let (a, b, c) = (flight("a", b"x"), flight("b", b"x"), flight("c", b"y"));
        let of = |flight: &Dropped| digest(&flight.path).expect("a digest");
        assert_eq!(of(&a), of(&b));
        assert_ne!(of(&a), of(&c));
        let kept = dir.path().join("kept");
        copy_in(&a.path, &kept).expect("taken");
        finish(&a, "compared");
        assert!(!a.path.exists());
        assert_eq!(fs::read(kept.join("a.jpg")).expect("kept"), b"x");
        assert_eq!(fs::read_to_string(dir.path().join("done/a.txt")).expect("words"), "compared\n");
        put_aside(&b, "torn").expect("moved");
        let again = flight("b", b"z");
        assert!(put_aside(&again, "torn again").expect("moved").ends_with("failed/1-b"));
        assert_eq!(fs::read_to_string(dir.path().join("failed/1-b.txt")).expect("words"), "torn again\n");
        assert!(dir.path().join("failed/b/a.jpg").exists());
    }
}
