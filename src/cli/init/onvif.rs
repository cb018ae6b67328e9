//! ONVIF: finds devices on the network and asks them for their streams.
//!
//! Everything that a device answers is bounded in bytes, elements and time, and none of it is believed: it is
//! asked at the address that answered, and streams are opened there.

mod device;
mod discovery;
mod error;
mod http;
mod soap;
mod xml;

use std::sync::Arc;

use tokio::sync::Semaphore;
use url::Url;

pub(super) use device::Stream;
pub(super) use discovery::find;

use super::camera::Login;
use device::Device;

/// Devices asked at the same time.
const AT_ONCE: usize = 8;

/// The host of a device, and its streams or why it told none.
pub(super) type Asked = (String, Result<Vec<Stream>, error::AskError>);

/// Asks each device service for its streams.
pub(super) async fn ask_all(services: Vec<Url>, login: Option<&Login>) -> Vec<Asked> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let asking = services.into_iter().map(|service| {
        let permits = Arc::clone(&permits);
        async move {
            // The semaphore is never closed, so this does not fail.
            let _permit = permits.acquire().await;
            let host = service.host_str().unwrap_or_default().to_owned();
            (host, Device::at(service, login).streams().await)
        }
    });
    futures::future::join_all(asking).await
}
