//! The media of each path of the server.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_rtsp_server::prelude::*;
use gstreamer_rtsp_server::{RTSPMediaFactory, RTSPMountPoints};

use crate::auth::open_to_viewers;
use crate::clip::Clip;
use crate::pacer::Pacer;

/// Mounts all media. Returns the paths without their slash, in the order of the arguments.
pub fn mount(
    mounts: &RTSPMountPoints,
    pacer: &Arc<Pacer>,
    streams: &[(String, String)],
    launches: &[(String, String)],
    copies: u32,
) -> anyhow::Result<Vec<String>> {
    let mut loaded: HashMap<&str, Arc<Clip>> = HashMap::new();
    let mut names = Vec::new();
    for (name, file) in streams {
        let clip = match loaded.get(file.as_str()) {
            Some(clip) => clip.clone(),
            None => Arc::new(Clip::load(Path::new(file))?),
        };
        loaded.insert(file, clip.clone());
        pacer.add_clip(name, clip.clone());
        for copy in 0..copies {
            let path = if copies == 1 { name.clone() } else { format!("{name}-{}", copy + 1) };
            let first = clip.key_at(f64::from(copy) / f64::from(copies));
            mounts.add_factory(&format!("/{path}"), looped(pacer, &path, clip.clone(), first)?);
            names.push(path);
        }
    }
    for (name, line) in launches {
        let factory = RTSPMediaFactory::new();
        factory.set_launch(&format!("( {line} )"));
        factory.set_shared(true);
        open_to_viewers(&factory);
        mounts.add_factory(&format!("/{name}"), factory);
        names.push(name.clone());
    }
    Ok(names)
}

/// One media for all clients of a path, fed by the pacer while it lives.
fn looped(pacer: &Arc<Pacer>, path: &str, clip: Arc<Clip>, first: usize) -> anyhow::Result<RTSPMediaFactory> {
    let payloader = match clip.caps.structure(0).context("clip without a format")?.name().as_str() {
        "video/x-h264" => "rtph264pay",
        "video/x-h265" => "rtph265pay",
        other => bail!("{other} is neither H.264 nor H.265"),
    };
    let factory = RTSPMediaFactory::new();
    // config-interval=-1: parameter sets in front of every key frame, as cameras send them.
    factory.set_launch(&format!(
        "( appsrc name=source is-live=true format=time min-latency=0 ! {payloader} name=pay0 pt=96 config-interval=-1 )"
    ));
    factory.set_shared(true);
    factory.set_latency(0);
    open_to_viewers(&factory);
    let (pacer, path) = (pacer.clone(), path.to_owned());
    factory.connect_media_configure(move |_, media| {
        let Ok(bin) = media.element().downcast::<gst::Bin>() else { return };
        let source = bin.by_name("source").and_then(|e| e.downcast::<gst_app::AppSrc>().ok());
        let (Some(source), Some(sent)) = (source, bin.by_name("pay0").and_then(|e| e.static_pad("src")))
        else {
            return;
        };
        let (loser, lost_path) = (pacer.clone(), path.clone());
        sent.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, _| {
            if loser.loses(&lost_path) { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
        });
        let id = pacer.play(&path, clip.clone(), first, source);
        let pacer = pacer.clone();
        media.connect_unprepared(move |_| pacer.end(id));
    });
    Ok(factory)
}
