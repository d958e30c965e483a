//! How to reach a server, as a configuration states it.

use std::fmt;
use std::path::PathBuf;

use super::assertion::{Assertion, GRANT};
use super::oauth2::OAuth2Settings;
use super::proxy::ProxySettings;
use super::secret::Credential;
use super::tls::TlsSettings;
use crate::config::HttpClientConfig;
use crate::config::http::{OAuth2, ProxyConfig, TlsConfig};
use crate::config::identity::{AzureAdConfig, GoogleIamConfig, SigV4Config};
use crate::config::secret::Secret;

/// How requests are authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `basic_auth`.
    Basic {
        /// The user's name.
        username: Credential,
        /// The password.
        password: Credential,
    },
    /// `authorization`, and `bearer_token` as its old form.
    Authorization {
        /// `Bearer` unless stated otherwise.
        scheme: String,
        /// What follows the scheme.
        credentials: Credential,
    },
    /// `oauth2`.
    OAuth2(Box<OAuth2Settings>),
    /// `sigv4`.
    SigV4(Box<SigV4Config>),
    /// `azuread`.
    AzureAd(Box<AzureAdConfig>),
    /// `google_iam`.
    GoogleIam(Box<GoogleIamConfig>),
}

/// How to reach a server (Prometheus' `HTTPClientConfig`).
#[derive(Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Authentication, if any.
    pub auth: Option<Auth>,
    /// TLS.
    pub tls: TlsSettings,
    /// Further headers, for instance `X-Scope-OrgID`. Their values are not shown.
    pub headers: Vec<(String, Credential)>,
    /// Whether redirects are followed; default true.
    pub follow_redirects: bool,
    /// Whether HTTP/2 is offered over TLS; default true.
    pub enable_http2: bool,
    /// Through which proxy.
    pub proxy: ProxySettings,
    /// The socket that is connected to instead of the URL's host.
    pub unix_socket: Option<PathBuf>,
    /// A key that names a secret of a secret manager, of which there is none: building a client fails on it.
    pub secret_reference: Option<&'static str>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings {
            auth: None,
            tls: TlsSettings::default(),
            headers: Vec::new(),
            follow_redirects: true,
            enable_http2: true,
            proxy: ProxySettings::default(),
            unix_socket: None,
            secret_reference: None,
        }
    }
}

impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings")
            .field("auth", &self.auth)
            .field("tls", &self.tls)
            .field("headers", &self.headers)
            .field("follow_redirects", &self.follow_redirects)
            .field("enable_http2", &self.enable_http2)
            .field("proxy", &self.proxy)
            .finish()
    }
}

impl From<&HttpClientConfig> for HttpSettings {
    fn from(config: &HttpClientConfig) -> Self {
        let mut headers = Vec::new();
        for (name, header) in &config.http_headers {
            let values = header.values.iter().map(|v| Credential::Inline(v.clone()));
            let secrets = header.secrets.iter().map(|s| Credential::Inline(s.expose().to_owned()));
            let files = header.files.iter().map(|path| Credential::File(path.into()));
            headers.extend(values.chain(secrets).chain(files).map(|value| (name.clone(), value)));
        }
        let given = |inline: &str, file: &str| Credential::given(inline, file).unwrap_or_else(|| "".into());
        let basic = config.basic_auth.as_ref().map(|b| Auth::Basic {
            username: given(&b.username, &b.username_file),
            password: given(b.password.expose(), &b.password_file),
        });
        let authorization = config.authorization.as_ref().map(|a| Auth::Authorization {
            scheme: if a.auth_type.is_empty() { "Bearer".into() } else { a.auth_type.clone() },
            credentials: given(a.credentials.expose(), &a.credentials_file),
        });
        let oauth2 = config.oauth2.as_deref().map(|o| Auth::OAuth2(Box::new(OAuth2Settings::from(o))));
        HttpSettings {
            auth: basic.or(authorization).or(oauth2),
            tls: TlsSettings::from(&config.tls_config),
            headers,
            follow_redirects: config.follow_redirects,
            enable_http2: config.enable_http2,
            proxy: ProxySettings::from(&config.proxy),
            unix_socket: None,
            secret_reference: secret_reference(config),
        }
    }
}

impl From<&OAuth2> for OAuth2Settings {
    fn from(o: &OAuth2) -> Self {
        let assertion = (o.grant_type == GRANT).then(|| Assertion {
            algorithm: o.signature_algorithm.clone(),
            key_id: o.client_certificate_key_id.clone(),
            issuer: o.iss.clone(),
            audience: o.audience.clone(),
            claims: o.claims.clone().into_iter().collect(),
        });
        let (inline, file) = match assertion.is_some() {
            true => (&o.client_certificate_key, &o.client_certificate_key_file),
            false => (&o.client_secret, &o.client_secret_file),
        };
        OAuth2Settings {
            client_id: o.client_id.clone(),
            client_secret: Credential::given(inline.expose(), file).unwrap_or_else(|| "".into()),
            scopes: o.scopes.clone(),
            token_url: o.token_url.clone(),
            endpoint_params: o.endpoint_params.clone(),
            tls: TlsSettings::from(&o.tls_config),
            proxy: ProxySettings::from(&o.proxy),
            assertion,
            request: None,
        }
    }
}

impl From<&ProxyConfig> for ProxySettings {
    fn from(config: &ProxyConfig) -> Self {
        let headers = config.proxy_connect_header.iter();
        ProxySettings {
            url: Some(Secret::new(&config.proxy_url)).filter(|url| !url.is_empty()),
            no_proxy: config.no_proxy.clone(),
            from_environment: config.proxy_from_environment,
            connect_headers: headers.flat_map(|(n, all)| all.iter().map(|v| (n.clone(), v.clone()))).collect(),
        }
    }
}

/// The first key of a configuration that names a secret of a secret manager.
fn secret_reference(config: &HttpClientConfig) -> Option<&'static str> {
    fn of_tls(tls: &TlsConfig) -> [(&String, &'static str); 3] {
        [(&tls.ca_ref, "ca_ref"), (&tls.cert_ref, "cert_ref"), (&tls.key_ref, "key_ref")]
    }
    let basic =
        config.basic_auth.iter().flat_map(|b| [(&b.username_ref, "username_ref"), (&b.password_ref, "password_ref")]);
    let authorization = config.authorization.iter().map(|a| (&a.credentials_ref, "credentials_ref"));
    let oauth2 = config.oauth2.iter().flat_map(|o| {
        let own = [
            (&o.client_secret_ref, "client_secret_ref"),
            (&o.client_certificate_key_ref, "client_certificate_key_ref"),
        ];
        own.into_iter().chain(of_tls(&o.tls_config))
    });
    let all = basic.chain(authorization).chain(oauth2).chain(of_tls(&config.tls_config));
    all.into_iter().find_map(|(value, key)| (!value.is_empty()).then_some(key))
}
