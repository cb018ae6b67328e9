//! RTSP by the retina crate: no thread per camera, and one copy per access unit, to assemble it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use retina::client::{
    Demuxed, InitialSequenceNumberPolicy, InitialTimestampPolicy, PlayOptions, Session, SessionGroup,
    SessionOptions, SetupOptions, TcpTransportOptions, UdpTransportOptions, UnknownRtcpSsrcPolicy,
};
use retina::codec::{CodecItem, FrameFormat, ParametersRef};

use super::IngestError;
use super::access_unit::AccessUnit;
use super::intake::Intake;
use super::relay::Relay;
use super::rtsp::{address, codec_of};
use super::timing::ntp_to_wall;
use crate::base::{MediaTime, Shutdown};
use crate::config::{RtspConfig, Transport};

/// Time for a broken connection to tear down. A camera that still holds the old session may refuse a new one.
const TEARDOWN: Duration = Duration::from_secs(1);

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
    let group = Arc::new(SessionGroup::default().named(intake.camera().to_string()));
    let result = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        failure = session(config, &relay, intake, group.clone()) => {
            failure.map(|never| match never {}).map_err(|error| relay.reason_of(error))
        }
    };
    // The session is already dropped, which sends TEARDOWN in the background.
    let torn_down = tokio::time::timeout(TEARDOWN, group.await_teardown()).await;
    tracing::debug!(torn_down = matches!(torn_down, Ok(Ok(()))), "session ended");
    result
}

enum Never {}

async fn session(
    config: &RtspConfig,
    relay: &Relay,
    intake: &mut Intake,
    group: Arc<SessionGroup>,
) -> Result<Never, IngestError> {
    let mut demuxed = open(config, relay, group).await?;
    let mut deadline = tokio::time::Instant::now() + config.stall_timeout;
    loop {
        let Ok(item) = tokio::time::timeout_at(deadline, demuxed.next()).await else {
            return Err(stalled(config));
        };
        match item {
            None => return Err(IngestError::Ended { address: address(config) }),
            Some(Err(error)) => return Err(explain(config, &error)),
            Some(Ok(CodecItem::VideoFrame(frame))) => {
                relay.unit_came();
                deadline = tokio::time::Instant::now() + config.stall_timeout;
                let stream = &demuxed.streams()[frame.stream_id()];
                let Some(codec) = codec_of(stream.encoding_name()) else { continue };
                let size = match stream.parameters() {
                    Some(ParametersRef::Video(video)) => Some(video.pixel_dimensions()),
                    _ => None,
                };
                let raw_pts = media_time(frame.timestamp());
                let lost_packets = u64::from(frame.loss());
                intake.live(AccessUnit {
                    codec,
                    data: frame.into_data().into(),
                    raw_pts,
                    size,
                    lost_packets,
                });
                if intake.wants_new_connection() {
                    return Err(IngestError::ClockSet { address: address(config) });
                }
            }
            Some(Ok(CodecItem::Rtcp(packets))) => {
                let report = packets.pkts().next().and_then(|p| p.as_sender_report().ok().flatten());
                if let (Some(time), Some(report)) = (packets.rtp_timestamp(), report) {
                    let ntp = report.ntp_timestamp().0;
                    // Zero means "no clock" (RFC 3550, 6.4.1).
                    if ntp != 0 {
                        intake.sender_report(media_time(time), ntp_to_wall(ntp));
                    }
                }
            }
            Some(Ok(_)) => {}
        }
    }
}

async fn open(config: &RtspConfig, relay: &Relay, group: Arc<SessionGroup>) -> Result<Demuxed, IngestError> {
    let options = SessionOptions::default().session_group(group).user_agent(relay.user_agent.clone());
    let mut session = in_time(config, Session::describe(relay.url.clone(), options)).await?;
    let wanted = session
        .streams()
        .iter()
        .position(|s| s.media() == "video" && codec_of(s.encoding_name()).is_some())
        .ok_or_else(|| IngestError::Unsupported {
            address: address(config),
            found: offered(session.streams()),
        })?;
    let transport = match config.transport {
        Transport::Udp | Transport::GstreamerUdp => {
            retina::client::Transport::Udp(UdpTransportOptions::default())
        }
        Transport::Tcp | Transport::GstreamerTcp => {
            retina::client::Transport::Tcp(TcpTransportOptions::default())
        }
    };
    let setup = SetupOptions::default().transport(transport).frame_format(FrameFormat::SIMPLE);
    in_time(config, session.setup(wanted, setup)).await?;
    // Cheap cameras often send wrong values for all three in RTP-Info.
    let play = PlayOptions::default()
        .initial_timestamp(InitialTimestampPolicy::Permissive)
        .initial_seq(InitialSequenceNumberPolicy::Ignore)
        .unknown_rtcp_ssrc(UnknownRtcpSsrcPolicy::ProcessPackets);
    let playing = in_time(config, session.play(play)).await?;
    playing.demuxed().map_err(|error| explain(config, &error))
}

async fn in_time<T>(
    config: &RtspConfig,
    step: impl Future<Output = Result<T, retina::Error>>,
) -> Result<T, IngestError> {
    match tokio::time::timeout(config.stall_timeout, step).await {
        Ok(done) => done.map_err(|error| explain(config, &error)),
        Err(_) => Err(IngestError::Timeout { address: address(config), after: config.stall_timeout }),
    }
}

fn offered(streams: &[retina::client::Stream]) -> String {
    let names: Vec<String> =
        streams.iter().map(|s| format!("{} {}", s.media(), s.encoding_name().to_uppercase())).collect();
    if names.is_empty() { "no stream".into() } else { names.join(", ") }
}

fn stalled(config: &RtspConfig) -> IngestError {
    let hint = match config.transport {
        Transport::Udp | Transport::GstreamerUdp => "; if it never sends, try transport = \"tcp\"",
        Transport::Tcp | Transport::GstreamerTcp => "",
    };
    IngestError::Stalled { address: address(config), after: config.stall_timeout, hint }
}

fn media_time(time: retina::Timestamp) -> MediaTime {
    let micros = i128::from(time.timestamp()) * 1_000_000 / i128::from(time.clock_rate().get());
    MediaTime(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// retina does not expose its kinds of error. Beside the status code only the first words of the message
/// distinguish them.
fn explain(config: &RtspConfig, error: &retina::Error) -> IngestError {
    let address = address(config);
    let text = error.to_string();
    // The lines after the first describe the packet. They go to the debug log only.
    tracing::debug!(%address, "{text}");
    let what = text.lines().next().unwrap_or_default().to_owned();
    match error.status_code() {
        Some(401 | 403) if config.username.is_some() => IngestError::WrongPassword { address },
        Some(401 | 403) => IngestError::PasswordMissing { address },
        Some(404) => IngestError::NotFound { address },
        Some(_) => IngestError::Protocol { address, what },
        None if what.starts_with("Error reading from RTSP peer") || what.starts_with("Error writing") => {
            IngestError::Ended { address }
        }
        None => IngestError::Protocol { address, what },
    }
}
