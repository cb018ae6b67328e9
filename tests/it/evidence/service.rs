//! The clip thread.

use super::*;

/// A clip service over one camera's ring, and its outcomes.
struct Served {
    data: TempDir,
    ring: Arc<Ring>,
    outcomes: Arc<Mutex<Vec<ClipOutcome>>>,
    shutdown: Shutdown,
    service: ClipService,
}

impl Served {
    fn start(frames: impl IntoIterator<Item = EncodedFrame>, config: &EvidenceConfig) -> Self {
        let (data, ring, shutdown) = (tempfile::tempdir().unwrap(), ring_of(frames), Shutdown::new());
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let (reported, found) = (Arc::clone(&outcomes), Arc::clone(&ring));
        let service = ClipService::start(
            Arc::new(move |camera| (camera.as_str() == "gate").then(|| Arc::clone(&found))),
            config,
            data.path().to_path_buf(),
            Arc::new(move |outcome| reported.lock().push(outcome)),
            shutdown.clone(),
        );
        Self { data, ring, outcomes, shutdown, service: service.expect("started") }
    }

    fn ask(&self, camera: &str, from: u64, to: u64) -> Result<(), EvidenceError> {
        let (from, to) = (after(from), after(to));
        self.service.schedule(ClipRequest { event: event(), camera: CameraId::from(camera), from, to })
    }

    /// The next outcome; waits for it.
    fn outcome(&self) -> ClipOutcome {
        let deadline = monotonic() + Duration::from_secs(60);
        loop {
            if let Some(outcome) = self.outcomes.lock().pop() {
                return outcome;
            }
            assert!(monotonic() < deadline, "no outcome within a minute");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_clip_waits_for_its_last_seconds() {
    let street = street();
    let (before, later) = street.split_at(100);
    let mut late = config();
    late.post_roll = Duration::from_secs(3_600);
    let served = Served::start(before.to_vec(), &late);
    served.ask("gate", 7_000, 12_000).unwrap();
    later[..20].iter().for_each(|f| drop(served.ring.push(f.clone())));
    assert_eq!(served.service.stats().waiting, 1, "11.9 s is not 12 s");
    served.ring.push(later[20].clone());
    let clip = served.outcome().result.expect("cut");
    assert_eq!((clip.starts, clip.ends, clip.ends_early), (after(6_000), after(12_000), false));
    assert_eq!(clip.file.path, event_dir(served.data.path(), event()).join("clip.mp4"));
    assert!(clip.file.path.exists());
    served.shutdown.stop();
    served.service.join();
}

#[test]
fn a_dead_camera_gives_what_it_had_after_the_limit() {
    let served = Served::start(street().into_iter().take(50), &config());
    served.ask("gate", 2_000, 8_000).unwrap();
    let clip = served.outcome().result.expect("cut");
    assert_eq!((clip.starts, clip.ends, clip.ends_early), (after(2_000), after(4_900), true));
    served.shutdown.stop();
    served.service.join();
}

#[test]
fn stopping_cuts_what_waits_and_then_refuses() {
    let mut patient = config();
    patient.post_roll = Duration::from_secs(3_600);
    let served = Served::start(street().into_iter().take(50), &patient);
    for _ in 0..3 {
        served.ask("gate", 2_000, 8_000).unwrap();
    }
    served.shutdown.stop();
    let ends = [(); 3].map(|()| served.outcome().result.expect("cut").ends);
    assert_eq!(ends, [after(4_900); 3]);
    let reported = served.ask("gate", 2_000, 8_000).expect_err("stopping").to_string();
    assert!(reported.contains("the program is stopping"), "{reported}");
    assert_eq!((served.service.stats().cut, served.service.stats().refused), (3, 1));
    served.service.join();
}

#[test]
fn a_clip_that_cannot_be_is_an_outcome_with_its_reason() {
    let served = Served::start(street().into_iter().take(50), &config());
    let why = || served.outcome().result.expect_err("no clip").to_string();
    served.ask("roof", 2_000, 4_000).unwrap();
    assert!(why().contains("camera roof is not running"));
    // As after a restart: the span is older than anything in memory.
    served
        .service
        .schedule(ClipRequest {
            event: event(),
            camera: CameraId::from("gate"),
            from: START - Duration::from_secs(60),
            to: START - Duration::from_secs(50),
        })
        .unwrap();
    let reported = why();
    assert!(reported.contains("it holds 2026-11-22T04:30:00.000Z to 2026-11-22T04:30:04.900Z"), "{reported}");
    assert_eq!((served.service.stats().cut, served.service.stats().failed), (0, 2));
    served.shutdown.stop();
    served.service.join();

    let mut full = config();
    full.min_free_bytes = u64::MAX;
    let served = Served::start(street().into_iter().take(50), &full);
    served.ask("gate", 2_000, 4_000).unwrap();
    let outcome = served.outcome();
    assert!(matches!(outcome.result, Err(EvidenceError::DiskFull { .. })), "{outcome:?}");
    assert!(!evidence_root(served.data.path()).exists(), "nothing is written to a full disk");
    served.shutdown.stop();
    served.service.join();
}

#[test]
fn requests_beyond_the_bound_are_given_back() {
    let mut patient = config();
    patient.post_roll = Duration::from_secs(3_600);
    let served = Served::start(None, &patient);
    let taken = (0..MAX_WAITING + 7).filter(|_| served.ask("gate", 2_000, 8_000).is_ok()).count();
    assert_eq!((taken, served.service.stats().refused), (MAX_WAITING, 7));
    served.shutdown.stop();
    served.service.join();
    assert_eq!(served.outcomes.lock().len(), MAX_WAITING, "each that was taken has an outcome");
}
