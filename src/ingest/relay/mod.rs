//! Between a camera and the RTSP library that reads it: a server on the loopback interface that passes on what both
//! say.
//!
//! RTSP libraries buffer without bound, answer whoever asks for a password, and follow redirections. So they get no
//! password and connect to nobody but this relay. Takes: the config of a camera. Gives: the address to connect to.
//! When full: cuts the connection of a camera that sends more than the bounds of `split.rs` and `budget.rs`.
//! On failure: the reason takes the place of the library's error.
//! Not here: RTP, descriptions, what a broken message means.

mod budget;
mod datagrams;
mod login;
mod message;
mod refusal;
mod session;
mod split;

use std::net::Ipv4Addr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::IngestError;
use super::rtsp::{address, port};
use crate::config::RtspConfig;

use budget::Budget;
use refusal::Refusal;
use session::Session;

/// One connection to a camera. Ends when dropped.
pub(super) struct Relay {
    config: RtspConfig,
    /// Where the library connects to.
    pub url: url::Url,
    /// What the library must call itself, so that no other program of this machine uses the login.
    pub user_agent: String,
    budget: Arc<Budget>,
    refusal: Arc<Mutex<Option<Refusal>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Relay {
    /// Connects to the camera and waits for the library.
    ///
    /// # Errors
    /// The camera cannot be reached within `stall_timeout`.
    pub async fn open(config: &RtspConfig) -> Result<Self, IngestError> {
        let refused = |error: std::io::Error| IngestError::Refused {
            address: address(config),
            what: error.to_string(),
        };
        let camera = connect(config).await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(refused)?;
        let here = listener.local_addr().map_err(refused)?;
        let mut url = config.url.clone();
        // Fails for addresses without a host only, and a camera's has one.
        let _ = url.set_ip_host(here.ip());
        let _ = url.set_port(Some(here.port()));
        let user_agent = format!("Lintel {:032x}", rand::random::<u128>());
        let budget = Arc::new(Budget::new());
        let refusal = Arc::new(Mutex::new(None));
        let session = Session::new(config, format!("rtsp://{here}"), user_agent.clone(), budget.clone());
        let serving = serve(listener, camera, config.clone(), session, refusal.clone());
        let _serving = AbortOnDropHandle::new(tokio::spawn(serving));
        Ok(Self { config: config.clone(), url, user_agent, budget, refusal, _serving })
    }

    /// An access unit came out of the library.
    pub fn unit_came(&self) {
        self.budget.settle();
    }

    /// The relay's reason to have cut the connection, or else the library's.
    pub fn reason_of(&self, error: IngestError) -> IngestError {
        let address = address(&self.config);
        let cut = |what: String| IngestError::Flood { address: address.clone(), what };
        match self.refusal.lock().take() {
            None | Some(Refusal::Closed) => error,
            Some(Refusal::LongHead) => cut(format!("headers of more than {} KiB", split::HEAD_BYTES >> 10)),
            Some(Refusal::LongBody) => cut(format!("a message of more than {} KiB", split::BODY_BYTES >> 10)),
            Some(Refusal::NoPicture(bytes)) => cut(format!("{} MiB without a whole picture", bytes >> 20)),
            Some(Refusal::OnlyBasic) => IngestError::BasicOnly { address },
            Some(Refusal::Elsewhere(to)) => IngestError::Redirected { address, to },
        }
    }
}

async fn connect(config: &RtspConfig) -> Result<TcpStream, IngestError> {
    let host = config.url.host_str().unwrap_or_default();
    // An IPv6 address stands in brackets in a URL only.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match tokio::time::timeout(config.stall_timeout, TcpStream::connect((host, port(config)))).await {
        Ok(connected) => connected
            .map_err(|error| IngestError::Refused { address: address(config), what: error.to_string() }),
        Err(_) => Err(IngestError::Timeout { address: address(config), after: config.stall_timeout }),
    }
}

/// Serves one connection of the library after the other: some need a second one to end their session.
async fn serve(
    listener: TcpListener,
    camera: TcpStream,
    config: RtspConfig,
    mut session: Session,
    refusal: Arc<Mutex<Option<Refusal>>>,
) {
    let mut first = Some(camera);
    while let Ok((client, _)) = listener.accept().await {
        let camera = match first.take() {
            Some(camera) => camera,
            None => match connect(&config).await {
                Ok(camera) => camera,
                // The library sees a closed connection.
                Err(_) => continue,
            },
        };
        // Held until the reason is there, so that the library's error comes after it.
        let (mut client, mut camera) = (client, camera);
        match session.run(&mut client, &mut camera).await {
            Ok(()) | Err(Refusal::Closed) => {}
            Err(cut) => {
                *refusal.lock() = Some(cut);
                return;
            }
        }
    }
}
