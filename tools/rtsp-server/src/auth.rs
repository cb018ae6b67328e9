//! One user, by basic (RFC 7617) or digest (RFC 7616 with MD5, as cameras do) authentication.

use gstreamer as gst;
use gstreamer_rtsp_server::gst_rtsp::RTSPAuthMethod;
use gstreamer_rtsp_server::prelude::*;
use gstreamer_rtsp_server::{RTSPAuth, RTSPMediaFactory, RTSPToken};

const ROLE: &str = "viewer";

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Method {
    Basic,
    Digest,
}

/// Admits only `user`.
pub fn required(method: Method, user: &str, password: &str) -> RTSPAuth {
    let auth = RTSPAuth::new();
    let token = RTSPToken::builder().field("media.factory.role", ROLE).build();
    match method {
        Method::Basic => {
            auth.set_supported_methods(RTSPAuthMethod::Basic);
            auth.add_basic(&RTSPAuth::make_basic(user, password), &token);
        }
        Method::Digest => {
            auth.set_supported_methods(RTSPAuthMethod::Digest);
            auth.add_digest(user, password, &token);
        }
    }
    auth
}

/// Opens a path to clients that passed [`required`]. Without this the server hides the path from all.
pub fn open_to_viewers(factory: &RTSPMediaFactory) {
    let role = gst::Structure::builder(ROLE)
        .field("media.factory.access", true)
        .field("media.factory.construct", true)
        .build();
    factory.add_role_from_structure(&role);
}
