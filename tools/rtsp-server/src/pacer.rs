//! One thread that sends every path with a client its next access unit when it is due.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::clip::{Clip, Unit};

/// Deliberate faults of a path.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    pub stall: bool,
    pub drop_keys: bool,
    /// Share of access units in which bytes are flipped, 0..1.
    pub corrupt: f64,
    /// Share of RTP bursts (one NAL unit each, or its fragments) that never leave, 0..1.
    pub lose: f64,
}

pub struct Pacer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    players: HashMap<u64, Player>,
    next_id: u64,
    clips: HashMap<String, Arc<Clip>>,
    /// Which clip a path plays instead of its own.
    switched: HashMap<String, Arc<Clip>>,
    everywhere: Faults,
    faults: HashMap<String, Faults>,
    random: u64,
}

struct Player {
    path: String,
    clip: Arc<Clip>,
    source: gst_app::AppSrc,
    next: usize,
    /// Running time at which the clip's own time zero would have been played, this round.
    zero: Option<gst::ClockTimeDiff>,
}

/// How often the clock of a starting media is polled, and the finest step of pacing.
const TICK: Duration = Duration::from_millis(5);

impl Pacer {
    pub fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = shared.clone();
        // Ends with the process: it holds nothing that needs closing.
        std::thread::Builder::new().name("pacer".into()).spawn(move || thread.run())?;
        Ok(Self { shared })
    }

    /// Registers a clip by name, for [`Pacer::switch`].
    pub fn add_clip(&self, name: &str, clip: Arc<Clip>) {
        self.shared.lock().clips.insert(name.to_owned(), clip);
    }

    /// Plays `clip` from unit `first` into `source` until [`Pacer::end`].
    pub fn play(&self, path: &str, clip: Arc<Clip>, first: usize, source: gst_app::AppSrc) -> u64 {
        let mut state = self.shared.lock();
        let switched = state.switched.get(path).cloned();
        let (clip, first) = switched.map_or((clip, first), |other| (other, 0));
        source.set_caps(Some(&clip.caps));
        let id = state.next_id;
        state.next_id += 1;
        state.players.insert(id, Player { path: path.to_owned(), clip, source, next: first, zero: None });
        self.shared.changed.notify_all();
        id
    }

    pub fn end(&self, id: u64) {
        self.shared.lock().players.remove(&id);
    }

    /// Whether to drop the path's next RTP burst.
    pub fn loses(&self, path: &str) -> bool {
        let mut state = self.shared.lock();
        let share = state.faults.get(path).unwrap_or(&state.everywhere).lose;
        chance(&mut state.random, share)
    }

    /// Changes the faults of one path, or of all with `None`.
    pub fn fault(&self, path: Option<&str>, change: impl Fn(&mut Faults)) {
        let mut state = self.shared.lock();
        match path {
            Some(path) => change(state.faults.entry(path.to_owned()).or_default()),
            None => {
                change(&mut state.everywhere);
                state.faults.values_mut().for_each(change);
            }
        }
        self.shared.changed.notify_all();
    }

    /// Plays the clip of another stream under `path` from now on; false if either is unknown.
    pub fn switch(&self, path: &str, clip: &str) -> bool {
        let mut state = self.shared.lock();
        let Some(clip) = state.clips.get(clip).cloned() else { return false };
        for player in state.players.values_mut().filter(|p| p.path == path) {
            player.source.set_caps(Some(&clip.caps));
            player.clip = clip.clone();
            player.next = 0;
            player.zero = None;
        }
        state.switched.insert(path.to_owned(), clip);
        true
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            let wait = state.step();
            self.changed.wait_for(&mut state, wait);
        }
    }
}

impl State {
    /// Sends everything that is due. Returns the time of the next call.
    fn step(&mut self) -> Duration {
        let mut wait = Duration::from_secs(1);
        for player in self.players.values_mut() {
            let faults = self.faults.get(&player.path).copied().unwrap_or(self.everywhere);
            loop {
                let (Some(due), Some(now)) = (player.due(), player.source.current_running_time()) else {
                    wait = wait.min(TICK);
                    break;
                };
                if due > now {
                    wait = wait.min(Duration::from_nanos((due - now).nseconds()).max(TICK));
                    break;
                }
                player.give(faults, &mut self.random);
            }
        }
        wait
    }
}

impl Player {
    /// Running time at which the next unit is due; `None` while the media has no running clock.
    fn due(&mut self) -> Option<gst::ClockTime> {
        // Before that, the clock may be set without its base time, and the running time would be years.
        if self.source.current_state() != gst::State::Playing {
            return None;
        }
        let now = self.source.current_running_time()?;
        let unit = &self.clip.units[self.next];
        let zero = *self.zero.get_or_insert_with(|| difference(now, unit.dts));
        Some(at(zero, unit.dts))
    }

    fn give(&mut self, faults: Faults, random: &mut u64) {
        let unit = &self.clip.units[self.next];
        let left_out = faults.stall || (faults.drop_keys && unit.key);
        if let (Some(zero), false) = (self.zero, left_out) {
            let buffer = timed(unit, zero, chance(random, faults.corrupt).then_some(&mut *random));
            // A media in shutdown refuses the unit; it ends right after.
            let _ = self.source.push_buffer(buffer);
        }
        self.next += 1;
        if self.next == self.clip.units.len() {
            self.next = 0;
            let round = i64::try_from(self.clip.duration.nseconds()).unwrap_or(0);
            self.zero = self.zero.map(|zero| zero + round);
        }
    }
}

/// The unit with its times in this round; with `flip`, some bytes are changed, lengths and headers among
/// them.
fn timed(unit: &Unit, zero: gst::ClockTimeDiff, flip: Option<&mut u64>) -> gst::Buffer {
    let mut buffer = if flip.is_some() {
        unit.buffer.copy_deep().unwrap_or_else(|_| unit.buffer.clone())
    } else {
        unit.buffer.clone()
    };
    let edit = buffer.make_mut();
    edit.set_pts(at(zero, unit.pts));
    edit.set_dts(at(zero, unit.dts));
    if let (Some(random), Ok(mut map)) = (flip, edit.map_writable()) {
        let bytes = map.as_mut_slice();
        for _ in 0..8 {
            let place = next(random) as usize % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << (next(random) % 8);
            }
        }
    }
    buffer
}

fn difference(now: gst::ClockTime, dts: gst::ClockTime) -> gst::ClockTimeDiff {
    now.nseconds() as i64 - dts.nseconds() as i64
}

fn at(zero: gst::ClockTimeDiff, offset: gst::ClockTime) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(u64::try_from(zero + offset.nseconds() as i64).unwrap_or(0))
}

fn chance(random: &mut u64, share: f64) -> bool {
    share > 0.0 && (next(random) % 10_000) as f64 / 10_000.0 < share
}

/// splitmix64 (Steele, Lea, Flood 2014): the same faults on every run.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
