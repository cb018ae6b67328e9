//! Passwords, from where the operator keeps them. No message has one in it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Builder;
use super::input::Secrets;
use crate::base::{ascii_of, read_text};
use crate::config::problem::Problem;
use crate::config::raw::At;
use crate::config::types::Secret;

/// The three ways to name a password.
pub(super) struct Kept<'r> {
    pub(super) env: Option<&'r At<String>>,
    pub(super) file: Option<&'r At<String>>,
    pub(super) credential: Option<&'r At<String>>,
}

impl Kept<'_> {
    pub(super) fn first(&self) -> Option<&At<String>> {
        self.env.or(self.file).or(self.credential)
    }
}

impl Builder<'_, '_> {
    /// `None` without a password, or with a problem on the list.
    pub(super) fn password(&mut self, kept: &Kept<'_>) -> Option<Secret> {
        let ways: Vec<&At<String>> = [kept.env, kept.file, kept.credential].into_iter().flatten().collect();
        if let [first, second, ..] = ways.as_slice() {
            self.report(
                Problem::new(&second.span, "the password is named twice")
                    .also(&first.span, "and here")
                    .help("keep one of `password_env`, `password_file` and `password_credential`"),
            );
            return None;
        }
        if self.secrets == Secrets::Leave {
            return None;
        }
        let fetched = match kept {
            Kept { env: Some(name), .. } => from_env(name),
            Kept { file: Some(name), .. } => {
                let path = self.path(name);
                self.secret_files.push(path.clone());
                if std::fs::metadata(&path).is_ok_and(|m| m.permissions().mode() & 0o007 != 0) {
                    let warning =
                        format!("every user of this machine can read {}: chmod 600", path.display());
                    self.warnings.push((name.span.clone(), warning));
                }
                from_file(name, &path)
            }
            Kept { credential: Some(name), .. } => from_credential(name),
            _ => return None,
        };
        let password = self.keep(fetched)?;
        if let Some(name) = kept.first().filter(|_| looks_pasted(&password)) {
            let warning =
                "the password begins or ends with a space, or holds full-width characters; is that meant?";
            self.warnings.push((name.span.clone(), warning.to_owned()));
        }
        Some(Secret::new(password))
    }
}

fn looks_pasted(password: &str) -> bool {
    password.trim() != password || password.chars().any(|c| ascii_of(c).is_some())
}

fn from_env(name: &At<String>) -> Result<String, Problem> {
    match std::env::var(name.as_str()) {
        Ok(value) if !value.is_empty() => Ok(value),
        Ok(_) => Err(Problem::new(&name.span, format!("the environment variable {} is empty", **name))
            .help("set it to the password")),
        Err(_) => Err(Problem::new(&name.span, format!("the environment variable {} is not set", **name)).help(
            "set it before starting lintel, for example in the file that systemd's EnvironmentFile= names, or use `password_file`",
        )),
    }
}

fn from_file(name: &At<String>, path: &Path) -> Result<String, Problem> {
    let text = read_text(path).map_err(|error| {
        Problem::new(&name.span, format!("cannot read the password file {}: {error}", path.display()))
            .help("make it, readable by the user that lintel runs as and by nobody else (chmod 600)")
    })?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(Problem::new(&name.span, format!("the password file {} is empty", path.display()))
            .help("its first line is the password")),
    }
}

/// systemd.exec(5), LoadCredential=: a file in the folder that `CREDENTIALS_DIRECTORY` names.
fn from_credential(name: &At<String>) -> Result<String, Problem> {
    let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
        return Err(Problem::new(
            &name.span,
            "systemd gave no credentials: CREDENTIALS_DIRECTORY is not set",
        )
        .help(format!(
            "start lintel by systemd with `LoadCredential={}:/path`, or use `password_file`",
            **name
        )));
    };
    if name.contains('/') || name.starts_with('.') {
        return Err(Problem::new(&name.span, "a credential has a plain name, not a path"));
    }
    from_file(name, &Path::new(&folder).join(name.as_str()))
}
