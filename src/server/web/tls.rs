//! TLS of the server: rustls with ring.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use crate::config::http::TlsVersion;
use crate::config::web::{ClientAuth, TlsServerConfig};

/// The configuration of TLS, and what it was built of.
#[derive(Clone)]
pub(super) struct Built {
    settings: TlsServerConfig,
    pems: [String; 3],
    config: Arc<ServerConfig>,
}

impl Built {
    /// Reads the files that the settings name; what is as `before` is not built again.
    pub fn new(settings: &TlsServerConfig, before: Option<&Built>) -> Result<Built, String> {
        let pems = [
            pem(&settings.cert, &settings.cert_file)?,
            pem(settings.key.expose(), &settings.key_file)?,
            pem(&settings.client_ca, &settings.client_ca_file)?,
        ];
        if let Some(same) = before.filter(|b| b.settings == *settings && b.pems == pems) {
            return Ok(same.clone());
        }
        let config = Arc::new(build(settings, &pems)?);
        Ok(Built { settings: settings.clone(), pems, config })
    }

    pub fn config(self) -> Arc<ServerConfig> {
        self.config
    }
}

fn pem(inline: &str, file: &str) -> Result<String, String> {
    match file {
        "" => Ok(inline.to_owned()),
        file => std::fs::read_to_string(file).map_err(|e| format!("tls_server_config: {file}: {e}")),
    }
}

fn build(settings: &TlsServerConfig, [cert, key, client_ca]: &[String; 3]) -> Result<ServerConfig, String> {
    let failed = |e: rustls::Error| format!("tls_server_config: {e}");
    let provider = Arc::new(provider(settings)?);
    // Versions before 1.2 are as good as 1.2: rustls speaks nothing older.
    let is_new = |version: Option<TlsVersion>| version == Some(TlsVersion::Tls13);
    let old = !is_new(settings.min_version);
    let new = settings.max_version.is_none() || is_new(settings.max_version);
    let all = [(new, &rustls::version::TLS13), (old, &rustls::version::TLS12)];
    let versions: Vec<_> = all.into_iter().filter_map(|(offered, version)| offered.then_some(version)).collect();
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&versions);
    let builder = builder.map_err(failed)?;
    let builder = match client_verifier(settings, client_ca, &provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    // The parser's own text could quote the key.
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes());
    let key = key.map_err(|_| "tls_server_config: key: no private key in PEM form".to_owned())?;
    let mut config = builder.with_single_cert(certificates("cert", cert)?, key).map_err(failed)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(what: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(format!("tls_server_config: {what}: no certificate in PEM form")),
    }
}

/// Go's names of curves.
const CURVES: [(&str, rustls::NamedGroup); 3] = [
    ("X25519", rustls::NamedGroup::X25519),
    ("CurveP256", rustls::NamedGroup::secp256r1),
    ("CurveP384", rustls::NamedGroup::secp384r1),
];

/// What is offered: all that ring has, or what of it is asked for.
fn provider(settings: &TlsServerConfig) -> Result<CryptoProvider, String> {
    let mut provider = rustls::crypto::ring::default_provider();
    if !settings.cipher_suites.is_empty() {
        // rustls calls those of TLS 1.3 by other names than Go, which does not let anyone choose among them.
        let name = |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite());
        let known: Vec<String> = provider.cipher_suites.iter().map(name).filter(|n| n.starts_with("TLS_")).collect();
        let is_known = |asked: &&String| !known.iter().any(|name| go_name(asked) == *name);
        if let Some(unknown) = settings.cipher_suites.iter().find(is_known) {
            return Err(format!("tls_server_config: unknown cipher suite {unknown:?}; known: {}", known.join(", ")));
        }
        let asked = |suite: &rustls::SupportedCipherSuite| {
            suite.tls13().is_some() || settings.cipher_suites.iter().any(|asked| go_name(asked) == name(suite))
        };
        provider.cipher_suites.retain(asked);
    }
    if !settings.curve_preferences.is_empty() {
        let mut groups = Vec::new();
        for asked in &settings.curve_preferences {
            let group = CURVES.iter().find(|(name, _)| name == asked);
            let known = group.and_then(|(_, group)| provider.kx_groups.iter().find(|kx| kx.name() == *group));
            let names = CURVES.map(|(name, _)| name).join(", ");
            let known = known.ok_or_else(|| format!("tls_server_config: unknown curve {asked:?}; known: {names}"))?;
            groups.push(*known);
        }
        provider.kx_groups = groups;
    }
    Ok(provider)
}

/// Go leaves the hash out of the names of two suites.
fn go_name(name: &str) -> String {
    if name.ends_with("CHACHA20_POLY1305") { format!("{name}_SHA256") } else { name.to_owned() }
}

fn client_verifier(
    settings: &TlsServerConfig,
    client_ca: &str,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    let names = settings.client_allowed_sans.iter().map(|name| {
        let parsed = ServerName::try_from(name.clone());
        parsed.map_err(|_| {
            format!("tls_server_config: client_allowed_sans: {name:?} is neither a DNS name nor an address")
        })
    });
    let names: Vec<ServerName<'static>> = names.collect::<Result<_, _>>()?;
    let required =
        matches!(settings.client_auth_type, ClientAuth::RequireAnyClientCert | ClientAuth::RequireAndVerifyClientCert);
    let inner = match settings.client_auth_type {
        ClientAuth::NoClientCert => return Ok(None),
        ClientAuth::RequestClientCert | ClientAuth::RequireAnyClientCert => None,
        ClientAuth::VerifyClientCertIfGiven | ClientAuth::RequireAndVerifyClientCert => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates("client_ca", client_ca)?);
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            let builder = if required { builder } else { builder.allow_unauthenticated() };
            Some(builder.build().map_err(|e| format!("tls_server_config: client_ca: {e}"))?)
        }
    };
    Ok(Some(Arc::new(Verifier { inner, required, names, provider: provider.clone() })))
}

/// Checks clients' certificates as configured.
#[derive(Debug)]
struct Verifier {
    /// None: any certificate is as good as another.
    inner: Option<Arc<dyn ClientCertVerifier>>,
    required: bool,
    names: Vec<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.as_ref().map_or(&[], |inner| inner.root_hint_subjects())
    }

    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if let Some(inner) = &self.inner {
            inner.verify_client_cert(end_entity, intermediates, now)?;
        }
        if !self.names.is_empty() {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            if !self.names.iter().any(|name| verify_server_name(&certificate, name).is_ok()) {
                return Err(rustls::Error::General("none of the certificate's names is allowed".into()));
            }
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
