//! What rtspsrc keeps inside: RTCP sender reports and lost packets, taken from its jitter buffer.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use parking_lot::Mutex;

use super::timing::ntp_to_wall;
use crate::base::{MediaTime, WallTime};

/// The jitter buffer of the one stream, once it exists.
#[derive(Clone, Default)]
pub(super) struct JitterBuffer {
    element: Arc<Mutex<Option<gst::glib::WeakRef<gst::Element>>>>,
}

impl JitterBuffer {
    /// Calls `report` with each sender report: the time on the stream's clock, and what the camera's clock read then.
    pub fn watch(
        source: &gst::Element,
        report: impl Fn(MediaTime, WallTime) + Send + Sync + 'static,
    ) -> Self {
        let jitter_buffer = Self::default();
        let (place, report) = (jitter_buffer.element.clone(), Arc::new(report));
        source.connect("new-manager", false, move |args| {
            let manager = args.get(1)?.get::<gst::Element>().ok()?;
            let (place, report) = (place.clone(), report.clone());
            manager.connect("new-jitterbuffer", false, move |args| {
                let element = args.get(1)?.get::<gst::Element>().ok()?;
                let report = report.clone();
                element.connect("handle-sync", false, move |args| {
                    let sync = args.get(1)?.get::<gst::Structure>().ok()?;
                    let (pts, camera) = parse(&sync)?;
                    report(pts, camera);
                    None
                });
                *place.lock() = Some(element.downgrade());
                None
            });
            None
        });
        jitter_buffer
    }

    /// RTP packets lost since the connection began.
    pub fn lost(&self) -> u64 {
        let place = self.element.lock();
        let element = place.as_ref().and_then(gst::glib::WeakRef::upgrade);
        element
            .map(|e| e.property::<gst::Structure>("stats"))
            .and_then(|stats| stats.get::<u64>("num-lost").ok())
            .unwrap_or(0)
    }
}

/// The jitter buffer knows where RTP time `base-rtptime` lies on the pipeline's clock, and the report where its own
/// RTP time lies on the camera's.
fn parse(sync: &gst::Structure) -> Option<(MediaTime, WallTime)> {
    let number = |name| sync.get::<u64>(name).ok();
    let base_us = i128::from(number("base-time")? / 1000);
    let rate = i128::from(sync.get::<u32>("clock-rate").ok()?).max(1);
    let ahead = i128::from(number("sr-ext-rtptime")?) - i128::from(number("base-rtptime")?);
    let buffer = sync.get::<gst::Buffer>("sr-buffer").ok()?;
    let packet = buffer.map_readable().ok()?;
    // RFC 3550, 6.4.1: type 200, then 8 bytes on the NTP timestamp; zero stands for "no clock".
    let ntp = u64::from_be_bytes(packet.get(8..16)?.try_into().ok()?);
    if packet.get(1) != Some(&200) || ntp == 0 {
        return None;
    }
    let pts = i64::try_from(base_us + ahead * 1_000_000 / rate).ok()?;
    Some((MediaTime(pts), ntp_to_wall(ntp)))
}
