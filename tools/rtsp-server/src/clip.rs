//! A recorded clip in memory: its access units as the container holds them, with times from zero.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

/// Shared by all paths that play it.
pub struct Clip {
    pub caps: gst::Caps,
    pub units: Vec<Unit>,
    /// From the first unit to the first unit of the next round.
    pub duration: gst::ClockTime,
}

pub struct Unit {
    /// Without times; all copies share its memory.
    pub buffer: gst::Buffer,
    pub dts: gst::ClockTime,
    pub pts: gst::ClockTime,
    pub key: bool,
}

impl Clip {
    /// # Errors
    /// The file is not an mp4, holds no H.264 or H.265, or does not start with a key frame.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let place = || format!("cannot read {}", path.display());
        let pipeline = gst::parse::launch(
            "filesrc name=file ! qtdemux name=demux demux.video_0 ! appsink name=out sync=false max-buffers=32 \
             caps=\"video/x-h264,stream-format=avc;video/x-h265,stream-format=(string){hvc1,hev1}\"",
        )?
        .downcast::<gst::Pipeline>()
        .map_err(|_| anyhow::anyhow!("not a pipeline"))?;
        pipeline.by_name("file").context("no filesrc")?.set_property("location", path);
        let sink = pipeline
            .by_name("out")
            .and_then(|e| e.downcast::<gst_app::AppSink>().ok())
            .context("no appsink")?;
        pipeline.set_state(gst::State::Playing).with_context(place)?;
        let samples: Vec<gst::Sample> = std::iter::from_fn(|| sink.pull_sample().ok()).collect();
        let error = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        pipeline.set_state(gst::State::Null)?;
        if let Some(gst::MessageView::Error(error)) = error.as_ref().map(|m| m.view()) {
            bail!("{}: {}", place(), error.error());
        }
        Self::from_samples(&samples).with_context(place)
    }

    fn from_samples(samples: &[gst::Sample]) -> anyhow::Result<Self> {
        let caps = samples.first().and_then(|s| s.caps_owned()).context("no H.264 or H.265 video")?;
        let mut units = Vec::with_capacity(samples.len());
        let mut base = None;
        let mut end = gst::ClockTime::ZERO;
        for buffer in samples.iter().filter_map(|s| s.buffer_owned()) {
            let pts = buffer.pts().context("a frame without time")?;
            let dts = buffer.dts().unwrap_or(pts);
            let zero = *base.get_or_insert(dts);
            let mut bare = buffer.clone();
            let edit = bare.make_mut();
            edit.set_pts(gst::ClockTime::NONE);
            edit.set_dts(gst::ClockTime::NONE);
            end = dts.saturating_sub(zero) + buffer.duration().unwrap_or(gst::ClockTime::from_mseconds(40));
            units.push(Unit {
                key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
                buffer: bare,
                dts: dts.saturating_sub(zero),
                pts: pts.saturating_sub(zero),
            });
        }
        ensure!(units.first().is_some_and(|u| u.key), "the first frame is not a key frame");
        Ok(Self { caps, units, duration: end })
    }

    /// Index of the key frame at `share` (0..1) of the clip.
    pub fn key_at(&self, share: f64) -> usize {
        let keys: Vec<usize> = (0..self.units.len()).filter(|&i| self.units[i].key).collect();
        let nth = (share.clamp(0.0, 1.0) * keys.len() as f64) as usize;
        keys.get(nth).copied().unwrap_or(0)
    }
}
