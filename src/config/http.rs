//! How to speak HTTP with something: authorization, TLS, proxies, headers. One section for all of Prometheus and
//! Alertmanager, with the checks of their shared library.

use std::collections::BTreeMap;

use super::secret::Secret;
use super::url;
use super::yaml::{Decode, Decoder, MapReader, Node, Place};
use crate::section;

section! {
    /// The HTTP client's settings; inlined in scrape configs and the like, `http_config` in receivers.
    pub struct HttpClientConfig as "HTTP client config" with check {
        /// User name and password.
        basic_auth: Option<BasicAuth>,
        /// `Authorization` header. A bearer token is moved here.
        authorization: Option<Authorization>,
        /// OAuth 2.0 client credentials.
        oauth2: Option<Box<OAuth2>>,
        /// Deprecated form of `authorization`; empty once read.
        bearer_token: Secret,
        /// Deprecated form of `authorization.credentials_file`; empty once read.
        bearer_token_file: String,
        /// TLS.
        tls_config: TlsConfig,
        /// Whether redirects are followed.
        follow_redirects: bool = true,
        /// Whether HTTP/2 may be negotiated.
        enable_http2: bool = true,
        /// Headers to send: name to values.
        http_headers: BTreeMap<String, HeaderConfig>,
    }
    inline {
        /// Proxy.
        proxy: ProxyConfig,
        /// Where it stands.
        place: Place,
    }
}

section! {
    /// User name and password, each inline or in a file.
    pub struct BasicAuth as "basic_auth" with check {
        /// User name.
        username: String,
        /// File with the user name.
        username_file: String,
        /// Name of a secret in a secret manager; accepted, and an error where a client is built.
        username_ref: String,
        /// Password.
        password: Secret,
        /// File with the password.
        password_file: String,
        /// Name of a secret in a secret manager; accepted, and an error where a client is built.
        password_ref: String,
    }
    inline {
        /// Where it stands.
        place: Place,
    }
}

section! {
    /// The `Authorization` header: scheme and credentials.
    pub struct Authorization as "authorization" with check {
        /// Scheme, `Bearer` by default.
        auth_type as "type": String,
        /// Credentials.
        credentials: Secret,
        /// File with the credentials.
        credentials_file: String,
        /// Name of a secret in a secret manager; accepted, and an error where a client is built.
        credentials_ref: String,
    }
    inline {
        /// Where it stands.
        place: Place,
    }
}

section! {
    /// OAuth 2.0 by client credentials or a signed assertion.
    pub struct OAuth2 as "oauth2" with check {
        /// Client.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// File with its secret.
        client_secret_file: String,
        /// Name of a secret in a secret manager.
        client_secret_ref: String,
        /// Key that signs assertions.
        client_certificate_key: Secret,
        /// File with that key.
        client_certificate_key_file: String,
        /// Name of that key in a secret manager.
        client_certificate_key_ref: String,
        /// Id of that key.
        client_certificate_key_id: String,
        /// How assertions are signed.
        signature_algorithm: String,
        /// `client_credentials` or the JWT bearer grant.
        grant_type: String,
        /// Issuer of assertions.
        iss: String,
        /// Audience of assertions.
        audience: String,
        /// Claims of assertions.
        claims: BTreeMap<String, serde_json::Value>,
        /// Scopes asked for.
        scopes: Vec<String>,
        /// Where tokens are had.
        token_url: String,
        /// More parameters for that.
        endpoint_params: BTreeMap<String, String>,
        /// TLS towards it.
        tls_config: TlsConfig,
    }
    inline {
        /// Proxy towards it.
        proxy: ProxyConfig,
        /// Where it stands.
        place: Place,
    }
}

section! {
    /// TLS: whom to trust, who we are.
    pub struct TlsConfig as "tls_config" with check {
        /// Certificate authority, PEM.
        ca: String,
        /// Client certificate, PEM.
        cert: String,
        /// Client key, PEM.
        key: Secret,
        /// File with the authority.
        ca_file: String,
        /// File with the certificate.
        cert_file: String,
        /// File with the key.
        key_file: String,
        /// Name in a secret manager; accepted, and an error where a client is built.
        ca_ref: String,
        /// Name in a secret manager; accepted, and an error where a client is built.
        cert_ref: String,
        /// Name in a secret manager; accepted, and an error where a client is built.
        key_ref: String,
        /// Name to verify instead of the host's.
        server_name: String,
        /// Trust whoever answers.
        insecure_skip_verify: bool,
        /// Oldest version of TLS.
        min_version: Option<TlsVersion>,
        /// Newest version of TLS.
        max_version: Option<TlsVersion>,
    }
    inline {
        /// Where it stands.
        place: Place,
    }
}

section! {
    /// Through which proxy.
    pub struct ProxyConfig as "proxy config" with check {
        /// The proxy.
        proxy_url: String,
        /// Hosts to reach directly.
        no_proxy: String,
        /// Take the proxy from the environment.
        proxy_from_environment: bool,
        /// Headers for CONNECT.
        proxy_connect_header: BTreeMap<String, Vec<Secret>>,
    }
}

section! {
    /// The values of one header.
    pub struct HeaderConfig as "header" {
        /// Values that may be shown.
        values: Vec<String>,
        /// Values that may not.
        secrets: Vec<Secret>,
        /// Files with values.
        files: Vec<String>,
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0
    Tls10,
    /// TLS 1.1
    Tls11,
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

impl Decode for TlsVersion {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.text() {
            Some("TLS10") => Some(TlsVersion::Tls10),
            Some("TLS11") => Some(TlsVersion::Tls11),
            Some("TLS12") => Some(TlsVersion::Tls12),
            Some("TLS13") => Some(TlsVersion::Tls13),
            _ => d.mismatch(node, "a TLS version (TLS10, TLS11, TLS12, TLS13)"),
        }
    }
}

/// Headers that a configuration may not set: the client owns them.
const RESERVED_HEADERS: [&str; 14] = [
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
];

/// Whether more than one of the values is set.
fn several(set: &[bool]) -> bool {
    set.iter().filter(|s| **s).count() > 1
}

impl HttpClientConfig {
    fn check(&mut self, m: &MapReader) {
        let bearer = [!self.bearer_token.is_empty(), !self.bearer_token_file.is_empty()];
        if several(&bearer) {
            m.error("bearer_token_file", "at most one of bearer_token & bearer_token_file must be configured");
        }
        let bearer = bearer.contains(&true);
        let (basic, oauth2) = (self.basic_auth.is_some(), self.oauth2.is_some());
        if self.authorization.is_some() {
            if bearer {
                m.error("authorization", "authorization is not compatible with bearer_token & bearer_token_file");
            }
            if basic || oauth2 {
                m.error("authorization", "at most one of basic_auth, oauth2 & authorization must be configured");
            }
        } else if bearer && (basic || oauth2) {
            let message = "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured";
            m.error("bearer_token", message);
        }
        if basic && oauth2 {
            m.error("oauth2", "at most one of basic_auth, oauth2 & authorization must be configured");
        }
        if bearer && self.authorization.is_none() {
            self.authorization = Some(Authorization {
                auth_type: "Bearer".into(),
                credentials: std::mem::take(&mut self.bearer_token),
                credentials_file: std::mem::take(&mut self.bearer_token_file),
                credentials_ref: String::new(),
                place: self.place.clone(),
            });
        }
        for name in self.http_headers.keys().filter(|n| RESERVED_HEADERS.contains(&n.to_ascii_lowercase().as_str())) {
            m.error("http_headers", format!("setting header {name:?} is not allowed"));
        }
    }

    /// Makes the files it names relative to a configuration file's folder.
    pub fn resolve_paths(&mut self, dir: &std::path::Path) {
        let join = |path: &mut String| *path = super::secret::join_dir(dir, path);
        if let Some(basic) = &mut self.basic_auth {
            join(&mut basic.username_file);
            join(&mut basic.password_file);
        }
        if let Some(authorization) = &mut self.authorization {
            join(&mut authorization.credentials_file);
        }
        if let Some(oauth2) = &mut self.oauth2 {
            join(&mut oauth2.client_secret_file);
            join(&mut oauth2.client_certificate_key_file);
            oauth2.tls_config.resolve_paths(dir);
        }
        self.tls_config.resolve_paths(dir);
        self.http_headers.values_mut().flat_map(|h| &mut h.files).for_each(join);
    }
}

impl TlsConfig {
    fn check(&mut self, m: &MapReader) {
        let set = |inline: bool, file: &String, reference: &String| [!inline, !file.is_empty(), !reference.is_empty()];
        let ca = set(self.ca.is_empty(), &self.ca_file, &self.ca_ref);
        let cert = set(self.cert.is_empty(), &self.cert_file, &self.cert_ref);
        let key = set(self.key.is_empty(), &self.key_file, &self.key_ref);
        for (name, set) in [("ca", ca), ("cert", cert), ("key", key)] {
            if several(&set) {
                m.error(name, format!("at most one of {name}, {name}_file & {name}_ref must be configured"));
            }
        }
        let message = match (cert.contains(&true), key.contains(&true)) {
            (true, false) => {
                "exactly one of key or key_file must be configured when a client certificate is configured"
            }
            (false, true) => "exactly one of cert or cert_file must be configured when a client key is configured",
            _ => return,
        };
        m.decoder().error(m.node().position, message);
    }

    /// Makes the files it names relative to a configuration file's folder.
    pub fn resolve_paths(&mut self, dir: &std::path::Path) {
        for path in [&mut self.ca_file, &mut self.cert_file, &mut self.key_file] {
            *path = super::secret::join_dir(dir, path);
        }
    }
}

impl BasicAuth {
    fn check(&mut self, m: &MapReader) {
        if several(&[!self.username.is_empty(), !self.username_file.is_empty(), !self.username_ref.is_empty()]) {
            m.error(
                "username_file",
                "at most one of basic_auth username, username_file & username_ref must be configured",
            );
        }
        if several(&[!self.password.is_empty(), !self.password_file.is_empty(), !self.password_ref.is_empty()]) {
            m.error(
                "password_file",
                "at most one of basic_auth password, password_file & password_ref must be configured",
            );
        }
    }
}

impl Authorization {
    fn check(&mut self, m: &MapReader) {
        let set = [!self.credentials.is_empty(), !self.credentials_file.is_empty(), !self.credentials_ref.is_empty()];
        if several(&set) {
            m.error(
                "credentials_file",
                "at most one of authorization credentials, credentials_file & credentials_ref must be configured",
            );
        }
        self.auth_type = match self.auth_type.trim() {
            "" => "Bearer".into(),
            given => given.to_owned(),
        };
        if self.auth_type.eq_ignore_ascii_case("basic") {
            m.error("type", "authorization type cannot be set to \"basic\", use \"basic_auth\" instead");
        }
    }
}

impl OAuth2 {
    fn check(&mut self, m: &MapReader) {
        if self.client_id.is_empty() {
            m.error("client_id", "oauth2 client_id must be configured");
        }
        if self.token_url.is_empty() {
            m.error("token_url", "oauth2 token_url must be configured");
        }
        let secret = [&self.client_secret_file, &self.client_secret_ref].map(|s| !s.is_empty());
        if several(&[!self.client_secret.is_empty(), secret.contains(&true)]) || several(&secret) {
            m.error(
                "client_secret",
                "at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be configured",
            );
        }
    }
}

impl ProxyConfig {
    fn check(&mut self, m: &MapReader) {
        if let Err(e) = url::check(&self.proxy_url) {
            m.error("proxy_url", e);
        }
        let proxied = !self.proxy_url.is_empty();
        if !self.proxy_connect_header.is_empty() && !proxied && !self.proxy_from_environment {
            m.error(
                "proxy_connect_header",
                "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
            );
        }
        if self.proxy_from_environment && proxied {
            m.error("proxy_url", "if proxy_from_environment is configured, proxy_url must not be configured");
        }
        if self.proxy_from_environment && !self.no_proxy.is_empty() {
            m.error("no_proxy", "if proxy_from_environment is configured, no_proxy must not be configured");
        }
        if !self.no_proxy.is_empty() && !proxied {
            m.error("no_proxy", "if no_proxy is configured, proxy_url must also be configured");
        }
    }
}
