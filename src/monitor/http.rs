//! `/metrics` (Prometheus text) and `/health` (JSON) on a thread of its own, so that a busy pipeline cannot hide.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::metrics;
use super::snapshot::NodeSnapshot;
use crate::base::Shutdown;

type Source = Arc<dyn Fn() -> NodeSnapshot + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    #[error("cannot listen on http.listen = {address}: {source}; choose a free port or set listen = \"off\"")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot start the HTTP thread: {0}")]
    Thread(std::io::Error),
}

pub struct HttpServer {
    address: SocketAddr,
    thread: JoinHandle<()>,
}

impl HttpServer {
    /// Serves until `shutdown`. `source` is asked at each request.
    ///
    /// # Errors
    /// The address is taken or not this machine's.
    pub fn start(listen: SocketAddr, source: Source, shutdown: Shutdown) -> Result<Self, MonitorError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(MonitorError::Thread)?;
        let failed = |source| MonitorError::Listen { address: listen, source };
        let listener = runtime.block_on(TcpListener::bind(listen)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let router = router(source);
        let serve = move || {
            let stop = async move { shutdown.cancelled().await };
            let served =
                runtime.block_on(async { axum::serve(listener, router).with_graceful_shutdown(stop).await });
            if let Err(error) = served {
                tracing::error!(%error, "metrics and health are gone: the HTTP server ended");
            }
        };
        let thread =
            std::thread::Builder::new().name("http".into()).spawn(serve).map_err(MonitorError::Thread)?;
        Ok(Self { address, thread })
    }

    /// Where it listens; the port is the real one where the config said 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the HTTP thread panicked");
        }
    }
}

fn router(source: Source) -> Router {
    let for_health = Arc::clone(&source);
    Router::new()
        .route("/metrics", get(move || std::future::ready(metrics_response(&source))))
        .route("/health", get(move || std::future::ready(health_response(&for_health()))))
}

fn metrics_response(source: &Source) -> axum::response::Response {
    match metrics::render(Arc::clone(source)) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// 200 while the node works, 503 while it does not; the body says which cameras are down either way.
fn health_response(node: &NodeSnapshot) -> axum::response::Response {
    let status = if node.healthy() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    match serde_json::to_string_pretty(node) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
