//! RTP and RTCP over UDP between a camera and the RTSP client, counted on the way.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::budget::Budget;
use super::refusal::Refusal;

const PAIR_ATTEMPTS: usize = 50;
/// The largest datagram.
const DATAGRAM_BYTES: usize = 1 << 16;

/// The ports of one stream on both sides of the relay.
pub(super) struct Datagrams {
    to_camera: Pair,
    to_client: Pair,
    /// The client's ports.
    client: [u16; 2],
}

/// An even port for RTP, and the next one for RTCP (RFC 3550, 11).
struct Pair {
    sockets: [Arc<UdpSocket>; 2],
    port: u16,
}

impl Pair {
    async fn bind(ip: IpAddr) -> std::io::Result<Self> {
        for _ in 0..PAIR_ATTEMPTS {
            let rtp = UdpSocket::bind((ip, 0)).await?;
            let port = rtp.local_addr()?.port();
            if port % 2 == 0
                && let Ok(rtcp) = UdpSocket::bind((ip, port + 1)).await
            {
                return Ok(Self { sockets: [Arc::new(rtp), Arc::new(rtcp)], port });
            }
        }
        Err(std::io::Error::other("no pair of free UDP ports"))
    }
}

impl Datagrams {
    /// Takes ports on the interface with the address `local` and on the loopback interface.
    pub async fn bind(local: IpAddr, client: [u16; 2]) -> std::io::Result<Self> {
        let (to_camera, to_client) =
            (Pair::bind(local).await?, Pair::bind(Ipv4Addr::LOCALHOST.into()).await?);
        Ok(Self { to_camera, to_client, client })
    }

    /// The port that the camera sends to.
    pub fn port(&self) -> u16 {
        self.to_camera.port
    }

    /// The port that the client sends to.
    pub fn client_side_port(&self) -> u16 {
        self.to_client.port
    }

    /// Forwards both ways, from `camera` only. `ports`: the camera's.
    pub fn forward(
        self,
        camera: IpAddr,
        ports: [u16; 2],
        budget: &Arc<Budget>,
        tasks: &mut JoinSet<Result<(), Refusal>>,
    ) {
        for (i, port) in ports.into_iter().enumerate() {
            let (outer, inner) = (self.to_camera.sockets[i].clone(), self.to_client.sockets[i].clone());
            let client = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.client[i]);
            let counted = Some(budget.clone());
            tasks.spawn(pass(outer.clone(), camera, inner.clone(), client, counted));
            tasks.spawn(pass(inner, client.ip(), outer, SocketAddr::new(camera, port), None));
        }
    }
}

async fn pass(
    from: Arc<UdpSocket>,
    sender: IpAddr,
    through: Arc<UdpSocket>,
    to: SocketAddr,
    budget: Option<Arc<Budget>>,
) -> Result<(), Refusal> {
    let mut datagram = vec![0; DATAGRAM_BYTES];
    loop {
        let (length, who) = from.recv_from(&mut datagram).await.map_err(|_| Refusal::Closed)?;
        if who.ip() != sender {
            continue;
        }
        if let Some(budget) = &budget {
            budget.charge(length)?;
        }
        // What nobody takes is lost, as everywhere on UDP.
        drop(through.send_to(&datagram[..length], to).await);
    }
}
