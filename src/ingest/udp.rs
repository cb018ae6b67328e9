//! MPEG-TS over UDP with MISB ST 0601 KLV, as drones and their ground stations send it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::IngestError;
use super::access_unit::AccessUnit;
use super::container::{KLV, klv_sink, parser_of};
use super::intake::Intake;
use super::pipeline::{Pipeline, codec_of, gstreamer_error, join, unit};
use super::telemetry::{LiveTelemetry, SILENCE};
use super::ts::MetadataPatch;
use crate::base::{MediaTime, Shutdown};
use crate::config::UdpConfig;
use crate::drone::LonLat;

enum Message {
    Unit(AccessUnit),
    Klv(Option<MediaTime>, Vec<u8>),
}

/// Messages in the channel. When it is full, the socket's reader waits and the kernel drops datagrams.
const DEPTH: usize = 64;
/// The kernel's receive buffer. At 20 Mbit/s it holds 0.8 s.
const SOCKET_BYTES: i32 = 2 * 1024 * 1024;

/// Receives until `shutdown` (`Ok`) or a failure. `base`: the drone's approximate position.
pub(super) async fn stream(
    config: &UdpConfig,
    base: Option<LonLat>,
    intake: &mut Intake,
    shutdown: &Shutdown,
) -> Result<(), IngestError> {
    let (sender, mut messages) = mpsc::channel(DEPTH);
    let settings = config.clone();
    let pipeline =
        tokio::task::spawn_blocking(move || start(&settings, sender)).await.map_err(gstreamer_error)??;
    let result = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        failure = follow(config, base, intake, &pipeline, &mut messages) => Err(failure),
    };
    // Drop the receiver first: a streaming thread that waits for room in the channel could never stop.
    drop(messages);
    if let Err(error) = tokio::task::spawn_blocking(move || drop(pipeline)).await {
        tracing::error!(%error, "udpsrc does not stop");
    }
    result
}

async fn follow(
    config: &UdpConfig,
    base: Option<LonLat>,
    intake: &mut Intake,
    pipeline: &Pipeline,
    messages: &mut mpsc::Receiver<Message>,
) -> IngestError {
    let Some(bus) = pipeline.inner.bus() else { return gstreamer_error("a pipeline without bus") };
    let mut bus = bus.stream();
    let mut deadline = Instant::now() + config.stall_timeout;
    let (mut connected, mut telemetry) = (false, LiveTelemetry::new(base));
    let mut quiet = Instant::now() + SILENCE;
    let (mut warned, mut newest) = (false, None);
    loop {
        tokio::select! {
            biased;
            message = messages.recv() => match message {
                Some(Message::Unit(unit)) => {
                    connected = true;
                    deadline = Instant::now() + config.stall_timeout;
                    newest = Some(unit.raw_pts);
                    intake.live(unit);
                }
                Some(Message::Klv(pts, bytes)) => {
                    (quiet, warned) = (Instant::now() + SILENCE, false);
                    // Telemetry without a time of its own has the time of the last picture.
                    telemetry.push(intake, pts.or(newest), &bytes);
                }
                None => return IngestError::Ended { address: address(config) },
            },
            Some(message) = bus.next() => match message.view() {
                gst::MessageView::Error(error) => return explain(config, error),
                gst::MessageView::Eos(_) => return IngestError::Ended { address: address(config) },
                _ => {}
            },
            () = tokio::time::sleep_until(deadline) => {
                let (address, after) = (address(config), config.stall_timeout);
                return if connected {
                    IngestError::Stalled { address, after, hint: "" }
                } else {
                    IngestError::Timeout { address, after }
                };
            }
            () = tokio::time::sleep_until(quiet), if connected && !warned => {
                warned = true;
                tracing::warn!(seconds = SILENCE.as_secs(),
                    "the stream has video but no KLV telemetry: events have no position; enable `KLV` or `metadata` at the sender");
            }
        }
    }
}

fn start(config: &UdpConfig, sender: mpsc::Sender<Message>) -> Result<Pipeline, IngestError> {
    let pipeline = Pipeline::new(8)?;
    let source = pipeline.add("udpsrc")?;
    source.set_property("address", config.address.to_string());
    source.set_property("port", i32::from(config.port));
    source.set_property("buffer-size", SOCKET_BYTES);
    let caps = gst::Caps::builder("video/mpegts").field("systemstream", true).build();
    source.set_property("caps", caps);
    name_metadata(&source)?;
    let demux = pipeline.add("tsdemux")?;
    source.link(&demux).map_err(gstreamer_error)?;
    let linked = AtomicBool::new(false);
    let (inner, sink, klv) = (pipeline.inner.downgrade(), pipeline.sink.downgrade(), sender.clone());
    demux.connect_pad_added(move |_, pad| {
        let (Some(pipeline), Some(sink)) = (inner.upgrade(), sink.upgrade()) else { return };
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let name = caps.structure(0).map(|s| s.name().to_string());
        let joined = match codec_of(&caps) {
            Some(codec) if !linked.swap(true, Ordering::Relaxed) => {
                join(&pipeline, pad, &[parser_of(codec)], &sink)
            }
            None if name.as_deref() == Some(KLV) => {
                let sender = klv.clone();
                klv_sink(&pipeline, pad, move |pts, bytes| {
                    sender.blocking_send(Message::Klv(pts, bytes)).map_err(|_| gst::FlowError::Eos)
                })
            }
            _ => return,
        };
        if let Err(error) = joined {
            gst::element_error!(sink, gst::CoreError::Pad, ("{}", error));
        }
    });
    let sender = Arc::new(sender);
    pipeline.sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let Some(unit) = unit(&sample, MediaTime(0)) else { return Ok(gst::FlowSuccess::Ok) };
                sender.blocking_send(Message::Unit(unit)).map_err(|_| gst::FlowError::Eos)?;
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    pipeline.set_state(gst::State::Playing)?;
    Ok(pipeline)
}

/// Makes synchronous KLV known to the demultiplexer, which otherwise drops it without a word.
fn name_metadata(source: &gst::Element) -> Result<(), IngestError> {
    let pad = source.static_pad("src").ok_or_else(|| gstreamer_error("udpsrc has no pad"))?;
    let patch = Mutex::new(MetadataPatch::default());
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer_mut() {
            let mut patch = patch.lock();
            let needed = buffer.map_readable().is_ok_and(|bytes| patch.is_needed(&bytes));
            if needed && let Ok(mut bytes) = buffer.make_mut().map_writable() {
                patch.apply(&mut bytes);
            }
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

pub(super) fn address(config: &UdpConfig) -> String {
    format!("udp {}", std::net::SocketAddr::new(config.address, config.port))
}

fn explain(config: &UdpConfig, error: &gst::message::Error) -> IngestError {
    let (address, what) = (address(config), error.error().to_string());
    match error.error().kind::<gst::ResourceError>() {
        Some(
            gst::ResourceError::OpenRead
            | gst::ResourceError::OpenWrite
            | gst::ResourceError::OpenReadWrite
            | gst::ResourceError::Settings
            | gst::ResourceError::Busy,
        ) => IngestError::Refused { address, what },
        _ => IngestError::Protocol { address, what },
    }
}
