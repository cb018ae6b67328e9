//! The one clock of a camera, over all its connections. Input: media times of frames, sender reports,
//! readings of the node's clocks. Output: capture times that run as evenly as the stream, and notes about the
//! clocks.
//!
//! Capture times approach another clock by a slew and never jump to it. Pure: the caller reads the clocks.
//! docs/design/clock.md has the reasons.

mod doubt;
mod line;
mod node;
mod note;
mod reading;
mod sender;

use std::time::{Duration, Instant};

pub(super) use note::Note;
pub(super) use reading::Reading;

use line::{Line, slewed};
use node::{Moved, NodeClock};
use reading::{STEP_US, signed_us};
use sender::{Heard, SenderClock, Witness};

use super::timing::RepairedPts;
use crate::base::{Capture, CaptureClock, KernelClock, MediaTime, TimeSource, WallTime};

/// A report whose RTP time is further from that of the stream is ignored.
const STRAY_US: i64 = 10_000_000;
/// Capture times are at most this much later than the arrival. It holds back a stream whose RTP time runs too
/// fast.
const AHEAD_US: i64 = 5_000_000;
/// Capture times are at most this much earlier than the arrival: longer than a connection may stall.
const BEHIND_US: i64 = 30_000_000;
/// How long a connection uses the camera's last offset without a report of its own.
const MEMORY: Duration = Duration::from_secs(60);
/// The slew of a day. After a larger step of the node's clock, the next connection begins with the new time.
const REBASE_US: i64 = 72 * 60 * 1_000_000;

/// How long the node's clock must have been kept by a time service after a step, if no camera speaks for it.
const CALM: Duration = Duration::from_secs(10);
/// How long new events wait for the clocks to agree after a step.
const PATIENCE: Duration = Duration::from_secs(600);

/// Maps the media times of one camera to capture times.
#[derive(Debug)]
pub(super) struct CameraClock {
    node: NodeClock,
    sender: SenderClock,
    line: Line,
    /// Intended distance of capture times from the node's clock: the followed offset, and the rest of steps.
    lead_us: i64,
    /// When the node's clock was set, until it is in step again.
    stepped: Option<Instant>,
    /// Sum of all jumps between connections.
    moved_us: i64,
    kernel: Option<KernelClock>,
    /// The sink has a frame of this camera, so capture times must continue from there.
    given: bool,
    connection: Connection,
    notes: Vec<Note>,
    far_reported: bool,
}

/// State of one connection. Times in microseconds.
#[derive(Debug)]
struct Connection {
    /// The start of the connection, or the last jump of its RTP time.
    began: Instant,
    newest: Option<Newest>,
    /// Camera's clock minus media time, by the last accepted report.
    camera_us: Option<i64>,
    /// A report from before the first frame.
    early: Option<Report>,
}

/// The frame with the latest presentation time.
#[derive(Clone, Copy, Debug)]
struct Newest {
    pts: i64,
    arrived: Instant,
    /// Node's clock minus media time, of the frame with the least delay on the way.
    arrival_us: i64,
}

#[derive(Clone, Copy, Debug)]
struct Report {
    pts: i64,
    camera: i64,
    heard: Instant,
}

/// The result for one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Timed {
    pub capture: Capture,
    /// Capture time minus the clock that it follows.
    pub error_ms: i64,
    /// The RTP time runs much faster or slower than the clock, so the capture time does not follow it.
    pub held: bool,
}

impl Connection {
    fn new(began: Instant) -> Self {
        Self { began, newest: None, camera_us: None, early: None }
    }

    /// Adds a frame. Returns its media time since the newest frame: zero for one that is shown earlier
    /// (B-frames).
    fn arrived(&mut self, pts: i64, arrived: Instant, node_us: i64) -> (i64, Newest) {
        let sample = node_us.saturating_sub(pts);
        let (step, newest) = match self.newest {
            None => (0, Newest { pts, arrived, arrival_us: sample }),
            Some(last) => {
                let step = pts.saturating_sub(last.pts).max(0);
                let crept = last.arrival_us.saturating_add(slewed(i64::MAX, step));
                let arrival_us = sample.min(crept);
                if step > 0 {
                    (step, Newest { pts, arrived, arrival_us })
                } else {
                    (0, Newest { arrival_us, ..last })
                }
            }
        };
        self.newest = Some(newest);
        (step, newest)
    }
}

impl CameraClock {
    pub fn new(now: Reading) -> Self {
        Self {
            node: NodeClock::new(now),
            sender: SenderClock::default(),
            line: Line::default(),
            lead_us: 0,
            stepped: None,
            moved_us: 0,
            kernel: now.kernel,
            given: false,
            connection: Connection::new(now.mono),
            notes: Vec::new(),
            far_reported: false,
        }
    }

    /// Begins a connection, whose media times are unrelated to the previous ones.
    pub fn begin_connection(&mut self, now: Reading) {
        self.observe(now);
        let debt = self.debt();
        if debt.saturating_abs() > REBASE_US {
            self.notes.push(Note::Rebased { by_us: debt.saturating_neg() });
            self.moved_us = self.moved_us.saturating_sub(debt);
            self.lead_us = self.wanted_lead();
            self.line.break_off();
        }
        self.line.end();
        self.connection = Connection::new(now.mono);
    }

    /// Sets the source of the reports.
    pub fn reports_as(&mut self, source: TimeSource) {
        self.sender.reports_as(source);
    }

    /// A report: the camera's clock read `camera` at `pts`.
    pub fn report(&mut self, pts: MediaTime, camera: WallTime, now: Reading) {
        self.observe(now);
        let report = Report { pts: pts.0, camera: camera.0, heard: now.mono };
        match self.connection.newest {
            Some(newest) => self.weigh(report, newest),
            None => self.connection.early = Some(report),
        }
    }

    /// The capture time of a frame. Call it in decode order.
    pub fn frame(&mut self, placed: RepairedPts, now: Reading) -> Timed {
        self.observe(now);
        let (pts, node_us) = (placed.pts().0, self.node.at(now.mono));
        if matches!(placed, RepairedPts::Jumped(_)) {
            (self.connection.camera_us, self.connection.began) = (None, now.mono);
        }
        let begins = self.connection.newest.is_none();
        let (step, newest) = self.connection.arrived(pts, now.mono, node_us);
        if let Some(report) = self.connection.early.take() {
            self.weigh(report, newest);
        }
        self.forget_old_reports(now.mono);
        self.lead_us =
            self.lead_us.saturating_add(slewed(self.wanted_lead().saturating_sub(self.lead_us), step));
        let wanted = self.wanted(newest.arrival_us);
        let mut held = false;
        if !self.given {
            self.lead_us = self.wanted_lead();
            self.line.begin(pts, pts.saturating_add(wanted));
        } else if begins {
            self.line.begin(pts, node_us.saturating_add(self.lead_us));
        } else {
            let even = node_us.saturating_add(self.lead_us);
            let within = even.saturating_sub(BEHIND_US)..=even.saturating_add(AHEAD_US);
            held = !self.line.advance(pts, wanted, within);
        }
        let at = self.line.at(pts).unwrap_or(node_us);
        let error_us = at.saturating_sub(pts.saturating_add(wanted));
        let by_camera = self.sender.followed_us().is_some()
            && error_us.saturating_abs() <= STEP_US
            && !matches!(placed, RepairedPts::StoodStill(_));
        let source = if by_camera { self.sender.source() } else { TimeSource::Arrival };
        let offset_ms = self.sender.offset_us().map(|us| us / 1000);
        let clock = CaptureClock {
            kernel: self.kernel,
            behind_ms: error_us / 1000,
            stepped: self.stepped.is_some(),
            moved_us: self.moved_us,
        };
        let capture = Capture { at: WallTime(at), source, offset_ms, clock: Some(clock) };
        Timed { capture, error_ms: error_us / 1000, held }
    }

    /// The last frame went to the sink: from now on capture times are continuous.
    pub fn was_given(&mut self) {
        self.given = true;
    }

    /// The time of a telemetry packet on the clock of capture times: by the drone's own time if its clock is
    /// followed, else by its presentation time, else now.
    pub fn telemetry_time(&self, pts: Option<MediaTime>, drone: Option<WallTime>, now: Reading) -> WallTime {
        let followed = self.connection.camera_us.filter(|_| self.sender.followed_us().is_some());
        let by_drone = drone.zip(followed).map(|(drone, camera_us)| drone.0.saturating_sub(camera_us));
        let pts = by_drone.or(pts.map(|pts| pts.0));
        let by_stream = pts.and_then(|pts| self.line.at(pts));
        WallTime(by_stream.unwrap_or_else(|| self.node.at(now.mono).saturating_add(self.lead_us)))
    }

    /// A step of the node's clock is over, and only a new connection can begin with its time.
    pub fn wants_new_connection(&self) -> bool {
        self.given && self.stepped.is_none() && self.debt().saturating_abs() > REBASE_US
    }

    /// How far capture times are from where they belong.
    fn debt(&self) -> i64 {
        self.lead_us.saturating_sub(self.wanted_lead())
    }

    /// Notes since the last call.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Distance of capture times from the node's clock once the slew is over.
    fn wanted_lead(&self) -> i64 {
        self.sender.followed_us().unwrap_or(0)
    }

    /// Capture time minus media time once the slew is over.
    fn wanted(&self, arrival_us: i64) -> i64 {
        let by_report = self.connection.camera_us.filter(|_| self.sender.followed_us().is_some());
        by_report.unwrap_or_else(|| arrival_us.saturating_add(self.wanted_lead()))
    }

    /// Compares the node's clocks. A move changes no capture time: all that is relative to the clock moves
    /// along.
    fn observe(&mut self, now: Reading) {
        self.kernel = now.kernel;
        if let Some(moved) = self.node.observe(now) {
            self.node_moved(moved, now.mono);
        }
        self.settle(now.mono);
    }

    fn node_moved(&mut self, moved: Moved, now: Instant) {
        if self.given {
            self.lead_us = self.lead_us.saturating_sub(moved.by_us);
        }
        self.sender.node_moved(moved.by_us, moved.is_step);
        if let Some(newest) = &mut self.connection.newest {
            newest.arrival_us = newest.arrival_us.saturating_add(moved.by_us);
        }
        if moved.is_step {
            self.notes.push(Note::NodeStepped {
                by_us: moved.by_us,
                too_far: self.debt().saturating_abs() > REBASE_US,
                witness: self.sender.witness(),
            });
            self.stepped = self.given.then_some(now);
        }
    }

    /// Is the node's clock in step again? If the camera's clock contradicts it to the end, a clock that a time
    /// service keeps is right, and one that nothing keeps is not.
    fn settle(&mut self, now: Instant) {
        let kept = self.kernel.is_some_and(|kernel| kernel.synchronised);
        let Some(since) = self.stepped else {
            if kept {
                self.sender.believe_node();
            }
            return;
        };
        let waited = now.saturating_duration_since(since);
        let in_step = match self.sender.witness() {
            Witness::Agrees => true,
            Witness::Silent => kept && waited >= CALM,
            Witness::Contradicts => false,
        };
        if in_step || waited >= PATIENCE {
            self.stepped = None;
            self.notes.push(Note::WaitEnded { in_step, waited });
        }
    }

    /// Uses a report, if its RTP time is that of the stream.
    fn weigh(&mut self, report: Report, newest: Newest) {
        let ahead = report.pts.saturating_sub(newest.pts);
        let elapsed = signed_us(report.heard, newest.arrived);
        if ahead < -STRAY_US || ahead.saturating_sub(elapsed) > STRAY_US {
            self.notes.push(Note::StrayReport { by_us: ahead });
            return;
        }
        // A report that was delayed on the way is compared with the time at which it was sent.
        let sent = report.pts.saturating_add(newest.arrival_us).min(self.node.at(report.heard));
        let offset_us = report.camera.saturating_sub(sent);
        match self.sender.report(offset_us, report.heard) {
            Heard::Doubted => return,
            Heard::Agrees => {}
            Heard::Stepped { from_us } => self.notes.push(Note::CameraStepped { from_us, to_us: offset_us }),
        }
        self.connection.camera_us = Some(report.camera.saturating_sub(report.pts));
        let far = self.sender.followed_us().is_none();
        if far && !self.far_reported {
            self.notes.push(Note::FarOff { offset_us, camera: report.camera });
        }
        self.far_reported = far;
    }

    fn forget_old_reports(&mut self, now: Instant) {
        if self.connection.camera_us.is_none()
            && signed_us(now, self.connection.began) > MEMORY.as_micros() as i64
        {
            self.sender.forget();
        }
    }
}

#[cfg(test)]
mod tests;
