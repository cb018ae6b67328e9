//! The state of an area between flights: the pictures of the last accepted flight, and the open events.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::inbox::{files, has_ending};
use crate::base::{AreaId, WallTime};
use crate::compare::{BaselinePatch, Shot, StillTable, TableError, Unusable, load};
use crate::config::DroneConfig;
use crate::geo::{Dem, EventPlace, GroundArea};
use crate::rules::Violation;

/// Prefix of every area's key in the outbox's state.
pub(crate) const PREFIX: &str = "flights/";
/// How many earlier flights are recognised when they are dropped again.
const MAX_TAKEN: usize = 200;

/// The whole state, stored as one record of the outbox.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AreaState {
    /// Pictures of the last accepted flight, and of earlier ones where it shows no ground.
    pub pictures: Vec<KeptPicture>,
    pub events: Vec<OpenEvent>,
    /// Digests of accepted flights, oldest first.
    pub taken: Vec<String>,
}

/// A picture to compare with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptPicture {
    /// Digest of its flight, which is also the name of its folder.
    pub digest: String,
    pub file: String,
    pub flight: FlightInfo,
    /// Its patches of ground before the open events.
    #[serde(rename = "looks")]
    pub patches: Vec<KeptPatch>,
}

/// A flight as shown to people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FlightInfo {
    pub name: String,
    pub at: WallTime,
}

/// A part of a picture as it looked before an event that is still open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptPatch {
    pub event: Uuid,
    /// Path within the area's folder.
    pub file: String,
    pub rect: [f64; 4],
}

/// An event as it was last reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenEvent {
    pub violation: Violation,
    pub place: Option<EventPlace>,
    pub ground: Option<GroundArea>,
}

impl AreaState {
    pub fn key(area: &AreaId) -> String {
        format!("{PREFIX}{area}")
    }

    pub fn stored(&self, area: &AreaId) -> (String, Option<Vec<u8>>) {
        (Self::key(area), serde_json::to_vec(self).ok())
    }

    pub fn took(&mut self, digest: &str) {
        self.taken.push(digest.to_owned());
        let over = self.taken.len().saturating_sub(MAX_TAKEN);
        self.taken.drain(..over);
    }

    /// The pictures to compare with, each with its number here.
    ///
    /// # Errors
    /// A stored table of places can no longer be read.
    pub fn shots(
        &self,
        folder: &Path,
        drone: &DroneConfig,
        dem: Option<&Arc<Dem>>,
    ) -> Result<Vec<(usize, Shot)>, TableError> {
        let digests: BTreeSet<&str> = self.pictures.iter().map(|kept| kept.digest.as_str()).collect();
        let mut shots = Vec::new();
        for digest in digests {
            let (mut found, lost) = flight_shots(&folder.join(digest), drone, dem)?;
            for Unusable { name, why } in lost {
                tracing::warn!(picture = name, "a picture of the last accepted flight is lost: {why}");
            }
            for (n, kept) in self.pictures.iter().enumerate().filter(|(_, kept)| kept.digest == digest) {
                let Some(i) = found.iter().position(|shot| shot.name == kept.file) else { continue };
                let mut shot = found.swap_remove(i);
                let patch = |kept: &KeptPatch| BaselinePatch {
                    event: kept.event,
                    path: folder.join(&kept.file),
                    rect: kept.rect,
                };
                shot.patches = kept.patches.iter().map(patch).collect();
                shots.push((n, shot));
            }
        }
        shots.sort_by_key(|(n, _)| *n);
        Ok(shots)
    }

    /// Deletes the stored pictures and patches that nothing needs any more.
    pub fn tidy(&self, folder: &Path) {
        let kept: BTreeSet<PathBuf> = self
            .pictures
            .iter()
            .flat_map(|kept| {
                let patches = kept.patches.iter().map(|patch| folder.join(&patch.file));
                patches.chain([folder.join(&kept.digest).join(&kept.file)])
            })
            .collect();
        for inner in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            let all = files(&inner).unwrap_or_default();
            let (stay, go): (Vec<&PathBuf>, Vec<&PathBuf>) =
                all.iter().partition(|file| kept.contains(*file));
            let removed = match stay.is_empty() {
                true => fs::remove_dir_all(&inner),
                // Tables stay with their pictures.
                false => go.iter().filter(|file| !has_ending(file, &["csv"])).try_for_each(fs::remove_file),
            };
            if let Err(error) = removed {
                tracing::warn!(folder = %inner.display(), "pictures of an old flight are not deleted: {error}");
            }
        }
    }
}

/// The pictures of a flight with their places, from the tables next to them and their own XMP and EXIF.
///
/// # Errors
/// A table of places is invalid.
pub(crate) fn flight_shots(
    folder: &Path,
    drone: &DroneConfig,
    dem: Option<&Arc<Dem>>,
) -> Result<(Vec<Shot>, Vec<Unusable>), TableError> {
    let mut table = StillTable::default();
    for path in files(folder).unwrap_or_default().iter().filter(|path| has_ending(path, &["csv"])) {
        table.read(path)?;
    }
    Ok(load(folder, &table, drone, dem))
}

/// The folder of an area's pictures.
pub(crate) fn area_folder(data_dir: &Path, area: &AreaId) -> PathBuf {
    data_dir.join("flights").join(area.as_str())
}
