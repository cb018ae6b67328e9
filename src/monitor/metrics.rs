//! The node's snapshot as OpenMetrics text. Names are `lintel_*`; figures of one camera carry the label
//! `camera`.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::snapshot::{CameraSnapshot, FlightsSnapshot, NodeSnapshot};
use crate::base::KernelClock;
use crate::detect::GapQuantiles;
use crate::ingest::SourceState;
use crate::outbox::DiskTrouble;
use crate::second_look::SecondLookStats;

pub(super) fn render(source: Arc<dyn Fn() -> NodeSnapshot + Send + Sync>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Node(source())));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Node(NodeSnapshot);

impl Collector for Node {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let node = &self.0;
        let mut out = Out(&mut encoder);
        out.gauge(
            "lintel_up",
            "1 while the node is ready and its rules thread answers",
            f64::from(node.healthy()),
        )?;
        out.gauge("lintel_uptime_seconds", "Since the start", node.uptime_s as f64)?;
        out.gauge("lintel_detect_load", "Used share of the detect workers' time, 0 to 1", node.detect_load)?;
        out.gauge(
            "lintel_detect_run_seconds",
            "Time in the model for one picture",
            node.detect_run_ms / 1e3,
        )?;
        out.gauge("lintel_cpu_cores", "Processor cores used, averaged", node.load.cores)?;
        out.gauge("lintel_budget_cores", "Processor cores that may be used", node.load.budget)?;
        out.gauge(
            "lintel_load_stretch",
            "Factor on the cameras' intervals; 1 as configured",
            node.load.stretch,
        )?;
        let clock = |value: fn(&KernelClock) -> f64| node.clock.as_ref().map_or(f64::NAN, value);
        out.gauge(
            "lintel_clock_synchronised",
            "1 while a time service keeps the node's clock, by the kernel",
            clock(|c| f64::from(c.synchronised)),
        )?;
        out.gauge(
            "lintel_clock_max_error_seconds",
            "Greatest error of the node's clock, by its time service",
            clock(|c| c.max_error_us as f64 / 1e6),
        )?;
        out.gauge(
            "lintel_clock_waiting_cameras",
            "Cameras whose new events wait since the node's clock was set",
            node.cameras.values().filter(|camera| camera.ingest.waits_for_clock).count() as f64,
        )?;
        out.gauge("lintel_ring_bytes", "Footage in the rings of all cameras", node.rings.bytes as f64)?;
        out.gauge(
            "lintel_ring_budget_bytes",
            "The most footage that they may hold",
            node.rings.max_bytes as f64,
        )?;
        out.counter(
            "lintel_ring_over_budget_bytes",
            "Footage dropped because all rings together were over budget.ring_mb",
            node.rings.dropped_bytes,
        )?;
        let decode: f64 = node.cameras.values().map(|camera| camera.decode.seconds).sum();
        out.counter("lintel_decode_milliseconds", "Time spent on decoding", (decode * 1e3) as u64)?;
        out.counter(
            "lintel_detect_milliseconds",
            "Time of the detect workers",
            (node.detect_busy_s * 1e3) as u64,
        )?;
        let looks = |value: fn(&SecondLookStats) -> u64| node.second_look.as_ref().map_or(0, value);
        out.counter(
            "lintel_second_looks",
            "Crops that a second network has looked at",
            looks(|s| s.answered),
        )?;
        out.counter(
            "lintel_second_looks_refused",
            "Crops for which second_look.cores left no room; they are asked about again",
            looks(|s| s.refused),
        )?;
        out.counter("lintel_second_looks_failed", "Crops at which it failed", looks(|s| s.failed))?;
        out.counter(
            "lintel_second_look_milliseconds",
            "Time spent on second looks",
            looks(|s| (s.busy_s * 1e3) as u64),
        )?;
        out.gauge("lintel_broker_connected", "1 while connected", f64::from(node.publish.connected))?;
        out.counter("lintel_broker_reconnects", "Connections lost", node.publish.reconnects)?;
        out.counter("lintel_published", "Records that the broker acknowledged", node.publish.acked)?;
        out.counter("lintel_resent", "Records sent again after a broken connection", node.publish.resent)?;
        out.gauge("lintel_outbox_messages", "Messages waiting", node.publish.outbox.messages as f64)?;
        out.gauge("lintel_outbox_media", "Media files waiting", node.publish.outbox.media as f64)?;
        out.gauge("lintel_outbox_media_bytes", "Their size", node.publish.outbox.media_bytes as f64)?;
        let outbox = &node.publish.outbox;
        out.gauge("lintel_outbox_unconfirmed", "With the broker, not confirmed", outbox.unconfirmed as f64)?;
        out.gauge("lintel_outbox_told_nobody", "Nobody has subscribed to these", outbox.told_nobody as f64)?;
        out.gauge(
            "lintel_outbox_damaged",
            "1 if it was damaged or gone at the start",
            f64::from(outbox.damaged),
        )?;
        out.counter("lintel_outbox_confirmed", "Records that a platform has", outbox.confirmed)?;
        out.counter("lintel_outbox_platform_refused", "Of these, not stored by it", outbox.platform_refused)?;
        out.counter("lintel_outbox_released", "Unconfirmed messages over outbox.max_mb", outbox.released)?;
        out.counter(
            "lintel_outbox_media_lost",
            "Files gone or changed before they were sent",
            outbox.media_lost,
        )?;
        let disk = node.events.disk;
        out.gauge(
            "lintel_disk_full",
            "1 while records find no room",
            f64::from(disk == Some(DiskTrouble::Full)),
        )?;
        out.gauge(
            "lintel_disk_fails",
            "1 while records cannot be written for another reason",
            f64::from(disk.is_some_and(|trouble| trouble != DiskTrouble::Full)),
        )?;
        out.counter(
            "lintel_outbox_sent_again",
            "Records sent again because no platform confirmed them",
            node.publish.outbox.sent_again,
        )?;
        out.counter(
            "lintel_outbox_full_seconds",
            "Time in which the outbox was full",
            node.events.outbox_full_seconds,
        )?;
        out.counter("lintel_events_opened", "Suspected violations", node.events.opened)?;
        out.counter("lintel_events_updated", "Updates of open events", node.events.updated)?;
        out.counter(
            "lintel_events_closed",
            "Closed because the cause was seen to be gone",
            node.events.closed,
        )?;
        out.counter(
            "lintel_events_expired",
            "Ended because the cause was not seen for long",
            node.events.expired,
        )?;
        out.counter(
            "lintel_evidence_missing",
            "Parts of evidence that could not be made",
            node.events.evidence_missing,
        )?;
        out.counter(
            "lintel_first_sights_lost",
            "Pictures of a first sight that were not kept until an event opened",
            node.first_sights_lost,
        )?;
        out.counter("lintel_config_applied", "Reloads applied", node.config.applied)?;
        out.counter("lintel_config_refused", "Reloads refused", node.config.refused)?;
        let flights = |value: fn(&FlightsSnapshot) -> u64| node.flights.values().map(value).sum::<u64>();
        out.gauge("lintel_flights_waiting", "Dropped and not compared yet", flights(|f| f.waiting) as f64)?;
        out.counter("lintel_flights_done", "Compared, or the first of their area", flights(|f| f.done))?;
        out.counter("lintel_flights_failed", "Could not be used", flights(|f| f.failed))?;
        self.cameras(&mut out)
    }
}

type Value = fn(&CameraSnapshot) -> f64;
type Count = fn(&CameraSnapshot) -> u64;

impl Node {
    fn cameras(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let gauges: [(&str, &str, Value); 18] = [
            ("lintel_camera_streaming", "1 while frames come", |c| {
                f64::from(c.ingest.state == SourceState::Streaming)
            }),
            ("lintel_camera_fps", "Frames a second now; 0 when the stream is dead", |c| c.ingest.fps),
            ("lintel_camera_clock_offset_seconds", "Camera clock minus node clock", |c| {
                c.ingest.offset_ms.map_or(f64::NAN, |ms| ms as f64 / 1e3)
            }),
            (
                "lintel_camera_clock_error_seconds",
                "Capture times minus the clock that they follow, worked off by 50 ms a second",
                |c| c.ingest.clock_error_ms.map_or(f64::NAN, |ms| ms as f64 / 1e3),
            ),
            ("lintel_camera_analysed_interval_seconds", "Between two analysed pictures", |c| {
                c.detect.as_ref().and_then(|d| d.interval_s).unwrap_or(f64::NAN)
            }),
            ("lintel_camera_analysis_lag_seconds", "From capture to the end of its analysis", |c| {
                c.detect.as_ref().and_then(|d| d.lag_s).unwrap_or(f64::NAN)
            }),
            ("lintel_camera_analysed_gap_median_seconds", "Of the last 128 analysed pictures", |c| {
                gap(c, |g| g.median_s)
            }),
            ("lintel_camera_analysed_gap_p95_seconds", "Of the last 128 analysed pictures", |c| {
                gap(c, |g| g.p95_s)
            }),
            ("lintel_camera_analysed_gap_worst_seconds", "Of the last 128 analysed pictures", |c| {
                gap(c, |g| g.worst_s)
            }),
            ("lintel_camera_behind", "1 while it is analysed less often than configured", |c| {
                f64::from(c.behind())
            }),
            ("lintel_camera_in_series", "1 while every frame is decoded because something moves", |c| {
                f64::from(c.decode.in_series)
            }),
            ("lintel_camera_ring_bytes", "Memory of the ring", |c| c.ring.bytes as f64),
            ("lintel_camera_ring_seconds", "Footage in the ring", |c| c.ring.seconds),
            ("lintel_camera_open_events", "Open events", |c| c.open_events as f64),
            (
                "lintel_camera_ignored_places",
                "Places where a class is not reported because people rejected an event",
                |c| c.ignored.len() as f64,
            ),
            (
                "lintel_camera_present_at_start",
                "Things that were there when the camera began and are not reported for that",
                |c| c.present_at_start as f64,
            ),
            ("lintel_camera_view_clear", "1 if the newest picture can be judged", |c| {
                c.visibility.map_or(f64::NAN, |seen| f64::from(u8::from(seen.is_clear())))
            }),
            ("lintel_camera_key_interval_seconds", "Between two key frames", |c| {
                c.ingest.key_interval_ms.map_or(f64::NAN, |ms| ms as f64 / 1e3)
            }),
        ];
        for (name, help, value) in gauges {
            out.family(name, help, MetricType::Gauge, &self.0, |c| ConstGauge::new(value(c)))?;
        }
        let counters: [(&str, &str, Count); 23] = [
            ("lintel_camera_frames", "Access units received", |c| c.ingest.frames),
            ("lintel_camera_bytes", "Bytes received", |c| c.ingest.bytes),
            ("lintel_camera_telemetry", "Telemetry records of a drone", |c| c.ingest.telemetry),
            ("lintel_camera_telemetry_rejected", "Telemetry records that could not be used", |c| {
                c.ingest.telemetry_rejected
            }),
            ("lintel_camera_lost_packets", "RTP packets lost", |c| c.ingest.lost_packets),
            ("lintel_camera_unreadable_packets", "RTP packets that nothing could be read from", |c| {
                c.ingest.unreadable_packets
            }),
            ("lintel_camera_reconnects", "Connections and attempts that failed", |c| {
                c.ingest.reconnects.total()
            }),
            ("lintel_camera_key_frames_missing", "Times without key frames", |c| c.ingest.key_frames_missing),
            ("lintel_camera_clock_steps", "Times that the camera's clock was set", |c| {
                c.ingest.camera_clock_steps
            }),
            (
                "lintel_camera_node_clock_steps",
                "Times that the node's clock was set while it connected",
                |c| c.ingest.node_clock_steps,
            ),
            ("lintel_camera_stray_reports", "Sender reports of another RTP time, ignored", |c| {
                c.ingest.stray_reports
            }),
            ("lintel_camera_ring_evicted_bytes", "Removed to make room for newer footage", |c| {
                c.ring.evicted_bytes
            }),
            ("lintel_camera_pictures", "Decoded", |c| c.decode.pictures),
            ("lintel_camera_followed", "Frames between key frames that were decoded", |c| c.decode.followed),
            ("lintel_camera_series", "Times of decoding every frame", |c| c.decode.series),
            ("lintel_camera_idle_series", "Of these series, without a change in the pictures", |c| {
                c.decode.idle_series
            }),
            ("lintel_camera_decode_failed", "Frames that gave no picture", |c| c.decode.failed),
            ("lintel_camera_decode_skipped", "Frames dropped before a decoder", |c| {
                c.decode.skipped + c.decode.replaced
            }),
            ("lintel_camera_analysed", "Pictures analysed", |c| c.detect.as_ref().map_or(0, |d| d.analysed)),
            (
                "lintel_camera_unchanged",
                "Of these, pictures without change, for which the detector did not run",
                |c| c.detect.as_ref().map_or(0, |d| d.unchanged),
            ),
            ("lintel_camera_detect_replaced", "Pictures replaced by a newer one before analysis", |c| {
                c.detect.as_ref().map_or(0, |d| d.replaced)
            }),
            (
                "lintel_camera_impossible_boxes",
                "Boxes of the network that cannot be, and were left out",
                |c| c.detect.as_ref().map_or(0, |d| d.impossible_boxes),
            ),
            ("lintel_camera_suppressed_events", "Events held back by the hourly limit", |c| {
                c.suppressed_events
            }),
        ];
        for (name, help, value) in counters {
            out.family(name, help, MetricType::Counter, &self.0, |c| ConstCounter::new(value(c)))?;
        }
        Ok(())
    }
}

fn gap(camera: &CameraSnapshot, value: impl Fn(&GapQuantiles) -> f64) -> f64 {
    camera.detect.as_ref().and_then(|detect| detect.gaps.as_ref()).map_or(f64::NAN, value)
}

struct Out<'o, 'e>(&'o mut DescriptorEncoder<'e>);

impl Out<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(encoder)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    fn family<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        node: &NodeSnapshot,
        metric: impl Fn(&CameraSnapshot) -> M,
    ) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, kind)?;
        for (camera, snapshot) in &node.cameras {
            metric(snapshot).encode(encoder.encode_family(&[("camera", camera.as_str())])?)?;
        }
        Ok(())
    }
}
