//! A camera on its way into the config.

use std::path::PathBuf;

use url::Url;

use crate::config::Secret;

/// As it was given, or found by ONVIF.
pub(super) struct Candidate {
    /// The id or the name that the user gave it.
    pub wish: Option<String>,
    /// Without user and password.
    pub url: Url,
    pub login: Option<Login>,
    /// What people should know of it, one line each.
    pub notes: Vec<String>,
}

/// A user of a camera, and where the config finds the password.
#[derive(Clone)]
pub(super) struct Login {
    pub user: String,
    pub password: Option<(Secret, Place)>,
}

/// Where a password is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Env(String),
    /// A file that the user names, as an absolute path.
    File(PathBuf),
    /// It stood in an address, so it goes to a file of its own beside the config.
    Beside,
}

/// A camera with its id.
pub(super) struct Camera {
    pub id: String,
    pub name: Option<String>,
    pub url: Url,
    pub login: Option<Login>,
    pub notes: Vec<String>,
}

impl Camera {
    /// Where a password that stood in the address is kept, relative to the config.
    pub fn password_file(&self) -> Option<(String, &Secret)> {
        match self.login.as_ref()?.password.as_ref()? {
            (password, Place::Beside) => Some((password_file(&self.id), password)),
            _ => None,
        }
    }
}

/// Relative to the config.
fn password_file(id: &str) -> String {
    format!("secrets/camera-{id}.password")
}

/// A device of which no stream is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unasked {
    pub host: String,
    /// What happened, and what to do.
    pub why: String,
}
