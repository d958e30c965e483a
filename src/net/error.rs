//! Why something did not go out.

use std::error::Error as _;

/// Why a client cannot be built or a request cannot be sent. No text holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The configuration asks for what is not there.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// A secret stands in a secret manager: Alertmanager has none either, and does not start.
    #[error("{0}: cannot use a secret reference without a secret manager; give the secret or a file")]
    SecretReference(&'static str),
    /// A certificate, key or CA file is missing or unreadable.
    #[error("{what} {path}: {reason}")]
    File {
        /// What the file is for.
        what: &'static str,
        /// Where it should be.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The TLS settings contradict each other or are refused.
    #[error("TLS: {0}")]
    Tls(String),
    /// A header cannot be sent.
    #[error("header {0:?} is not valid")]
    Header(String),
    /// The URL cannot be read; the text leaves user information out.
    #[error("URL {url:?}: {reason}")]
    Url {
        /// The URL, redacted.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The request failed on its way.
    #[error("{0}")]
    Transport(String),
    /// The request took longer than its time limit.
    #[error("context deadline exceeded")]
    Timeout,
}

impl From<reqwest::Error> for NetError {
    fn from(e: reqwest::Error) -> Self {
        if e.is_timeout() {
            return NetError::Timeout;
        }
        // reqwest's own text names the URL, which may hold secrets; the causes below it do not.
        let e = e.without_url();
        let mut text = e.to_string();
        let mut cause = e.source();
        while let Some(c) = cause {
            text = format!("{text}: {c}");
            cause = c.source();
        }
        NetError::Transport(text)
    }
}
