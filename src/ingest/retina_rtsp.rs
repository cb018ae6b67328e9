//! RTSP by the retina crate, no thread per camera. Its depacketisers are not used: they keep one parameter set
//! of a kind, know no random access point but an IDR, and end the connection at one packet that they cannot
//! read (docs/design/rtsp.md).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use retina::client::{
    InitialSequenceNumberPolicy, InitialTimestampPolicy, PacketItem, PlayOptions, Playing, Session,
    SessionGroup, SessionOptions, SetupOptions, TcpTransportOptions, UdpTransportOptions,
    UnknownRtcpSsrcPolicy,
};
use tokio::time::MissedTickBehavior;

use super::IngestError;
use super::depacketizer::{Depacketizer, Packet};
use super::intake::Intake;
use super::relay::Relay;
use super::rtsp::{address, codec_of};
use super::sdp;
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

/// The library forgets to wake its reader after a request of the camera, so it is asked again after this.
const TICK: Duration = Duration::from_millis(200);
/// So many packets in a row that cannot be read are no accident: the camera has begun another stream.
const MOST_UNREADABLE: u32 = 100;

enum Never {}

async fn session(
    config: &RtspConfig,
    relay: &Relay,
    intake: &mut Intake,
    group: Arc<SessionGroup>,
) -> Result<Never, IngestError> {
    let (mut playing, mut reader) = open(config, relay, intake, group).await?;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = tokio::time::Instant::now();
    let mut unreadable = 0;
    loop {
        let item = tokio::select! {
            item = playing.next() => item,
            now = tick.tick() => {
                if now.saturating_duration_since(heard) >= config.stall_timeout {
                    return Err(stalled(config));
                }
                continue;
            }
        };
        match item {
            None => return Err(IngestError::Ended { address: address(config) }),
            Some(Err(error)) => {
                unreadable += 1;
                if !is_about_a_packet(&error) || unreadable > MOST_UNREADABLE {
                    return Err(explain(config, &error));
                }
                intake.unreadable_packets(1);
            }
            Some(Ok(PacketItem::Rtp(packet))) => {
                unreadable = 0;
                let payload = Packet {
                    payload: packet.payload(),
                    time: media_time(packet.timestamp()),
                    mark: packet.mark(),
                    lost: u64::from(packet.loss()),
                };
                reader.push(&payload, &mut |unit| {
                    heard = tokio::time::Instant::now();
                    relay.unit_came();
                    intake.live(unit);
                });
                intake.unreadable_packets(reader.take_unreadable());
                if intake.wants_new_connection() {
                    return Err(IngestError::ClockSet { address: address(config) });
                }
            }
            Some(Ok(PacketItem::Rtcp(packets))) => {
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

async fn open(
    config: &RtspConfig,
    relay: &Relay,
    intake: &mut Intake,
    group: Arc<SessionGroup>,
) -> Result<(Session<Playing>, Depacketizer), IngestError> {
    let options = SessionOptions::default().session_group(group).user_agent(relay.user_agent.clone());
    let mut session = in_time(config, Session::describe(relay.url.clone(), options)).await?;
    let wanted = session
        .streams()
        .iter()
        .enumerate()
        .filter(|(_, stream)| stream.media() == "video")
        .find_map(|(number, stream)| Some((number, codec_of(stream.encoding_name())?)));
    let Some((number, codec)) = wanted else {
        return Err(IngestError::Unsupported { address: address(config), found: offered(session.streams()) });
    };
    for set in sdp::parameter_sets(session.sdp(), number) {
        intake.parameter_set(codec, &set);
    }
    let transport = match config.transport {
        Transport::Udp | Transport::GstreamerUdp => {
            retina::client::Transport::Udp(UdpTransportOptions::default())
        }
        Transport::Auto | Transport::Tcp | Transport::GstreamerTcp => {
            retina::client::Transport::Tcp(TcpTransportOptions::default())
        }
    };
    in_time(config, session.setup(number, SetupOptions::default().transport(transport))).await?;
    // Cheap cameras often send wrong values for all three in RTP-Info.
    let play = PlayOptions::default()
        .initial_timestamp(InitialTimestampPolicy::Permissive)
        .initial_seq(InitialSequenceNumberPolicy::Ignore)
        .unknown_rtcp_ssrc(UnknownRtcpSsrcPolicy::ProcessPackets);
    let playing = in_time(config, session.play(play)).await?;
    Ok((playing, Depacketizer::new(codec)))
}

/// Reading goes on after an error about one packet. Only such an error names the packet.
fn is_about_a_packet(error: &retina::Error) -> bool {
    error.to_string().contains("\npkt: ")
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
        Transport::Auto | Transport::Tcp | Transport::GstreamerTcp => "",
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
        Some(461) => IngestError::UdpOnly { address },
        Some(status @ (453 | 503)) => IngestError::Busy { address, status },
        Some(_) => IngestError::Protocol { address, what },
        None if what.starts_with("Error reading from RTSP peer") || what.starts_with("Error writing") => {
            IngestError::Ended { address }
        }
        None => IngestError::Protocol { address, what },
    }
}
