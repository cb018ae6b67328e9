//! Passes messages and data between the library and the camera, and logs in on the way.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::budget::Budget;
use super::datagrams::Datagrams;
use super::login::Login;
use super::message::Message;
use super::refusal::Refusal;
use super::split::{Piece, Splitter};
use crate::config::RtspConfig;

/// Requests without an answer that are remembered.
const PENDING: usize = 16;
/// The name that the camera sees.
const USER_AGENT: &str = "Lintel";

pub(super) struct Session {
    /// The beginning of addresses here, and the camera's in its place.
    here: String,
    camera: String,
    user_agent: String,
    login: Option<Login>,
    budget: Arc<Budget>,
    pending: VecDeque<Pending>,
    /// Number of the next request to the camera.
    next: u32,
    datagrams: JoinSet<Result<(), Refusal>>,
}

/// A request on its way.
struct Pending {
    number: u32,
    /// The client's own number.
    client_number: String,
    request: Message,
    signed_again: bool,
    ports: Option<Datagrams>,
}

impl Session {
    pub fn new(config: &RtspConfig, here: String, user_agent: String, budget: Arc<Budget>) -> Self {
        let port = config.url.port().map_or(String::new(), |port| format!(":{port}"));
        Self {
            here,
            camera: format!("rtsp://{}{port}", config.url.host_str().unwrap_or_default()),
            user_agent,
            login: Login::of(config),
            budget,
            pending: VecDeque::new(),
            next: 1,
            datagrams: JoinSet::new(),
        }
    }

    /// Until one side hangs up.
    ///
    /// # Errors
    /// Why the connection must be cut.
    pub async fn run(&mut self, client: &mut TcpStream, camera: &mut TcpStream) -> Result<(), Refusal> {
        let addresses = (camera.local_addr(), camera.peer_addr());
        let (Ok(local), Ok(peer)) = addresses else { return Err(Refusal::Closed) };
        let (local, peer) = (local.ip(), peer.ip());
        let _ = (client.set_nodelay(true), camera.set_nodelay(true));
        let (mut from_client, mut to_client) = client.split();
        let (mut from_camera, mut to_camera) = camera.split();
        let (mut requests, mut answers) = (Splitter::default(), Splitter::default());
        self.pending.clear();
        loop {
            tokio::select! {
                piece = answers.next(&mut from_camera) => match piece? {
                    None => return Ok(()),
                    Some(Piece::Data(data)) => {
                        self.budget.charge(data.len())?;
                        to_client.write_all(&data).await.map_err(|_| Refusal::Closed)?;
                    }
                    Some(Piece::Message(message)) => match self.answer(message, peer)? {
                        Turn::Camera(again) => send(&mut to_camera, &again).await?,
                        Turn::Client(answer) => {
                            let bytes = answer.to_bytes();
                            self.budget.charge(bytes.len())?;
                            to_client.write_all(&bytes).await.map_err(|_| Refusal::Closed)?;
                        }
                    },
                },
                piece = requests.next(&mut from_client) => match piece? {
                    None => return Ok(()),
                    Some(Piece::Data(data)) => {
                        to_camera.write_all(&data).await.map_err(|_| Refusal::Closed)?;
                    }
                    Some(Piece::Message(message)) => {
                        let request = self.request(message, local).await?;
                        send(&mut to_camera, &request).await?;
                    }
                },
                Some(ended) = self.datagrams.join_next() => match ended {
                    Ok(ended) => ended?,
                    Err(_) => return Err(Refusal::Closed),
                },
            }
        }
    }

    /// The request as the camera gets it.
    async fn request(&mut self, mut message: Message, local: IpAddr) -> Result<Message, Refusal> {
        let Some((_, uri)) = message.request() else { return Ok(message) };
        if message.value("User-Agent") != Some(self.user_agent.as_str()) {
            return Err(Refusal::Closed);
        }
        if let Some(path) = uri.strip_prefix(&self.here) {
            let uri = format!("{}{path}", self.camera);
            message.set_uri(&uri);
        }
        message.set("User-Agent", USER_AGENT);
        let transport = message.value("Transport").map(str::to_owned);
        let client = transport.as_deref().and_then(|t| ports(t, "client_port"));
        let mut bound = None;
        if let (Some(transport), Some(client)) = (transport, client) {
            let datagrams = Datagrams::bind(local, client).await.map_err(|_| Refusal::Closed)?;
            message.set("Transport", &with_ports(&transport, "client_port", datagrams.port()));
            bound = Some(datagrams);
        }
        let client_number = message.value("CSeq").unwrap_or_default().to_owned();
        let number = self.number(&mut message);
        if let Some(login) = &mut self.login {
            login.sign(&mut message);
        }
        if self.pending.len() == PENDING {
            self.pending.pop_front();
        }
        let request = message.clone();
        self.pending.push_back(Pending { number, client_number, request, signed_again: false, ports: bound });
        Ok(message)
    }

    /// An answer of the camera, or a request of its own.
    fn answer(&mut self, mut message: Message, peer: IpAddr) -> Result<Turn, Refusal> {
        let Some(status) = message.status() else { return Ok(Turn::Client(message)) };
        if (300..400).contains(&status) {
            return Err(Refusal::Elsewhere(
                message.value("Location").unwrap_or("an unnamed place").to_owned(),
            ));
        }
        let number = message.value("CSeq").and_then(|number| number.parse().ok());
        let Some(at) = self.pending.iter().position(|p| Some(p.number) == number) else {
            return Ok(Turn::Client(message));
        };
        let Some(mut pending) = self.pending.remove(at) else { return Ok(Turn::Client(message)) };
        if status == 401
            && !pending.signed_again
            && let Some(login) = &mut self.login
        {
            login.challenged(&message)?;
            if login.sign(&mut pending.request) {
                let again = &mut pending.request;
                pending.number = self.next;
                again.set("CSeq", &self.next.to_string());
                self.next = self.next.wrapping_add(1);
                let again = again.clone();
                self.pending.push_back(Pending { signed_again: true, ..pending });
                return Ok(Turn::Camera(again));
            }
        }
        message.set("CSeq", &pending.client_number);
        if let Some(datagrams) = pending.ports
            && let Some(transport) = message.value("Transport").map(str::to_owned)
            && let Some(ports) = ports(&transport, "server_port")
        {
            let said = parameter(&transport, "source").and_then(|source| source.parse().ok());
            message.set("Transport", &with_ports(&transport, "server_port", datagrams.client_side_port()));
            datagrams.forward(said.unwrap_or(peer), ports, &self.budget, &mut self.datagrams);
        }
        Ok(Turn::Client(message))
    }

    fn number(&mut self, message: &mut Message) -> u32 {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        message.set("CSeq", &number.to_string());
        number
    }
}

/// Whose turn it is after an answer of the camera.
enum Turn {
    Client(Message),
    /// The same request again, with a proof.
    Camera(Message),
}

async fn send(to: &mut (impl AsyncWriteExt + Unpin), message: &Message) -> Result<(), Refusal> {
    to.write_all(&message.to_bytes()).await.map_err(|_| Refusal::Closed)
}

/// A parameter of a `Transport` header (RFC 2326, 12.39).
fn parameter<'a>(transport: &'a str, name: &str) -> Option<&'a str> {
    let parameters = transport.split(';').filter_map(|p| p.trim().split_once('='));
    parameters.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The ports of RTP and RTCP.
fn ports(transport: &str, name: &str) -> Option<[u16; 2]> {
    let value = parameter(transport, name)?;
    let (rtp, rtcp) = value.split_once('-').unwrap_or((value, ""));
    let rtp: u16 = rtp.trim().parse().ok()?;
    Some([rtp, rtcp.trim().parse().ok().or(rtp.checked_add(1))?])
}

/// With other ports, and without addresses: both sides of the relay are at the other end of the connection.
fn with_ports(transport: &str, name: &str, rtp: u16) -> String {
    let named = |parameter: &str| parameter.split_once('=').map(|(n, _)| n.trim().to_ascii_lowercase());
    let kept = transport.split(';').filter_map(|parameter| match named(parameter).as_deref() {
        Some("source" | "destination") => None,
        Some(n) if n == name => Some(format!("{name}={rtp}-{}", rtp + 1)),
        _ => Some(parameter.to_owned()),
    });
    kept.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_are_read_and_get_other_ports() {
        let answer = "RTP/AVP/UDP;unicast;source=10.0.0.9;client_port=4-5;server_port=6970-6971;ssrc=1F";
        assert_eq!(ports(answer, "server_port"), Some([6970, 6971]));
        assert_eq!(ports("RTP/AVP;unicast;client_port=8000", "client_port"), Some([8000, 8001]));
        assert_eq!(ports("RTP/AVP/TCP;interleaved=0-1", "client_port"), None);
        assert_eq!(ports("RTP/AVP;client_port=65535", "client_port"), None);
        assert_eq!(parameter(answer, "source"), Some("10.0.0.9"));
        assert_eq!(
            with_ports(answer, "server_port", 40),
            "RTP/AVP/UDP;unicast;client_port=4-5;server_port=40-41;ssrc=1F"
        );
    }
}
