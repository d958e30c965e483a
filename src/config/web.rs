//! The file of `--web.config.file`, as Prometheus' exporter-toolkit reads it: TLS, users, headers.

use std::collections::BTreeMap;
use std::path::Path;

use super::http::TlsVersion;
use super::secret::{Secret, join_dir};
use super::yaml::{Decode, Decoder, GoDuration, MapReader, Node};
use crate::model::Diagnostic;
use crate::section;

section! {
    /// How HTTP is served.
    pub struct WebConfig as "web config" {
        /// TLS; plain HTTP when absent.
        tls_server_config: TlsServerConfig,
        /// HTTP/2 and headers.
        http_server_config: HttpServerConfig,
        /// Names of users and the bcrypt hashes of their passwords; whoever asks is served when there are none.
        basic_auth_users: BTreeMap<String, Secret>,
        /// How many requests are taken.
        rate_limit: RateLimit,
    }
}

section! {
    /// A bucket of requests: it holds `burst` of them, and one more comes in every `interval`.
    pub struct RateLimit as "rate_limit" {
        /// Between two requests; no limit when 0.
        interval: GoDuration,
        /// So many requests at once.
        burst: i64,
    }
}

section! {
    /// TLS of a server.
    pub struct TlsServerConfig as "tls_server_config" with check {
        /// The certificate chain, PEM.
        cert: String,
        /// The key, PEM.
        key: Secret,
        /// Authorities of clients, PEM.
        client_ca: String,
        /// File with the chain.
        cert_file: String,
        /// File with the key.
        key_file: String,
        /// File with the authorities of clients.
        client_ca_file: String,
        /// What is asked of clients.
        client_auth_type: ClientAuth,
        /// Names of which a client's certificate must have one.
        client_allowed_sans: Vec<String>,
        /// Oldest version of TLS.
        min_version: Option<TlsVersion>,
        /// Newest version of TLS.
        max_version: Option<TlsVersion>,
        /// Cipher suites of TLS 1.2, by Go's names; all that are safe when empty.
        cipher_suites: Vec<String>,
        /// Accepted: the server's order counts always.
        prefer_server_cipher_suites: bool = true,
        /// Curves, by Go's names; all that are there when empty.
        curve_preferences: Vec<String>,
    }
}

section! {
    /// HTTP of a server.
    pub struct HttpServerConfig as "http_server_config" with check {
        /// Accepted: HTTP/1.1 is spoken with everyone.
        http2: bool = true,
        /// Headers of every answer.
        headers: BTreeMap<String, String>,
    }
}

/// Whether clients must show certificates, by Go's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// They are not asked for one.
    #[default]
    NoClientCert,
    /// They are asked for one, whatever it is.
    RequestClientCert,
    /// They must show one, whatever it is.
    RequireAnyClientCert,
    /// What they show must be good.
    VerifyClientCertIfGiven,
    /// They must show one that is good.
    RequireAndVerifyClientCert,
}

const CLIENT_AUTHS: [(&str, ClientAuth); 5] = [
    ("NoClientCert", ClientAuth::NoClientCert),
    ("RequestClientCert", ClientAuth::RequestClientCert),
    ("RequireAnyClientCert", ClientAuth::RequireAnyClientCert),
    ("VerifyClientCertIfGiven", ClientAuth::VerifyClientCertIfGiven),
    ("RequireAndVerifyClientCert", ClientAuth::RequireAndVerifyClientCert),
];

impl Decode for ClientAuth {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        let text = node.text();
        // Nothing is Go's first one.
        if text == Some("") {
            return Some(ClientAuth::NoClientCert);
        }
        match CLIENT_AUTHS.iter().find(|(name, _)| Some(*name) == text) {
            Some((_, auth)) => Some(*auth),
            None => d.mismatch(node, "NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert"),
        }
    }
}

/// Headers that may be set, and the values each may have; any when none are listed.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

impl TlsServerConfig {
    /// Whether TLS is asked for.
    pub fn is_asked_for(&self) -> bool {
        *self != TlsServerConfig::default()
    }

    fn check(&mut self, m: &MapReader) {
        if !self.is_asked_for() {
            return;
        }
        let given = |text: &str, file: &str| (!text.is_empty(), !file.is_empty());
        for (what, given) in
            [("cert", given(&self.cert, &self.cert_file)), ("key", given(self.key.expose(), &self.key_file))]
        {
            match given {
                (true, true) => m.error(what, format!("only one of {what} and {what}_file may be given")),
                (false, false) => m.error(what, format!("missing one of {what} or {what}_file")),
                _ => {}
            }
        }
        let verifies = matches!(
            self.client_auth_type,
            ClientAuth::VerifyClientCertIfGiven | ClientAuth::RequireAndVerifyClientCert
        );
        let has_authority = !self.client_ca.is_empty() || !self.client_ca_file.is_empty();
        if !self.client_ca.is_empty() && !self.client_ca_file.is_empty() {
            m.error("client_ca", "only one of client_ca and client_ca_file may be given");
        }
        if has_authority && self.client_auth_type == ClientAuth::NoClientCert {
            m.error("client_auth_type", "client authorities are given, but client_auth_type asks for no certificate");
        }
        if verifies && !has_authority {
            m.error("client_auth_type", "it needs client_ca or client_ca_file");
        }
    }
}

impl HttpServerConfig {
    fn check(&mut self, m: &MapReader) {
        for (name, value) in &self.headers {
            let known = HEADERS.iter().find(|(known, _)| known == name);
            match known {
                None => {
                    let names: Vec<&str> = HEADERS.iter().map(|(name, _)| *name).collect();
                    m.error(
                        "headers",
                        format!("HTTP header {name:?} can not be configured, only {}", names.join(", ")),
                    );
                }
                Some((_, values)) if !value.is_empty() && !values.is_empty() && !values.contains(&value.as_str()) => {
                    m.error(
                        "headers",
                        format!("invalid value for {name}: {value:?}, expected {}", values.join(" or ")),
                    );
                }
                Some(_) => {}
            }
        }
    }
}

impl WebConfig {
    /// Reads a file; names of files in it are relative to its folder.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load_file(path: &Path) -> Result<WebConfig, Vec<Diagnostic>> {
        WebConfig::load(path, &super::read_text(path)?)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path, text: &str) -> Result<WebConfig, Vec<Diagnostic>> {
        let mut config = WebConfig::load_str(&path.display().to_string(), text)?;
        let tls = &mut config.tls_server_config;
        let dir = path.parent().unwrap_or(Path::new(""));
        [&mut tls.cert_file, &mut tls.key_file, &mut tls.client_ca_file]
            .into_iter()
            .for_each(|file| *file = join_dir(dir, file));
        Ok(config)
    }

    /// Reads a text; `name` is what errors call it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load_str(name: &str, text: &str) -> Result<WebConfig, Vec<Diagnostic>> {
        let decoder = Decoder::new(name, text);
        let config = match decoder.document() {
            Some(node) if !node.is_null() => WebConfig::decode(&node, &decoder),
            // Nothing is asked for.
            Some(_) => Some(WebConfig::default()),
            None => (decoder.defect_count() == 0).then(WebConfig::default),
        };
        decoder.finish(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defects(text: &str) -> String {
        match WebConfig::load_str("web.yml", text) {
            Ok(_) => String::new(),
            Err(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        }
    }

    #[test]
    fn what_the_toolkit_reads_is_read() {
        let text = "tls_server_config: {cert_file: a.pem, key_file: a.key, client_auth_type: RequestClientCert, min_version: TLS13}\n\
            http_server_config: {http2: false, headers: {X-Frame-Options: deny}}\nbasic_auth_users: {alice: $2y$10$x}\n";
        let config = WebConfig::load_str("web.yml", text).unwrap();
        assert_eq!(config.tls_server_config.client_auth_type, ClientAuth::RequestClientCert);
        assert_eq!(config.basic_auth_users["alice"].expose(), "$2y$10$x");
        assert!(!WebConfig::load_str("web.yml", "").unwrap().tls_server_config.is_asked_for());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for (text, want) in [
            ("tls_server_config: {cert_file: a}", "missing one of key or key_file"),
            ("tls_server_config: {cert_file: a, cert: b, key_file: c}", "only one of cert and cert_file"),
            ("tls_server_config: {cert_file: a, key_file: c, client_ca_file: d}", "asks for no certificate"),
            (
                "tls_server_config: {cert_file: a, key_file: c, client_auth_type: RequireAndVerifyClientCert}",
                "needs client_ca",
            ),
            ("tls_server_config: {cert_file: a, key_file: c, client_auth_type: Some}", "RequestClientCert"),
            ("http_server_config: {headers: {X-Mine: a}}", "can not be configured"),
            ("http_server_config: {headers: {X-Frame-Options: no}}", "invalid value"),
            ("basic_auth_user: {}", "basic_auth_user"),
        ] {
            assert!(defects(text).contains(want), "{text}: {}", defects(text));
        }
    }
}
