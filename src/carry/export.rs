//! Writes what waits on a node to a folder.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::layout::{Carried, CarriedFile, CarriedMessage, CarryError, write_lines};
use super::words::bring_words;
use crate::base::{finish_file, unfinished};
use crate::outbox::{OutMedia, Outbox};

/// What lies in the folder afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportReport {
    pub messages: u64,
    pub files: u64,
    pub file_bytes: u64,
    /// Records that the platform has confirmed in this folder; the node lets them go.
    pub confirmed: u64,
    /// Files for which there was no room.
    pub no_room: u64,
    /// Files that are gone or changed on the node, which tells the platform itself.
    pub gone: u64,
}

/// Brings the platform's words from `folder` to the node, and writes everything there that still waits, the
/// messages first and then the oldest files. The node may run meanwhile.
///
/// # Errors
/// The outbox, or the folder; a folder without room for all files is no error.
pub fn export(data_dir: &Path, node: &str, folder: &Path) -> Result<ExportReport, CarryError> {
    let carried = Carried::of(folder, node);
    fs::create_dir_all(carried.dir()).map_err(CarryError::io("make", carried.dir()))?;
    let words = bring_words(&carried.confirmed(), data_dir)?;
    let known: HashSet<_> = words.iter().map(|word| (&word.sha256, &word.file)).collect();
    let is_known = |sha256: String, file: Option<(Uuid, String)>| known.contains(&(&sha256, &file));
    let mut report = ExportReport { confirmed: words.len() as u64, ..ExportReport::default() };

    let waiting = Outbox::look_into(data_dir, &carried.dir().join(".outbox"))?;
    let messages: Vec<CarriedMessage> = waiting
        .messages
        .into_iter()
        // An answer goes to who has asked, which is nobody here.
        .filter(|message| message.reply_to.is_none())
        .filter(|message| !is_known(format!("{:x}", Sha256::digest(&message.payload)), None))
        .filter_map(|m| Some(CarriedMessage { topic: m.topic, payload: String::from_utf8(m.payload).ok()? }))
        .collect();
    report.messages = messages.len() as u64;
    write_lines(&carried.messages(), messages.into_iter())?;

    let files: Vec<OutMedia> = waiting
        .media
        .into_iter()
        .filter(|media| !is_known(media.sha256.clone(), Some((media.event, media.kind.clone()))))
        .collect();
    tidy(&carried, &files)?;
    let mut there = Vec::new();
    for media in &files {
        let Some(line) = line(media) else { continue };
        let Some(target) = carried.file(&line) else { continue };
        match copy(&media.path, &target, &line) {
            Ok(true) => {
                report.files += 1;
                report.file_bytes += line.bytes;
                there.push(line);
            }
            Ok(false) => report.gone += 1,
            Err(CarryError::Io { source, .. }) if is_full(&source) => report.no_room += 1,
            Err(e) => return Err(e),
        }
    }
    write_lines(&carried.files(), there.into_iter())?;
    Ok(report)
}

fn line(media: &OutMedia) -> Option<CarriedFile> {
    Some(CarriedFile {
        event: media.event,
        kind: media.kind.clone(),
        file: media.path.file_name()?.to_str()?.to_owned(),
        media_type: media.media_type.clone(),
        bytes: media.bytes,
        sha256: media.sha256.clone(),
    })
}

/// Makes room first: files of the last time that nobody waits for any more.
fn tidy(carried: &Carried, files: &[OutMedia]) -> Result<(), CarryError> {
    let mut wanted: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
    for line in files.iter().filter_map(line) {
        wanted.entry(line.event.to_string()).or_default().extend(carried.file(&line));
    }
    for dir in entries(&carried.files_dir())? {
        let keep = dir.file_name().and_then(|name| wanted.get(name.to_str()?));
        let Some(keep) = keep else {
            fs::remove_dir_all(&dir).map_err(CarryError::io("remove", &dir))?;
            continue;
        };
        for file in entries(&dir)?.into_iter().filter(|file| !keep.contains(file)) {
            fs::remove_file(&file).map_err(CarryError::io("remove", &file))?;
        }
    }
    Ok(())
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, CarryError> {
    match fs::read_dir(dir) {
        Ok(entries) => Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(CarryError::io("read", dir)(e)),
    }
}

/// Copies a file unless it is there already. False if it is gone or another one than was announced.
fn copy(from: &Path, target: &Path, line: &CarriedFile) -> Result<bool, CarryError> {
    if hash(target).is_ok_and(|found| found == (line.bytes, line.sha256.clone())) {
        return Ok(true);
    }
    let Ok(mut source) = File::open(from) else { return Ok(false) };
    let dir = target.parent().unwrap_or(target);
    fs::create_dir_all(dir).map_err(CarryError::io("make", dir))?;
    let beside = unfinished(target);
    let mut write = || -> io::Result<(u64, String)> {
        let mut out = File::create(&beside)?;
        through(&mut source, |piece| out.write_all(piece))
    };
    let found = write().map_err(|e| {
        drop(fs::remove_file(&beside));
        CarryError::io("write", target)(e)
    })?;
    if found != (line.bytes, line.sha256.clone()) {
        drop(fs::remove_file(&beside));
        return Ok(false);
    }
    finish_file(&beside, target).map_err(CarryError::io("write", target))?;
    Ok(true)
}

fn hash(path: &Path) -> io::Result<(u64, String)> {
    through(&mut File::open(path)?, |_| Ok(()))
}

/// Reads a file once. Returns its size and SHA-256.
fn through(file: &mut File, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<(u64, String)> {
    let (mut hash, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok((bytes, format!("{:x}", hash.finalize())));
        }
        hash.update(&piece[..read]);
        each(&piece[..read])?;
        bytes += read as u64;
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
