//! One SOAP request over HTTP/1.1, bounded in time and bytes.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::error::AskError;
use crate::base::error_chain;

/// From the connection to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// The largest answer.
const MOST_BYTES: usize = 1 << 20;

pub(super) struct Answer {
    pub status: u16,
    /// Values of `WWW-Authenticate`.
    pub challenges: Vec<String>,
    pub body: Vec<u8>,
}

/// Host and port, for messages.
pub(super) fn place(at: &Url) -> String {
    format!("{}:{}", at.host_str().unwrap_or_default(), at.port_or_known_default().unwrap_or(80))
}

/// Posts an envelope and takes the answer, whatever its status.
///
/// # Errors
/// There is no answer, or it is too long.
pub(super) async fn post(
    at: &Url,
    action: &str,
    envelope: String,
    authorization: Option<&str>,
) -> Result<Answer, AskError> {
    if at.scheme() != "http" {
        return Err(AskError::OnlyHttps { at: place(at) });
    }
    let timeout = AskError::Timeout { at: place(at), seconds: PATIENCE.as_secs() };
    let exchange = exchange(at, action, envelope, authorization);
    tokio::time::timeout(PATIENCE, exchange).await.unwrap_or(Err(timeout))
}

async fn exchange(
    at: &Url,
    action: &str,
    envelope: String,
    authorization: Option<&str>,
) -> Result<Answer, AskError> {
    let broken = |error: &dyn std::error::Error| AskError::Broken { at: place(at), what: error_chain(error) };
    let host = at.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, at.port_or_known_default().unwrap_or(80)))
        .await
        .map_err(|error| AskError::Refused { at: place(at), what: error.to_string() })?;
    // Some devices do not know a header that is written in small letters.
    let (mut sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
    let path = &at[url::Position::BeforePath..url::Position::AfterQuery];
    let mut request = Request::post(if path.is_empty() { "/" } else { path })
        .header(HOST, at.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
        .header(CONTENT_TYPE, format!("application/soap+xml; charset=utf-8; action=\"{action}\""))
        .header(CONNECTION, "close");
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let request = request.body(Full::new(Bytes::from(envelope))).map_err(|error| broken(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let status = answer.status().as_u16();
    let challenges = answer.headers().get_all(WWW_AUTHENTICATE).into_iter();
    let challenges = challenges.filter_map(|value| Some(value.to_str().ok()?.to_owned())).collect();
    let body =
        Limited::new(answer.into_body(), MOST_BYTES).collect().await.map_err(|error| match error
            .downcast_ref::<LengthLimitError>(
        ) {
            Some(_) => AskError::TooLong { at: place(at), mib: MOST_BYTES >> 20 },
            None => broken(&*error),
        })?;
    Ok(Answer { status, challenges, body: body.to_bytes().into() })
}
