//! Addresses as they are given on the command line. No message repeats one: a password may stand in it.

use anyhow::{Context as _, bail};
use percent_encoding::percent_decode_str;
use url::Url;

use super::camera::{Candidate, Login, Place, Unasked};
use super::words::clean;
use crate::config::Secret;

const ESCAPES: &str =
    "in a user or a password write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25";

/// The platform's broker.
pub(super) struct Broker {
    /// Without user and password.
    pub url: String,
    pub login: Option<Login>,
}

/// A camera of the command line: `[NAME=]rtsp://[USER[:PASSWORD]@]HOST[:PORT]/PATH`. The inner error: its address
/// cannot stand in a config. `number`: its place among the cameras, from 1.
///
/// # Errors
/// It is no address of a camera.
pub(super) fn camera(text: &str, number: usize) -> anyhow::Result<Result<Candidate, Unasked>> {
    let what = || format!("camera {number} of the command line");
    let Some((before, _)) = text.split_once("://") else {
        bail!(
            "{} is no address: write rtsp://HOST/PATH or NAME=rtsp://HOST/PATH; if you do not know the path, write \
             --onvif HOST",
            what()
        );
    };
    let (wish, address) = match before.char_indices().rfind(|(_, c)| matches!(c, '=' | '＝')) {
        Some((at, sign)) => (Some(clean(&text[..at])), text[at + sign.len_utf8()..].trim()),
        None => (None, text.trim()),
    };
    let scheme = address.split("://").next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("rtsp") {
        bail!(
            "{} does not begin with rtsp://; if it is the address of an ONVIF service, write --onvif HOST",
            what()
        );
    }
    let (url, login) = split(address).with_context(what)?;
    if has_password_in_path(&url) {
        let why = "its address has a password behind the host, which would stand in the config; give the camera \
                   another user, or write the block yourself and let nobody else read the file (chmod 600)";
        let host = url.host_str().unwrap_or_default().to_owned();
        return Ok(Err(Unasked { host, why: why.to_owned() }));
    }
    let mut notes = Vec::new();
    if login.as_ref().is_some_and(|login| login.password.is_some()) {
        notes.push("its password was taken out of the address, into a file of its own".to_owned());
    }
    let wish = wish.filter(|wish| !wish.is_empty());
    Ok(Ok(Candidate { wish, url, login, notes }))
}

/// # Errors
/// It is no broker's address.
pub(super) fn broker(text: &str) -> anyhow::Result<Broker> {
    const FORM: &str = "write mqtts://HOST:8883, or mqtt://HOST:1883 without TLS";
    let (url, login) = split(text).with_context(|| format!("--broker: {FORM}"))?;
    if !matches!(url.scheme(), "mqtt" | "mqtts") || !matches!(url.path(), "" | "/") || url.query().is_some() {
        bail!("--broker is no address of an MQTT broker: {FORM}");
    }
    Ok(Broker { url: url.as_str().trim_end_matches('/').to_owned(), login })
}

/// The address without user and password, and these.
fn split(address: &str) -> anyhow::Result<(Url, Option<Login>)> {
    let mut url = Url::parse(address).with_context(|| format!("it is no address ({ESCAPES})"))?;
    if url.host_str().is_none_or(str::is_empty) {
        bail!("it names no host");
    }
    // A / in a password ends the host: what follows it would be taken for the path.
    if [url.path(), url.query().unwrap_or_default(), url.fragment().unwrap_or_default()]
        .concat()
        .contains('@')
    {
        bail!("an @ stands behind the host: {ESCAPES}");
    }
    let decoded = |part: &str| {
        let text = percent_decode_str(part).decode_utf8().context("user or password is no UTF-8")?;
        if text.chars().any(char::is_control) {
            bail!("a control character stands in user or password");
        }
        Ok(text.into_owned())
    };
    let password = url.password().filter(|p| !p.is_empty()).map(decoded).transpose()?;
    let login = match url.username() {
        "" if password.is_none() => None,
        "" => bail!("it has a password and no user"),
        user => {
            let password = password.map(|password| (Secret::new(password), Place::Beside));
            Some(Login { user: decoded(user)?, password })
        }
    };
    if url.set_username("").and_then(|()| url.set_password(None)).is_err() {
        bail!("it is no address ({ESCAPES})");
    }
    Ok((url, login))
}

/// Whether path or query name a password that is not empty, as `user=admin&password=x` or `user=a_password=x_`.
pub(super) fn has_password_in_path(url: &Url) -> bool {
    let rest = [url.path(), "?", url.query().unwrap_or_default()].concat().to_ascii_lowercase();
    ["password=", "passwd=", "pwd=", "pass="].iter().any(|key| {
        let mut values = rest.split(key).skip(1);
        values.any(|value| !value.is_empty() && !value.starts_with(['&', '_', '/', '?']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(text: &str) -> Candidate {
        camera(text, 1).expect("an address").expect("for the config")
    }

    #[test]
    fn name_address_user_and_password_are_told_apart() {
        let plain = good("rtsp://10.0.0.11/ch1?a=b=c");
        assert_eq!((plain.wish, plain.url.as_str()), (None, "rtsp://10.0.0.11/ch1?a=b=c"));
        assert!(plain.login.is_none());
        let full = good("东门＝rtsp://admin:p%40ss%2F@10.0.0.12:8554/ch1");
        assert_eq!(full.wish.as_deref(), Some("东门"));
        assert_eq!(full.url.as_str(), "rtsp://10.0.0.12:8554/ch1");
        let login = full.login.expect("a login");
        let (password, place) = login.password.expect("a password");
        assert_eq!((login.user.as_str(), password.expose(), place), ("admin", "p@ss/", Place::Beside));
        let user = good("gate=rtsp://admin@[fe80::1]/x");
        assert_eq!(user.wish.as_deref(), Some("gate"));
        assert!(user.login.is_some_and(|login| login.user == "admin" && login.password.is_none()));
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for text in [
            "10.0.0.11",
            "admin:hunter2@10.0.0.11",
            "http://admin:hunter2@10.0.0.11/onvif",
            "rtsp://admin:hunter2#x@10.0.0.11/a",
            "rtsp://admin:12/hunter2@10.0.0.11/a",
            "rtsp://admin:1?hunter2@10.0.0.11/a",
            "rtsp://a:p@ss/hunter2@10.0.0.11/a",
            "rtsp://:hunter2@10.0.0.11/a",
            "rtsp:///hunter2",
        ] {
            let error = match camera(text, 3) {
                Err(error) => format!("{error:#}"),
                Ok(_) => panic!("{text} is taken"),
            };
            assert!(error.contains("camera 3") && !error.contains("hunter2"), "{text}: {error}");
        }
        let hidden = camera("rtsp://10.0.0.9/user=admin_password=hunter2_channel=1", 1).expect("an address");
        assert!(hidden.is_err_and(|unasked| !unasked.why.contains("hunter2")));
        assert!(camera("rtsp://10.0.0.9/user=admin&password=&channel=1", 1).expect("an address").is_ok());
    }

    #[test]
    fn a_broker_is_a_host_and_a_port() {
        let good = broker("mqtts://county:hunter2@broker.example:8883").expect("a broker");
        assert_eq!(good.url, "mqtts://broker.example:8883");
        assert!(good.login.is_some_and(|login| login.user == "county" && login.password.is_some()));
        for bad in ["broker:8883", "http://broker", "mqtt://hunter2@broker/x", "mqtt://", "x"] {
            let error = broker(bad).err().map(|e| format!("{e:#}")).expect(bad);
            assert!(error.contains("--broker") && !error.contains("hunter2"), "{error}");
        }
    }
}
