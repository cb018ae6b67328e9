//! Who may send a command, and whether it is fresh. Pure.
//!
//! A proof is the HMAC-SHA256 (RFC 2104) of the topic, a line feed and the payload, in lower-case hex. It comes in the
//! MQTT 5 user property `proof`, and the sender's name in `issuer`. The topic is part of it, so a command for one node
//! proves nothing to another.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::base::WallTime;
use crate::config::CommandsConfig;
use crate::wire::{Command, ReplyError};

/// A sender's clock may be ahead by this much.
const AHEAD_US: i64 = 5 * 60 * 1_000_000;

/// A command as it came.
pub(super) struct Claim<'a> {
    pub topic: &'a str,
    /// The last part of the topic.
    pub name: &'a str,
    pub payload: &'a [u8],
    pub issuer: Option<&'a str>,
    pub proof: Option<&'a str>,
}

/// The proved sender; `None` if the config names none, so that the broker's access rules decide.
///
/// # Errors
/// Why the command is refused.
pub(super) fn check_sender(config: &CommandsConfig, claim: &Claim<'_>) -> Result<Option<String>, ReplyError> {
    if config.issuers.is_empty() {
        return Ok(None);
    }
    let refuse = |reason: String, help: &str| ReplyError { reason, help: help.to_owned() };
    let (Some(name), Some(proof)) = (claim.issuer, claim.proof) else {
        let help = "send the MQTT 5 user properties `issuer` and `proof` (docs/mqtt.md)";
        return Err(refuse("the command has no proof of its sender".to_owned(), help));
    };
    let issuer = config.issuers.iter().find(|issuer| issuer.name == name);
    let proved = issuer.filter(|issuer| is_proof(issuer.key.expose(), claim, proof));
    // The same answer for an unknown name, so that names cannot be tried out.
    let Some(issuer) = proved else {
        let help = "check `issuer`, its key, and that topic and payload are proved byte for byte";
        return Err(refuse("the proof of the sender is wrong".to_owned(), help));
    };
    if issuer.may.as_ref().is_some_and(|may| !may.iter().any(|command| command == claim.name)) {
        let reason = format!("`{}` may not send `{}`", issuer.name, claim.name);
        return Err(refuse(reason, "add it to `may` of this issuer in the node's config"));
    }
    Ok(Some(issuer.name.clone()))
}

fn is_proof(key: &str, claim: &Claim<'_>, proof: &str) -> bool {
    // An empty key is that of a config that was read without its secrets.
    let (false, Some(proof)) = (key.is_empty(), from_hex(proof)) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return false };
    mac.update(claim.topic.as_bytes());
    mac.update(b"\n");
    mac.update(claim.payload);
    mac.verify_slice(&proof).is_ok()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// Whether a command may still be carried out. With a proved sender it must say its id and when it was sent, or it
/// could be sent again by whoever has read it.
///
/// # Errors
/// Why it is refused.
pub(super) fn check_age(
    config: &CommandsConfig,
    command: &Command,
    proved: bool,
    now: WallTime,
) -> Result<(), ReplyError> {
    let refuse = |reason: String, help: &str| Err(ReplyError { reason, help: help.to_owned() });
    if proved && (command.id().is_none() || command.issued_at().is_none()) {
        let help = "a proved command needs both, so that nobody can send it a second time";
        return refuse("the command has no `id` or no `issued_at`".to_owned(), help);
    }
    let Some(text) = command.issued_at() else { return Ok(()) };
    let Ok(issued) = text.parse::<jiff::Timestamp>() else {
        return refuse("`issued_at` is not a time".to_owned(), "RFC 3339, for example 2026-12-01T08:30:00Z");
    };
    let issued = WallTime::from(issued);
    if now.since(issued) > config.max_age {
        let reason = format!("the command is of {issued}, and the node's clock says {now}: it is too old");
        return refuse(reason, "send it anew with another id; `commands.max_age` is the limit");
    }
    if issued.0.saturating_sub(now.0) > AHEAD_US {
        let reason = format!("the command is of {issued}, and the node's clock says only {now}");
        return refuse(reason, "set the clock of the sender, or of the node");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Issuer, Secret};

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const TOPIC: &str = "lintel/v1/box/command/confirmed";
    const PAYLOAD: &[u8] = b"{\"id\":\"7\"}";
    /// By Python: hmac.new(KEY, TOPIC + b"\n" + PAYLOAD, "sha256").hexdigest().
    const PROOF: &str = "f0dba5edcbea6f05b353855a5b8ebad4861eb35110fea2c7278173e446e364bf";

    fn config(may: Option<&[&str]>) -> CommandsConfig {
        let may = may.map(|may| may.iter().map(|name| (*name).to_owned()).collect());
        CommandsConfig {
            reply_prefixes: Vec::new(),
            max_age: Duration::from_secs(3_600),
            max_ignore_days: 90.0,
            issuers: vec![Issuer { name: "city".into(), key: Secret::new(KEY.to_owned()), may }],
        }
    }

    fn claim<'a>(
        topic: &'a str,
        payload: &'a [u8],
        issuer: Option<&'a str>,
        proof: Option<&'a str>,
    ) -> Claim<'a> {
        let name = topic.rsplit('/').next().expect("a name");
        Claim { topic, name, payload, issuer, proof }
    }

    #[test]
    fn only_the_proof_of_this_command_for_this_node_by_this_sender_counts() {
        let good = claim(TOPIC, PAYLOAD, Some("city"), Some(PROOF));
        assert_eq!(check_sender(&config(None), &good), Ok(Some("city".to_owned())));
        assert_eq!(check_sender(&config(Some(&["confirmed"])), &good), Ok(Some("city".to_owned())));
        let nobody = CommandsConfig { issuers: Vec::new(), ..config(None) };
        assert_eq!(check_sender(&nobody, &claim(TOPIC, PAYLOAD, None, None)), Ok(None));
        let other = "lintel/v1/other/command/confirmed";
        let short = &PROOF[..10];
        for (bad, part) in [
            (claim(TOPIC, PAYLOAD, None, None), "no proof"),
            (claim(TOPIC, PAYLOAD, Some("city"), None), "no proof"),
            (claim(TOPIC, b"{\"id\":\"8\"}", Some("city"), Some(PROOF)), "proof of the sender is wrong"),
            (claim(other, PAYLOAD, Some("city"), Some(PROOF)), "proof of the sender is wrong"),
            (claim(TOPIC, PAYLOAD, Some("town"), Some(PROOF)), "proof of the sender is wrong"),
            (claim(TOPIC, PAYLOAD, Some("city"), Some(short)), "proof of the sender is wrong"),
            (claim(TOPIC, PAYLOAD, Some("city"), Some("zz")), "proof of the sender is wrong"),
        ] {
            let error = check_sender(&config(None), &bad).expect_err("refused");
            assert!(error.reason.contains(part), "{error:?}");
        }
        let error = check_sender(&config(Some(&["lead"])), &good).expect_err("refused");
        assert!(error.reason.contains("may not send `confirmed`"), "{error:?}");
        let mut unread = config(None);
        unread.issuers[0].key = Secret::new(String::new());
        assert!(check_sender(&unread, &good).is_err(), "a key that was not read proves nothing");
    }

    #[test]
    fn old_commands_and_proved_ones_without_id_or_time_are_refused() {
        let now = WallTime::from("2026-12-01T12:00:00Z".parse::<jiff::Timestamp>().expect("a time"));
        let check = |fields: &str, proved: bool| {
            let payload = format!("{{\"camera\": \"gate\"{fields}}}");
            let command = Command::parse("calibration", payload.as_bytes()).expect("a command");
            check_age(&config(None), &command, proved, now).map_err(|error| error.reason)
        };
        let at = |time: &str| format!(", \"id\": \"7\", \"issued_at\": \"{time}\"");
        assert_eq!(check("", false), Ok(()));
        assert_eq!(check(&at("2026-12-01T11:30:00Z"), true), Ok(()));
        assert_eq!(check(&at("2026-12-01T20:04:00+08:00"), true), Ok(()));
        for (fields, proved, part) in [
            (at("2026-12-01T10:59:00Z"), false, "too old"),
            (at("2026-12-01T12:06:00Z"), false, "says only"),
            (at("yesterday"), false, "not a time"),
            (String::new(), true, "no `id`"),
            (", \"id\": \"7\"".to_owned(), true, "no `issued_at`"),
        ] {
            let reason = check(&fields, proved).expect_err("refused");
            assert!(reason.contains(part), "{reason}");
        }
    }
}
