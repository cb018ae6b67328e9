//! Events of the clocks of a camera and of the node, for the log and the counters.

use std::time::Duration;

use super::sender::Witness;
use crate::base::WallTime;
use crate::ingest::IngestStats;

/// Times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ingest) enum Note {
    /// The camera's clock was set: its offset from the node's before and after.
    CameraStepped { from_us: i64, to_us: i64 },
    /// The node's clock was set. `too_far`: by more than is slewed.
    NodeStepped { by_us: i64, too_far: bool, witness: Witness },
    /// Events open again, because the clocks are in step or because it took too long.
    WaitEnded { in_step: bool, waited: Duration },
    /// The RTP time of a report is that far ahead of the stream's. The report is ignored.
    StrayReport { by_us: i64 },
    /// The camera's clock is too far off to be followed. Noted once, until it is followed again.
    FarOff { offset_us: i64, camera: i64 },
    /// A new connection began with the node's new time.
    Rebased { by_us: i64 },
}

impl Note {
    /// Counts and logs the event. Of stray reports only the first is logged.
    pub fn report(self, stats: &IngestStats) {
        let seconds = |us: i64| format!("{:+.1} s", us as f64 / 1e6);
        match self {
            Self::CameraStepped { from_us, to_us } => {
                stats.count(|s| s.camera_clock_steps += 1);
                tracing::warn!(
                    from = seconds(from_us),
                    to = seconds(to_us),
                    "the camera's clock was set against the node's: capture times continue evenly"
                );
            }
            Self::NodeStepped { by_us, too_far, witness } => {
                stats.count(|s| s.node_clock_steps += 1);
                let by = seconds(by_us);
                if witness == Witness::Contradicts {
                    tracing::warn!(
                        by,
                        "the node's clock was set away from the camera's: capture times follow the camera's, and new events wait until they agree; check the node's time service"
                    );
                } else if too_far {
                    tracing::warn!(
                        by,
                        "the node's clock was set: capture times continue by the old one until the camera connects again"
                    );
                } else {
                    tracing::warn!(
                        by,
                        "the node's clock was set: capture times continue evenly and approach it by 50 ms a second"
                    );
                }
            }
            Self::WaitEnded { in_step: true, waited } => {
                tracing::info!(waited_s = waited.as_secs(), "the node's clock is in step again: events open");
            }
            Self::WaitEnded { in_step: false, waited } => tracing::warn!(
                waited_s = waited.as_secs(),
                "nothing says whether the node's clock is right since it was set: events open, and name its state; check the node's time service"
            ),
            Self::StrayReport { by_us } => {
                let mut count = 0;
                stats.count(|s| {
                    s.stray_reports += 1;
                    count = s.stray_reports;
                });
                if count == 1 {
                    tracing::warn!(
                        ahead = seconds(by_us),
                        "a sender report has an RTP time that is not the stream's: such reports are ignored; update the camera's firmware"
                    );
                }
            }
            Self::FarOff { offset_us, camera } => tracing::warn!(
                camera_time = %WallTime(camera), offset = seconds(offset_us),
                "the camera's clock is far off the node's: capture times follow the node's instead; set NTP on the camera and its time zone to UTC"),
            Self::Rebased { by_us } => tracing::warn!(
                by = seconds(by_us),
                "the node's clock was set: capture times jump to it between the last connection and this one"
            ),
        }
    }
}
