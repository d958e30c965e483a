//! HTTP out: one way to build clients, with TLS by rustls and ring, and one way to authenticate, for scrapes, remote
//! write, remote datasources and receivers. No error and no `Debug` text of this module shows a secret.

mod assertion;
pub mod aws;
mod body;
mod check;
pub mod cloud;
mod connections;
mod der;
pub mod descriptors;
mod error;
mod exchange;
mod host;
mod oauth2;
mod proxy;
mod secret;
mod settings;
mod signer;
mod tls;
mod veil;
mod verifier;

pub use crate::config::redact::redact_url;
pub use assertion::Assertion;
pub use body::{BodyError, Unpacker, read_body};
pub use check::{check, check_secret_files, check_tls, describe};
pub use error::NetError;
pub use exchange::HttpClient;
pub use host::hostname;
pub use oauth2::OAuth2Settings;
pub use proxy::ProxySettings;
pub use secret::Credential;
pub use settings::{Auth, HttpSettings};
pub use tls::{TlsSettings, TlsVersion, tls_client};
pub use veil::Veil;
