//! Why a device told no stream, worded for the one who stands before it.

use super::xml::XmlError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("cannot connect to {at}: {what}; check the address and that ONVIF is switched on in the device")]
    Refused { at: String, what: String },
    #[error("{at} did not answer within {seconds} s; check the address and the network")]
    Timeout { at: String, seconds: u64 },
    #[error(
        "{at} has only an encrypted service (https), which is not asked; give the camera's rtsp:// address"
    )]
    OnlyHttps { at: String },
    #[error("the connection to {at} broke off: {what}; is it a camera with ONVIF?")]
    Broken { at: String, what: String },
    #[error("{at} answered with more than {mib} MiB, so the answer was cut off; is it the camera?")]
    TooLong { at: String, mib: usize },
    #[error("{at} answered with HTTP status {status}; check that ONVIF is switched on in the device")]
    Status { at: String, status: u16 },
    #[error("the answer of {at} cannot be read: {why}; is it a camera with ONVIF?")]
    Unreadable { at: String, why: XmlError },
    #[error(
        "{at} asks for a user: give --username and --password-env. Many cameras have users of their own for ONVIF, \
         made in their web page"
    )]
    PasswordMissing { at: String },
    #[error(
        "{at} refuses the user or password: correct --username and --password-env. Many cameras have users of \
         their own for ONVIF, made in their web page"
    )]
    PasswordRefused { at: String },
    #[error("{at} says: {reason}")]
    Fault { at: String, reason: String },
    #[error("{at} {what}; give its rtsp:// address if you know it")]
    Nothing { at: String, what: String },
}
