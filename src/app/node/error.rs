//! Errors that keep a node from starting, worded for operators.

use crate::decode::DecodeError;
use crate::detect::ModelError;
use crate::evidence::EvidenceError;
use crate::monitor::HttpError;
use crate::outbox::OutboxError;
use crate::publish::PublishError;
use crate::scene::SiteError;

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("cannot create node.data_dir {path}: {cause}; check its parent's owner and rights")]
    DataDir { path: String, cause: std::io::Error },
    #[error("the tokio runtime does not start: {0}")]
    Runtime(std::io::Error),
    #[error("a thread does not start: {0}")]
    Thread(std::io::Error),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Ingest(#[from] crate::ingest::IngestError),
}
