//! Stores pictures of a place from before anything changed there.

use std::sync::Arc;

use crate::base::error_chain;
use crate::decode::Picture;
use crate::evidence::before;
use crate::scene::{BeforePicture, KeepBefore};

/// Writes to the disk in the calling thread. A failure is logged; the next picture is due an hour later.
pub(super) fn before_keeper() -> KeepBefore {
    Arc::new(|picture: &Picture, wanted: &BeforePicture| {
        if let Err(error) = before::keep(picture, wanted) {
            tracing::warn!("cannot store a picture for later comparison: {}", error_chain(&error));
        }
    })
}
