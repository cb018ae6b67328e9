//! RTSP by GStreamer's rtspsrc, for devices that do not work with retina. Needs several threads per camera.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::StreamExt;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::IngestError;
use super::access_unit::AccessUnit;
use super::intake::Intake;
use super::pipeline::{Pipeline, gstreamer_error, join, unit};
use super::relay::Relay;
use super::rtsp::{address, codec_of};
use super::sender_reports::JitterBuffer;
use crate::base::{MediaTime, Shutdown, WallTime};
use crate::config::{RtspConfig, Transport};

enum Message {
    Unit(AccessUnit),
    Report(MediaTime, WallTime),
}

/// Messages in the channel. When it is full, rtspsrc waits.
const DEPTH: usize = 64;

/// Connects and streams until `shutdown` (`Ok`) or a failure.
pub(super) async fn stream(
    config: &RtspConfig,
    intake: &mut Intake,
    shutdown: &Shutdown,
) -> Result<(), IngestError> {
    let relay = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        relay = Relay::open(config) => relay?,
    };
    let (sender, mut messages) = mpsc::channel(DEPTH);
    let offered = Arc::new(Mutex::new(Vec::new()));
    let (settings, seen) = (config.clone(), offered.clone());
    let (url, user_agent) = (relay.url.clone(), relay.user_agent.clone());
    // A change of state may block on the network.
    let pipeline = tokio::task::spawn_blocking(move || start(&settings, &url, &user_agent, sender, seen))
        .await
        .map_err(gstreamer_error)??;
    let result = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        failure = follow(config, &relay, intake, &pipeline, &mut messages, &offered) => {
            Err(relay.reason_of(failure))
        }
    };
    // Drop the receiver first: a streaming thread that waits for room in the channel could never stop.
    drop(messages);
    if let Err(error) = tokio::task::spawn_blocking(move || drop(pipeline)).await {
        tracing::error!(%error, "rtspsrc does not stop");
    }
    result
}

async fn follow(
    config: &RtspConfig,
    relay: &Relay,
    intake: &mut Intake,
    pipeline: &Pipeline,
    messages: &mut mpsc::Receiver<Message>,
    offered: &Mutex<Vec<String>>,
) -> IngestError {
    let Some(bus) = pipeline.inner.bus() else { return gstreamer_error("a pipeline without bus") };
    let mut bus = bus.stream();
    let mut deadline = tokio::time::Instant::now() + config.stall_timeout;
    let mut connected = false;
    loop {
        tokio::select! {
            biased;
            message = messages.recv() => match message {
                Some(Message::Unit(unit)) => {
                    connected = true;
                    relay.unit_came();
                    deadline = tokio::time::Instant::now() + config.stall_timeout;
                    intake.live(unit);
                    if intake.wants_new_connection() {
                        return IngestError::ClockSet { address: address(config) };
                    }
                }
                Some(Message::Report(pts, camera)) => intake.sender_report(pts, camera),
                None => return IngestError::Ended { address: address(config) },
            },
            Some(message) = bus.next() => match message.view() {
                gst::MessageView::Error(error) => return explain(config, error, offered),
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
        }
    }
}

fn start(
    config: &RtspConfig,
    url: &url::Url,
    user_agent: &str,
    sender: mpsc::Sender<Message>,
    offered: Arc<Mutex<Vec<String>>>,
) -> Result<Pipeline, IngestError> {
    let pipeline = Pipeline::new(8)?;
    let source = pipeline.add("rtspsrc")?;
    source.set_property("location", url.as_str());
    let udp = matches!(config.transport, Transport::Udp | Transport::GstreamerUdp);
    source.set_property_from_str("protocols", if udp { "udp" } else { "tcp" });
    // The time to wait for reordered UDP packets; TCP keeps the order.
    source.set_property("latency", if udp { 200u32 } else { 0 });
    // Keep the camera's own times, so that they do not depend on the transport.
    source.set_property_from_str("buffer-mode", "none");
    source.set_property("timeout", 0u64);
    source.set_property("tcp-timeout", u64::try_from(config.stall_timeout.as_micros()).unwrap_or(0));
    source.set_property("user-agent", user_agent);

    select_video(&source, offered);
    let reports = sender.clone();
    let jitter_buffer = JitterBuffer::watch(&source, move |pts, camera| {
        // If the channel is full, skip this report: the next one comes within seconds.
        let _ = reports.try_send(Message::Report(pts, camera));
    });
    let (inner, sink) = (pipeline.inner.downgrade(), pipeline.sink.downgrade());
    source.connect_pad_added(move |_, pad| {
        let (Some(pipeline), Some(sink)) = (inner.upgrade(), sink.upgrade()) else { return };
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let elements = match encoding(&caps).as_deref().and_then(codec_of) {
            Some(super::Codec::H264) => ["rtph264depay", "h264parse"],
            Some(super::Codec::H265) => ["rtph265depay", "h265parse"],
            None => return,
        };
        if let Err(error) = join(&pipeline, pad, &elements, &sink) {
            gst::element_error!(sink, gst::CoreError::Pad, ("{}", error));
        }
    });
    let lost_before = AtomicU64::new(0);
    pipeline.sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let Some(mut unit) = unit(&sample, MediaTime(0)) else { return Ok(gst::FlowSuccess::Ok) };
                let lost = jitter_buffer.lost();
                unit.lost_packets = lost.saturating_sub(lost_before.swap(lost, Ordering::Relaxed));
                unit.lost_pictures = u64::from(unit.lost_packets > 0);
                sender.blocking_send(Message::Unit(unit)).map_err(|_| gst::FlowError::Eos)?;
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    pipeline.set_state(gst::State::Playing)?;
    Ok(pipeline)
}

/// Sets up only the first H.264 or H.265 stream: no audio, no metadata. Lists all streams in `offered`.
fn select_video(source: &gst::Element, offered: Arc<Mutex<Vec<String>>>) {
    let taken = AtomicBool::new(false);
    source.connect("select-stream", false, move |args| {
        let caps = args.get(2).and_then(|v| v.get::<gst::Caps>().ok());
        let name = caps.as_deref().and_then(encoding);
        let wanted = name.as_deref().is_some_and(|n| codec_of(n).is_some());
        offered.lock().extend(name.map(|n| n.to_uppercase()));
        Some((wanted && !taken.fetch_or(wanted, Ordering::Relaxed)).to_value())
    });
}

/// The encoding in lower case, as retina spells it (`h264`).
fn encoding(caps: &gst::CapsRef) -> Option<String> {
    let name = caps.structure(0)?.get::<String>("encoding-name").ok()?;
    Some(name.to_lowercase())
}

fn explain(config: &RtspConfig, error: &gst::message::Error, offered: &Mutex<Vec<String>>) -> IngestError {
    let address = address(config);
    let cause = error.error();
    tracing::debug!(%address, debug = ?error.debug(), "{cause}");
    let offered = offered.lock();
    if !offered.is_empty() && !offered.iter().any(|n| codec_of(&n.to_lowercase()).is_some()) {
        return IngestError::Unsupported { address, found: offered.join(", ") };
    }
    match cause.kind::<gst::ResourceError>() {
        Some(gst::ResourceError::NotAuthorized) if config.username.is_some() => {
            IngestError::WrongPassword { address }
        }
        Some(gst::ResourceError::NotAuthorized) => IngestError::PasswordMissing { address },
        Some(gst::ResourceError::NotFound) => IngestError::NotFound { address },
        Some(gst::ResourceError::Read) => IngestError::Ended { address },
        Some(
            gst::ResourceError::OpenRead | gst::ResourceError::OpenWrite | gst::ResourceError::OpenReadWrite,
        ) => IngestError::Refused { address, what: cause.to_string() },
        _ => IngestError::Protocol { address, what: cause.to_string() },
    }
}
