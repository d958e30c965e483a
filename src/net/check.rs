//! Whether a client can be built from a section, and if not, where the section is wrong.

use std::path::Path;

use super::error::NetError;
use super::exchange::HttpClient;
use super::settings::HttpSettings;
use super::tls::{self, TlsSettings};
use crate::config::HttpClientConfig;
use crate::config::http::TlsConfig;
use crate::config::redact::redact_url;
use crate::config::yaml::Place;
use crate::model::Diagnostic;

/// Builds the client that a section describes, and looks for the files it will read.
///
/// # Errors
/// What keeps a client from being built or would fail each of its requests, with its place.
pub fn check(config: &HttpClientConfig) -> Result<(), Diagnostic> {
    HttpClient::new(&HttpSettings::from(config)).map_err(|e| describe(config, &e))?;
    check_secret_files(config)
}

/// Looks for the files of secrets, which are read at each request.
///
/// # Errors
/// The first that is not there.
pub fn check_secret_files(config: &HttpClientConfig) -> Result<(), Diagnostic> {
    match secret_files(config).into_iter().find(|(_, _, path)| !Path::new(path).is_file()) {
        Some((place, key, path)) => Err(place.error(key, format!("unable to read file {path}: no such file"))),
        None => Ok(()),
    }
}

/// Builds what a `tls_config` describes.
///
/// # Errors
/// What is wrong with it, with its place.
pub fn check_tls(config: &TlsConfig) -> Result<(), Diagnostic> {
    let references = [("ca_ref", &config.ca_ref), ("cert_ref", &config.cert_ref), ("key_ref", &config.key_ref)];
    if let Some((key, _)) = references.into_iter().find(|(_, reference)| !reference.is_empty()) {
        return Err(config.place.error(key, NetError::SecretReference(key).to_string()));
    }
    tls::client_config(&TlsSettings::from(config), false).map(drop).map_err(|e| {
        let key = match &e {
            NetError::File { what, path, .. } => key_of_file(config, what, path).unwrap_or_default(),
            _ => "",
        };
        config.place.error(key, e.to_string())
    })
}

/// The place of what keeps a client from being built.
pub fn describe(config: &HttpClientConfig, error: &NetError) -> Diagnostic {
    let (place, key) = cause(config, error).unwrap_or((&config.place, ""));
    place.error(key, error.to_string())
}

fn cause<'a>(config: &'a HttpClientConfig, error: &NetError) -> Option<(&'a Place, &'static str)> {
    let tls = || std::iter::once(&config.tls_config).chain(config.oauth2.iter().map(|o| &o.tls_config));
    match error {
        NetError::SecretReference(key) => {
            let sections = config.basic_auth.iter().map(|b| &b.place);
            let sections = sections.chain(config.authorization.iter().map(|a| &a.place));
            let mut sections = sections.chain(config.oauth2.iter().map(|o| &o.place)).chain(tls().map(|t| &t.place));
            sections.find(|place| place.has(key)).map(|place| (place, *key))
        }
        NetError::File { what, path, .. } => tls().find_map(|tls| Some((&tls.place, key_of_file(tls, what, path)?))),
        NetError::Tls(_) => tls().find(|tls| tls.place.is_known()).map(|tls| (&tls.place, "")),
        NetError::Url { url, .. } => {
            let is = |text: &str| !text.is_empty() && redact_url(text) == *url;
            if is(&config.proxy.proxy_url) {
                return Some((&config.place, "proxy_url"));
            }
            let oauth2 = config.oauth2.as_deref()?;
            Some((&oauth2.place, if is(&oauth2.proxy.proxy_url) { "proxy_url" } else { "token_url" }))
        }
        NetError::Header(name) if config.http_headers.contains_key(name) => Some((&config.place, "http_headers")),
        NetError::Header(_) => Some((&config.place, "proxy_connect_header")),
        NetError::Unsupported(_) => config.oauth2.as_deref().map(|o| (&o.place, "signature_algorithm")),
        NetError::Transport(_) | NetError::Timeout => None,
    }
}

/// Which key names a file, or holds in itself what could not be used.
fn key_of_file(tls: &TlsConfig, what: &str, path: &str) -> Option<&'static str> {
    let files = [("ca_file", &tls.ca_file), ("cert_file", &tls.cert_file), ("key_file", &tls.key_file)];
    let named = files.into_iter().find(|(_, file)| *file == path).map(|(key, _)| key);
    let inline = match what {
        "private key" => "key",
        _ if tls.ca.is_empty() => "cert",
        _ => "ca",
    };
    named.or_else(|| (tls.place.has(inline) && path == tls::INLINE).then_some(inline))
}

/// The files of secrets that are read at each request.
fn secret_files(config: &HttpClientConfig) -> Vec<(&Place, &'static str, &String)> {
    let mut files = Vec::new();
    if let Some(basic) = &config.basic_auth {
        files.push((&basic.place, "username_file", &basic.username_file));
        files.push((&basic.place, "password_file", &basic.password_file));
    }
    if let Some(authorization) = &config.authorization {
        let old = authorization.place.has("bearer_token_file");
        let key = if old { "bearer_token_file" } else { "credentials_file" };
        files.push((&authorization.place, key, &authorization.credentials_file));
    }
    if let Some(oauth2) = &config.oauth2 {
        files.push((&oauth2.place, "client_secret_file", &oauth2.client_secret_file));
        files.push((&oauth2.place, "client_certificate_key_file", &oauth2.client_certificate_key_file));
    }
    let headers = config.http_headers.values().flat_map(|h| &h.files);
    files.extend(headers.map(|path| (&config.place, "http_headers", path)));
    files.retain(|(_, _, path)| !path.is_empty());
    files
}
