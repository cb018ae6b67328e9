//! The folder of a model: its manifest `model.toml`, and the file of its network.

use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::ModelError;
use crate::base::{Syntax, read_text, stray_hint};

/// A key of a manifest, and what is wrong with its value.
pub(crate) type WrongValue = (String, String);

#[derive(Clone, Debug)]
pub(crate) struct ModelFolder(PathBuf);

impl ModelFolder {
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_path_buf())
    }

    /// The manifest file.
    pub fn manifest(&self) -> PathBuf {
        self.0.join("model.toml")
    }

    /// Reads the manifest.
    ///
    /// # Errors
    /// It is missing, or a key is.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ModelError> {
        let path = self.manifest();
        let text = read_text(&path).map_err(|cause| ModelError::NoManifest { path: path.clone(), cause })?;
        toml::from_str(&text).map_err(|e| {
            let reason = stray_hint(&text, Syntax::Toml).unwrap_or_else(|| e.to_string().trim_end().into());
            ModelError::Syntax { path, reason }
        })
    }

    /// The network's file, after reading all of it for its hash.
    ///
    /// # Errors
    /// It cannot be read, or has another hash than `sha256`.
    pub fn checked_file(&self, name: &str, sha256: &str) -> Result<PathBuf, ModelError> {
        let path = self.0.join(name);
        let actual = sha256_of(&path).map_err(|cause| ModelError::NoFile {
            manifest: self.manifest(),
            path: path.clone(),
            cause,
        })?;
        if actual.eq_ignore_ascii_case(sha256) {
            return Ok(path);
        }
        Err(ModelError::Hash { manifest: self.manifest(), path, expected: sha256.to_owned(), actual })
    }

    pub fn wrong(&self, (key, problem): WrongValue) -> ModelError {
        ModelError::Value { manifest: self.manifest(), key, problem }
    }
}

/// Checks the name and hash of a network's file.
///
/// # Errors
/// The key and the problem of its value.
pub(crate) fn check_file(file: &str, sha256: &str) -> Result<(), WrongValue> {
    if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(("sha256".into(), "needs 64 hexadecimal digits, as sha256sum prints them".into()));
    }
    if file.is_empty() || Path::new(file).components().count() != 1 {
        return Err(("file".into(), format!("\"{file}\" is not the name of a file in the model's folder")));
    }
    Ok(())
}

/// # Errors
/// The key and the problem of its value.
pub(crate) fn check_threads(threads: usize) -> Result<(), WrongValue> {
    let fits = (1..=64).contains(&threads);
    if fits { Ok(()) } else { Err(("runtime.threads".into(), format!("{threads} is not in 1 to 64"))) }
}

fn sha256_of(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block)? {
            0 => break,
            n => hash.update(&block[..n]),
        }
    }
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}
