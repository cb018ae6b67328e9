//! A real disk that is too small.

use super::stills::{noise, picture, violation, write, zone_of_beijing};
use super::*;

/// The mount, unmounted at the end; `None` where this user may not mount, and then the test says that it is
/// skipped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(test: &str) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        let run = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "lintel-test"])
            .arg(place.path())
            .output();
        if run.is_ok_and(|r| r.status.success()) {
            return Some(Self(place));
        }
        crate::support::skipped(test, "mounting a small tmpfs needs root");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_disk_that_fills_while_cutting_is_an_error_and_leaves_nothing() {
    let Some(disk) = SmallDisk::mount("a_disk_that_fills_while_cutting") else { return };
    let free = free_bytes(disk.0.path()).unwrap();
    let dir = event_dir(disk.0.path(), event());
    let span = ring_of(street()).clip(after(10_000), after(40_000)).unwrap();
    let error = error_chain(&ClipCutter::new().unwrap().cut(&span, &dir).expect_err("no room"));
    assert!(error.to_lowercase().contains("space"), "{error}");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    assert!(
        free - free_bytes(disk.0.path()).unwrap() <= 16_384,
        "all room is given back but that of the folders"
    );

    let mut config = config();
    config.min_free_bytes = 0;
    let writer = StillWriter::new(&config, zone_of_beijing()).unwrap();
    let noise = Picture { pixels: Pixels::Rgb(noise(1920, 1080)), width: 1920, height: 1080, ..picture() };
    let stills = write(&writer, &dir, &violation(Transition::Opened), &noise);
    assert_eq!((stills.files.len(), stills.missing.len()), (0, 2), "{stills:?}");
    assert!(stills.missing[0].reason.contains("still.jpg.part"), "{stills:?}");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
}
