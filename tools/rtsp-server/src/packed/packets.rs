//! A clip as RTP packets, framed for a TCP connection.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::clip::Clip;

/// RTP clock of video (RFC 6184, 8.2.1).
pub const CLOCK_HZ: u64 = 90_000;
/// `$`, channel, length (RFC 2326, 10.12).
const FRAMING: usize = 4;
const RTP_HEADER: usize = 12;
/// Fits into one Ethernet frame.
const MTU: u32 = 1400;

pub struct Packets {
    /// The name in SDP.
    pub encoding: &'static str,
    /// Parameters of the `fmtp` line.
    pub fmtp: String,
    pub units: Vec<Unit>,
    /// From the first unit to the first unit of the next round.
    pub duration: Duration,
    /// Between the first two key frames; all of the clip where there is one.
    gop: Duration,
}

/// One access unit.
pub struct Unit {
    /// From the start of the clip.
    pub due: Duration,
    /// Presentation time from the start of the clip.
    pub shown: Duration,
    pub key: bool,
    /// The packets with framing and header; their numbers are set for each client.
    framed: Vec<u8>,
}

/// What differs from client to client.
pub struct Numbering {
    pub channel: u8,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub packets: u32,
    pub octets: u32,
}

impl Unit {
    /// Appends the unit's packets to `out`, numbered from `numbers` on.
    pub fn write(&self, numbers: &mut Numbering, timestamp: u32, out: &mut Vec<u8>) {
        let mut start = out.len();
        out.extend_from_slice(&self.framed);
        while start < out.len() {
            let length = usize::from(u16::from_be_bytes([out[start + 2], out[start + 3]]));
            out[start + 1] = numbers.channel;
            let header = &mut out[start + FRAMING..start + FRAMING + RTP_HEADER];
            header[2..4].copy_from_slice(&numbers.sequence.to_be_bytes());
            header[4..8].copy_from_slice(&timestamp.to_be_bytes());
            header[8..12].copy_from_slice(&numbers.ssrc.to_be_bytes());
            numbers.sequence = numbers.sequence.wrapping_add(1);
            numbers.packets = numbers.packets.wrapping_add(1);
            numbers.octets = numbers.octets.wrapping_add((length - RTP_HEADER) as u32);
            start += FRAMING + length;
        }
    }
}

impl Packets {
    /// # Errors
    /// GStreamer has no payloader for the clip.
    pub fn of(clip: &Clip) -> anyhow::Result<Self> {
        let (encoding, payloader) =
            match clip.caps.structure(0).context("clip without a format")?.name().as_str() {
                "video/x-h264" => ("H264", "rtph264pay"),
                "video/x-h265" => ("H265", "rtph265pay"),
                other => bail!("{other} is neither H.264 nor H.265"),
            };
        // config-interval=-1: parameter sets in front of every key frame, as cameras send them.
        let line = format!(
            "appsrc name=source format=time block=true ! {payloader} pt=96 mtu={MTU} config-interval=-1 ! \
             appsink name=out sync=false buffer-list=false"
        );
        let pipeline = gst::parse::launch(&line)?
            .downcast::<gst::Pipeline>()
            .map_err(|_| anyhow::anyhow!("not a pipeline"))?;
        let source = pipeline.by_name("source").and_then(|e| e.downcast::<gst_app::AppSrc>().ok());
        let sink = pipeline.by_name("out").and_then(|e| e.downcast::<gst_app::AppSink>().ok());
        let (source, sink) = source.zip(sink).context("no appsrc or appsink")?;
        source.set_caps(Some(&clip.caps));
        pipeline.set_state(gst::State::Playing)?;
        let packetised = packetise(clip, &source, &sink);
        pipeline.set_state(gst::State::Null)?;
        let (fmtp, units) = packetised?;
        ensure!(units.len() == clip.units.len(), "{} units became {}", clip.units.len(), units.len());
        let duration = Duration::from_nanos(clip.duration.nseconds());
        let mut keys = units.iter().filter(|unit| unit.key).map(|unit| unit.due);
        let gop =
            keys.next().zip(keys.next()).map_or(duration, |(first, second)| second.saturating_sub(first));
        Ok(Self { encoding, fmtp, units, duration, gop })
    }

    /// How far path `n` of `all` is ahead: somewhere else in the clip, and in its GOP (by the golden ratio,
    /// which spreads any number of paths evenly).
    pub fn phase(&self, n: usize, all: usize) -> Duration {
        const GOLDEN: f64 = 0.618_033_988_749_895;
        let elsewhere = self.duration.mul_f64(n as f64 / all.max(1) as f64);
        let whole_gops = elsewhere.as_nanos() / self.gop.as_nanos().max(1) * self.gop.as_nanos();
        Duration::from_nanos(u64::try_from(whole_gops).unwrap_or(0))
            + self.gop.mul_f64((n as f64 * GOLDEN).fract())
    }

    /// The first key frame that is due at `position` or later, and whether it is one of the next round.
    pub fn key_from(&self, position: Duration) -> (usize, bool) {
        let found = self.units.iter().position(|unit| unit.key && unit.due >= position);
        (found.unwrap_or(0), found.is_none())
    }
}

fn packetise(
    clip: &Clip,
    source: &gst_app::AppSrc,
    sink: &gst_app::AppSink,
) -> anyhow::Result<(String, Vec<Unit>)> {
    let mut fmtp = None;
    let mut units = Vec::with_capacity(clip.units.len());
    for (n, unit) in clip.units.iter().enumerate() {
        let mut buffer = unit.buffer.clone();
        let edit = buffer.make_mut();
        edit.set_pts(unit.pts);
        edit.set_dts(unit.dts);
        source.push_buffer(buffer)?;
        if n + 1 == clip.units.len() {
            source.end_of_stream()?;
        }
        let mut framed = Vec::new();
        // The last packet of an access unit carries the marker (RFC 6184, 5.1; RFC 7798, 4.1).
        loop {
            let sample = sink.pull_sample().context("the payloader ended early")?;
            if fmtp.is_none() {
                fmtp = sample.caps().and_then(|caps| caps.structure(0)).map(format_parameters);
            }
            let packet = sample.buffer().context("a sample without a packet")?.map_readable()?;
            ensure!(packet.len() > RTP_HEADER, "a packet without content");
            let length = u16::try_from(packet.len()).context("a packet that is too long")?;
            framed.extend_from_slice(&[b'$', 0]);
            framed.extend_from_slice(&length.to_be_bytes());
            framed.extend_from_slice(&packet);
            if packet[1] & 0x80 != 0 {
                break;
            }
        }
        units.push(Unit {
            due: Duration::from_nanos(unit.dts.nseconds()),
            shown: Duration::from_nanos(unit.pts.nseconds()),
            key: unit.key,
            framed,
        });
    }
    Ok((fmtp.unwrap_or_default(), units))
}

fn format_parameters(caps: &gst::StructureRef) -> String {
    let names = [
        "packetization-mode",
        "profile-level-id",
        "sprop-parameter-sets",
        "sprop-vps",
        "sprop-sps",
        "sprop-pps",
    ];
    let given = names.iter().filter_map(|name| Some(format!("{name}={}", caps.get::<String>(*name).ok()?)));
    given.collect::<Vec<_>>().join(";")
}
