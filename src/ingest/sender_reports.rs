//! RTCP sender reports and lost packets, read from rtspsrc's internal jitter buffer.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use parking_lot::Mutex;

use super::timing::ntp_to_wall;
use crate::base::{MediaTime, WallTime};

/// The jitter buffer of the video stream, once it exists.
#[derive(Clone, Default)]
pub(super) struct JitterBuffer {
    element: Arc<Mutex<Option<gst::glib::WeakRef<gst::Element>>>>,
}

impl JitterBuffer {
    /// Calls `report` for each sender report with the time on the stream's clock and on the camera's clock.
    pub fn watch(
        source: &gst::Element,
        report: impl Fn(MediaTime, WallTime) + Send + Sync + 'static,
    ) -> Self {
        let jitter_buffer = Self::default();
        let (slot, report) = (jitter_buffer.element.clone(), Arc::new(report));
        source.connect("new-manager", false, move |args| {
            let manager = args.get(1)?.get::<gst::Element>().ok()?;
            let (slot, report) = (slot.clone(), report.clone());
            manager.connect("new-jitterbuffer", false, move |args| {
                let element = args.get(1)?.get::<gst::Element>().ok()?;
                let report = report.clone();
                element.connect("handle-sync", false, move |args| {
                    let sync = args.get(1)?.get::<gst::Structure>().ok()?;
                    let (pts, camera) = parse(&sync)?;
                    report(pts, camera);
                    None
                });
                *slot.lock() = Some(element.downgrade());
                None
            });
            None
        });
        jitter_buffer
    }

    /// RTP packets lost since the connection began.
    pub fn lost(&self) -> u64 {
        let slot = self.element.lock();
        let element = slot.as_ref().and_then(gst::glib::WeakRef::upgrade);
        element
            .map(|e| e.property::<gst::Structure>("stats"))
            .and_then(|stats| stats.get::<u64>("num-lost").ok())
            .unwrap_or(0)
    }
}

/// The jitter buffer relates RTP time `base-rtptime` to the pipeline's clock. The report relates its own RTP
/// time to the camera's clock.
fn parse(sync: &gst::Structure) -> Option<(MediaTime, WallTime)> {
    let number = |name| sync.get::<u64>(name).ok();
    let base_us = i128::from(number("base-time")? / 1000);
    let rate = i128::from(sync.get::<u32>("clock-rate").ok()?).max(1);
    let ahead = i128::from(number("sr-ext-rtptime")?) - i128::from(number("base-rtptime")?);
    let buffer = sync.get::<gst::Buffer>("sr-buffer").ok()?;
    let packet = buffer.map_readable().ok()?;
    // RFC 3550, 6.4.1: packet type 200, NTP timestamp at byte 8; zero means "no clock".
    let ntp = u64::from_be_bytes(packet.get(8..16)?.try_into().ok()?);
    if packet.get(1) != Some(&200) || ntp == 0 {
        return None;
    }
    let pts = i64::try_from(base_us + ahead * 1_000_000 / rate).ok()?;
    Some((MediaTime(pts), ntp_to_wall(ntp)))
}
