//! Who may send commands.

use super::Builder;
use super::secret::Kept;
use crate::config::problem::Problem;
use crate::config::raw::{At, RawCommands, RawIssuer};
use crate::config::types::{CommandsConfig, Issuer, Secret};

/// The names of all commands.
const COMMANDS: [&str; 8] =
    ["lead", "confirmed", "rejected", "rectified", "permitted", "calibration", "resend", "ignored"];
/// A shorter key can be guessed from one command that was read along.
const KEY_BYTES: usize = 32;

impl Builder<'_, '_> {
    /// `None`: a problem is on the list.
    pub(super) fn commands(&mut self, raw: &RawCommands) -> Option<CommandsConfig> {
        for prefix in &raw.reply_prefixes {
            if prefix.is_empty() || prefix.starts_with(['$', '/']) || prefix.contains(['+', '#']) {
                let problem =
                    Problem::new(&prefix.span, format!("\"{}\" is no beginning of a topic", **prefix));
                self.report(problem.help("for example \"platform/answers/\", without + and #"));
            }
        }
        let before = self.problems.len();
        let issuers: Vec<Issuer> = raw.issuers.iter().filter_map(|issuer| self.issuer(issuer)).collect();
        for (n, raw) in raw.issuers.iter().enumerate() {
            let again =
                issuers.iter().filter(|i| raw.name.as_ref().is_some_and(|name| **name == i.name)).count() > 1;
            if let (true, Some(name)) = (again && n > 0, &raw.name) {
                self.report(Problem::new(&name.span, "two issuers have one name").help("give each its own"));
            }
        }
        (self.problems.len() == before).then(|| CommandsConfig {
            reply_prefixes: raw.reply_prefixes.iter().map(|prefix| prefix.to_string()).collect(),
            max_age: raw.max_age.0,
            max_ignore_days: *raw.max_ignore_days,
            issuers,
        })
    }

    fn issuer(&mut self, raw: &RawIssuer) -> Option<Issuer> {
        let name = raw.name.as_ref()?;
        let kept = Kept {
            env: raw.key_env.as_ref(),
            file: raw.key_file.as_ref(),
            credential: raw.key_credential.as_ref(),
        };
        let Some(place) = kept.first() else {
            self.report(
                Problem::new(&name.span, "this issuer has no key")
                    .help("name one by `key_file`, `key_credential` or `key_env`: openssl rand -hex 32"),
            );
            return None;
        };
        for command in raw.may.iter().flatten() {
            if !COMMANDS.contains(&command.as_str()) {
                self.report(
                    Problem::new(&command.span, format!("there is no command `{}`", **command))
                        .help(format!("the commands are {}", COMMANDS.join(", "))),
                );
            }
        }
        let key = match self.password(&kept) {
            Some(key) if key.expose().len() < KEY_BYTES => {
                self.report(short(place));
                return None;
            }
            Some(key) => key,
            // Not to be read, or a problem is on the list. Nothing is proved by this one.
            None => Secret::new(String::new()),
        };
        let may = raw.may.as_ref().map(|may| may.iter().map(|command| command.to_string()).collect());
        Some(Issuer { name: name.to_string(), key, may })
    }
}

fn short(place: &At<String>) -> Problem {
    Problem::new(&place.span, format!("the key has less than {KEY_BYTES} characters"))
        .help("make one by: openssl rand -hex 32")
}
