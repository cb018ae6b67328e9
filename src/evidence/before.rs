//! Earlier pictures of a place: the newest few of each camera, and one from before each lasting change.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::{WallTime, replace_file};
use crate::decode::Picture;
use crate::scene::BeforePicture;

/// Number of newest pictures that always stay, for each light.
const NEWEST: usize = 4;
const QUALITY: i32 = 88;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct EarlierPicture {
    at: WallTime,
    infrared: bool,
    path: PathBuf,
}

/// Keeps a picture that a scene requests, and deletes pictures that no event needs.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn keep(picture: &Picture, wanted: &BeforePicture) -> std::io::Result<()> {
    store(&wanted.dir, picture, wanted.infrared)?;
    thin(&wanted.dir, &wanted.needed)
}

fn store(dir: &Path, picture: &Picture, infrared: bool) -> std::io::Result<()> {
    fs::create_dir_all(dir)?;
    let rgb = picture.rgb();
    let (width, height) = (picture.width as usize, picture.height as usize);
    let format = turbojpeg::PixelFormat::RGB;
    let image = turbojpeg::Image { pixels: &rgb[..], width, pitch: width * 3, height, format };
    let jpeg =
        turbojpeg::compress(image, QUALITY, turbojpeg::Subsamp::Sub2x2).map_err(std::io::Error::other)?;
    let light = if infrared { "night" } else { "day" };
    let path = dir.join(format!("{}-{light}.jpg", picture.capture.at.0));
    replace_file(&path, &jpeg)
}

/// Deletes pictures that no event needs. `needed` has the start of each lasting change.
fn thin(dir: &Path, needed: &[WallTime]) -> std::io::Result<()> {
    for infrared in [false, true] {
        let mut kept: Vec<EarlierPicture> =
            list(dir)?.into_iter().filter(|k| k.infrared == infrared).collect();
        kept.sort();
        let newest = kept.len().saturating_sub(NEWEST);
        let wanted: Vec<Option<usize>> =
            needed.iter().map(|first| kept.iter().rposition(|k| k.at < *first)).collect();
        for (i, old) in kept.iter().enumerate().take(newest) {
            if !wanted.contains(&Some(i)) {
                fs::remove_file(&old.path)?;
            }
        }
    }
    Ok(())
}

/// The newest picture before a time, of the same light if there is one.
pub(crate) fn before(dir: &Path, first_seen: WallTime, infrared: bool) -> Option<(WallTime, PathBuf)> {
    let older = list(dir).ok()?.into_iter().filter(|k| k.at < first_seen);
    older.max_by_key(|k| (k.infrared == infrared, k.at)).map(|k| (k.at, k.path))
}

/// Whether the picture has no colour, judged by every 97th pixel.
pub(crate) fn is_infrared(picture: &Picture) -> bool {
    let rgb = picture.rgb();
    let (mut n, mut apart) = (0u64, 0u64);
    for p in rgb.chunks_exact(3).step_by(97) {
        n += 1;
        apart += u64::from(p[0].abs_diff(p[1]).max(p[1].abs_diff(p[2])));
    }
    apart < 2 * n
}

fn list(dir: &Path) -> std::io::Result<Vec<EarlierPicture>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".jpg"))
        else {
            continue;
        };
        if let Some((at, light)) = name.rsplit_once('-')
            && let Ok(at) = at.parse()
        {
            found.push(EarlierPicture { at: WallTime(at), infrared: light == "night", path });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<i64> {
        let mut found: Vec<i64> = list(dir).expect("folder").iter().map(|k| k.at.0).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn the_newest_and_those_from_before_a_change_stay() {
        let place = tempfile::tempdir().expect("a folder");
        for at in 1..=10 {
            fs::write(place.path().join(format!("{at}-day.jpg")), b"x").expect("written");
        }
        fs::write(place.path().join("3-night.jpg"), b"x").expect("written");
        fs::write(place.path().join("place.bin"), b"x").expect("written");
        thin(place.path(), &[WallTime(4)]).expect("thinned");
        assert_eq!(names(place.path()), [3, 3, 7, 8, 9, 10]);
        let of = |first, infrared| before(place.path(), WallTime(first), infrared).map(|k| k.1);
        assert_eq!(of(4, false), Some(place.path().join("3-day.jpg")));
        assert_eq!(of(9, true), Some(place.path().join("3-night.jpg")), "the same light first");
        assert_eq!(of(1, false), None);
    }
}
