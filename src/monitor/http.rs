//! `/metrics` (Prometheus text) and `/health` (JSON) on its own thread, so that it answers
//! while the pipeline is busy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::connections::Connections;
use super::figures::{self, Figure};
use super::metrics;
use super::snapshot::NodeSnapshot;
use crate::base::Shutdown;

/// How long a stop waits for answers on the way.
const FAREWELL: Duration = Duration::from_millis(200);
/// How long a connection lives.
const LIFE: Duration = Duration::from_secs(10);

type Source = Arc<dyn Fn() -> NodeSnapshot + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error(
        "cannot listen on {address}: {cause}; choose a free port of this machine (http.listen, --metrics)"
    )]
    Listen { address: SocketAddr, cause: std::io::Error },
    #[error("cannot start the HTTP thread: {0}")]
    Thread(std::io::Error),
}

pub struct HttpServer {
    address: SocketAddr,
    thread: JoinHandle<()>,
}

impl HttpServer {
    /// Serves until `shutdown`. Each request calls `source` for a new snapshot.
    ///
    /// # Errors
    /// The address is in use or does not belong to this machine.
    pub fn start(listen: SocketAddr, source: Source, shutdown: Shutdown) -> Result<Self, HttpError> {
        Self::serve(listen, router(source), LIFE, shutdown)
    }

    /// Serves `/metrics` alone until `shutdown`. Each request calls `source` for the figures.
    ///
    /// # Errors
    /// The address is in use or does not belong to this machine.
    pub fn figures(
        listen: SocketAddr,
        source: impl Fn() -> Vec<Figure> + Clone + Send + Sync + 'static,
        shutdown: Shutdown,
    ) -> Result<Self, HttpError> {
        let answer = move || std::future::ready(text_response(figures::render(source())));
        Self::serve(listen, Router::new().route("/metrics", get(answer)), LIFE, shutdown)
    }

    fn serve(
        listen: SocketAddr,
        router: Router,
        life: Duration,
        shutdown: Shutdown,
    ) -> Result<Self, HttpError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(HttpError::Thread)?;
        let failed = |cause| HttpError::Listen { address: listen, cause };
        let listener = runtime.block_on(TcpListener::bind(listen)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let serve = move || {
            runtime.block_on(async {
                tokio::select! {
                    served = axum::serve(Connections::new(listener, life), router).into_future() => if let Err(error) = served {
                        tracing::error!(%error, "the HTTP server ended: no metrics and no health until a restart");
                    },
                    // Answers take milliseconds. Whoever has sent half a request is not waited for.
                    () = async { shutdown.cancelled().await; tokio::time::sleep(FAREWELL).await } => {}
                }
            });
            runtime.shutdown_background();
        };
        let thread =
            std::thread::Builder::new().name("http".into()).spawn(serve).map_err(HttpError::Thread)?;
        Ok(Self { address, thread })
    }

    /// The address that it listens on, with the real port if the config says 0.
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
        .fallback(|| std::future::ready((StatusCode::NOT_FOUND, "lintel serves /health and /metrics here\n")))
}

fn metrics_response(source: &Source) -> axum::response::Response {
    text_response(metrics::render(Arc::clone(source)))
}

fn text_response(text: Result<String, std::fmt::Error>) -> axum::response::Response {
    match text {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// 200 while the node works, otherwise 503. The body lists the cameras that are down in both cases.
fn health_response(node: &NodeSnapshot) -> axum::response::Response {
    let status = if node.healthy() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    match serde_json::to_string_pretty(node) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;
    use crate::base::monotonic;

    fn start() -> (HttpServer, Shutdown) {
        let stop = Shutdown::new();
        let router = Router::new().route("/health", get(|| std::future::ready("well")));
        let listen = "127.0.0.1:0".parse().expect("an address");
        (HttpServer::serve(listen, router, Duration::from_secs(1), stop.clone()).expect("listens"), stop)
    }

    fn half_a_request(server: &HttpServer) -> TcpStream {
        let mut client = TcpStream::connect(server.address()).expect("connects");
        client.write_all(b"GET /health HTTP/1.1\r\nHost: ").expect("sent");
        client
    }

    #[test]
    fn half_a_request_does_not_hold_the_stop_up() {
        let (server, stop) = start();
        let _client = half_a_request(&server);
        std::thread::sleep(Duration::from_millis(100));
        let began = monotonic();
        stop.stop();
        server.join();
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }

    #[test]
    fn hundreds_of_half_requests_take_few_places_and_give_them_back() {
        let (server, stop) = start();
        let before = open_files();
        let _clients: Vec<_> = (0..200).map(|_| half_a_request(&server)).collect();
        std::thread::sleep(Duration::from_millis(300));
        // One for each client here, and few for the server's side of them.
        let taken = open_files() - before - 200;
        assert!(taken <= 40, "{taken} file descriptors of the server");
        let mut honest = TcpStream::connect(server.address()).expect("connects");
        honest.set_read_timeout(Some(Duration::from_secs(90))).expect("set");
        honest.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        honest.read_to_string(&mut answer).expect("an answer after those before it are cut off");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("well"), "{answer}");
        stop.stop();
        server.join();
    }

    fn open_files() -> usize {
        std::fs::read_dir("/proc/self/fd").expect("fds").count()
    }
}
