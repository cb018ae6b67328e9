//! Answers a camera that asks for a password: by digest, and in the clear only where the config says so.

use std::fmt;

use http_auth::{ChallengeParser, DigestClient, PasswordParams};

use super::message::Message;
use super::refusal::Refusal;
use crate::config::{RtspConfig, Secret};

/// The user of a camera, and what the camera asked for last.
pub(super) struct Login {
    user: String,
    password: Secret,
    basic: bool,
    scheme: Option<Scheme>,
}

enum Scheme {
    Digest(Box<DigestClient>),
    Basic,
}

/// Shows no secret.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Login {
    /// `None` if the config names no user.
    pub fn of(config: &RtspConfig) -> Option<Self> {
        let password = config.password.clone().unwrap_or_else(|| Secret::new(String::new()));
        Some(Self { user: config.username.clone()?, password, basic: config.basic, scheme: None })
    }

    /// Takes the challenges of an answer with status 401. A digest is preferred.
    ///
    /// # Errors
    /// The camera wants the password in the clear, and the config does not allow it.
    pub fn challenged(&mut self, answer: &Message) -> Result<(), Refusal> {
        let (mut digest, mut basic) = (None, false);
        for value in answer.values("WWW-Authenticate") {
            for challenge in ChallengeParser::new(value).map_while(Result::ok) {
                basic |= challenge.scheme.eq_ignore_ascii_case("basic");
                digest = digest.or_else(|| DigestClient::try_from(&challenge).ok());
            }
        }
        self.scheme = match digest {
            Some(digest) => Some(Scheme::Digest(Box::new(digest))),
            None if basic && self.basic => Some(Scheme::Basic),
            None if basic => return Err(Refusal::OnlyBasic),
            None => None,
        };
        Ok(())
    }

    /// Adds the proof to a request, once the camera has asked for one. False if it has asked for nothing that is
    /// known here.
    pub fn sign(&mut self, request: &mut Message) -> bool {
        let proof = match (&mut self.scheme, request.request()) {
            (Some(Scheme::Basic), _) => {
                Ok(http_auth::basic::encode_credentials(&self.user, self.password.expose()))
            }
            (Some(Scheme::Digest(digest)), Some((method, uri))) => digest.respond(&PasswordParams {
                username: &self.user,
                password: self.password.expose(),
                uri,
                method,
                body: Some(&request.body),
            }),
            _ => return false,
        };
        if let Ok(proof) = &proof {
            request.set("Authorization", proof);
        }
        proof.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const DIGEST: &str = "WWW-Authenticate: Digest realm=\"IP Camera\", nonce=\"abc\", algorithm=\"MD5\"";
    const BASIC: &str = "WWW-Authenticate: Basic realm=\"x\"";

    /// What is sent after these challenges.
    fn answer(challenges: &[&str], basic: bool) -> Result<Option<String>, Refusal> {
        let password = Secret::new("S3cretPw".to_owned());
        let mut login = Login { user: "op".into(), password, basic, scheme: None };
        let head = format!("RTSP/1.0 401 Unauthorized\r\n{}", challenges.join("\r\n"));
        login.challenged(&Message::new(head.as_bytes(), Bytes::new()))?;
        let mut request = Message::new(b"DESCRIBE rtsp://camera/x RTSP/1.0", Bytes::new());
        let signed = login.sign(&mut request);
        let proof = request.value("Authorization").map(str::to_owned);
        assert_eq!(signed, proof.is_some());
        Ok(proof)
    }

    #[test]
    fn the_password_leaves_in_the_clear_only_where_the_config_says_so() {
        assert_eq!(answer(&[BASIC], false), Err(Refusal::OnlyBasic));
        assert_eq!(answer(&[BASIC], true), Ok(Some("Basic b3A6UzNjcmV0UHc=".into())));
        for (challenges, basic) in
            [(&[DIGEST][..], false), (&[BASIC, DIGEST], false), (&[BASIC, DIGEST], true)]
        {
            let proof = answer(challenges, basic).expect("allowed").expect("a proof");
            assert!(proof.starts_with("Digest ") && proof.contains("uri=\"rtsp://camera/x\""), "{proof}");
        }
        assert_eq!(answer(&[], true), Ok(None));
        assert_eq!(answer(&["WWW-Authenticate: Negotiate"], true), Ok(None));
    }
}
