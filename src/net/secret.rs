//! Credentials: in the configuration, or in a file that is read when needed.

use std::fmt;
use std::path::PathBuf;

use reqwest::header::HeaderValue;

use super::error::NetError;

/// A secret, or the file that holds it. `Debug` shows neither a secret nor its length.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// Given in the configuration.
    Inline(String),
    /// In a file, without the blanks and line feeds around it.
    File(PathBuf),
}

impl Credential {
    /// A value or a file, whichever is given.
    pub fn given(inline: &str, file: &str) -> Option<Self> {
        match (inline, file) {
            ("", "") => None,
            ("", file) => Some(Credential::File(file.into())),
            (inline, _) => Some(Credential::Inline(inline.to_owned())),
        }
    }

    /// The secret.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self) -> Result<String, NetError> {
        match self {
            Credential::Inline(secret) => Ok(secret.clone()),
            Credential::File(path) => match std::fs::read_to_string(path) {
                Ok(secret) => Ok(secret.trim().to_owned()),
                Err(e) => Err(NetError::File {
                    what: "unable to read file",
                    path: path.display().to_string(),
                    reason: e.to_string(),
                }),
            },
        }
    }
}

/// A header's value that is not shown.
pub(super) fn header_value(name: &str, value: &str) -> Result<HeaderValue, NetError> {
    let mut value = HeaderValue::try_from(value).map_err(|_| NetError::Header(name.to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

impl From<&str> for Credential {
    fn from(secret: &str) -> Self {
        Credential::Inline(secret.to_owned())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credential::Inline(_) => f.write_str("<secret>"),
            Credential::File(path) => write!(f, "file {}", path.display()),
        }
    }
}
