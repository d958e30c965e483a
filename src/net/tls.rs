//! TLS of outgoing connections: rustls with ring, certificates of the system or of a file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::error::NetError;
use super::secret::Credential;
use crate::config::http as config;

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2
    V12,
    /// 1.3
    V13,
}

/// Prometheus' `tls_config`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificates that are trusted, in PEM; the system's when absent.
    pub ca: Option<Credential>,
    /// The client's certificate chain, in PEM.
    pub cert: Option<Credential>,
    /// The client's key, in PEM.
    pub key: Option<Credential>,
    /// The name the server's certificate must have, instead of the URL's host.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
    /// The lowest version offered; 1.2 when absent.
    pub min_version: Option<TlsVersion>,
    /// The highest version offered.
    pub max_version: Option<TlsVersion>,
}

impl From<&config::TlsConfig> for TlsSettings {
    fn from(c: &config::TlsConfig) -> Self {
        // Versions before 1.2 are as good as 1.2: rustls speaks nothing older.
        let version = |v: config::TlsVersion| match v {
            config::TlsVersion::Tls13 => TlsVersion::V13,
            _ => TlsVersion::V12,
        };
        TlsSettings {
            ca: Credential::given(&c.ca, &c.ca_file),
            cert: Credential::given(&c.cert, &c.cert_file),
            key: Credential::given(c.key.expose(), &c.key_file),
            server_name: Some(c.server_name.clone()).filter(|name| !name.is_empty()),
            insecure_skip_verify: c.insecure_skip_verify,
            min_version: c.min_version.map(version),
            max_version: c.max_version.map(version),
        }
    }
}

/// Where distributions keep the certificates they trust.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The configuration of rustls for these settings.
pub(super) fn client_config(tls: &TlsSettings, http2: bool) -> Result<ClientConfig, NetError> {
    let failed = |e: rustls::Error| NetError::Tls(e.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let lowest = tls.min_version.unwrap_or(TlsVersion::V12);
    let highest = tls.max_version.unwrap_or(TlsVersion::V13);
    let all: [(TlsVersion, &'static SupportedProtocolVersion); 2] =
        [(TlsVersion::V13, &rustls::version::TLS13), (TlsVersion::V12, &rustls::version::TLS12)];
    let versions: Vec<_> =
        all.into_iter().filter(|(v, _)| (lowest..=highest).contains(v)).map(|(_, version)| version).collect();
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(verifier(tls, &provider)?);
    let mut config = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            let (chain, key) = (certificates(cert)?, private_key(key)?);
            builder.with_client_auth_cert(chain, key).map_err(failed)?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => return Err(NetError::Tls("exactly one of key and certificate is given, both are needed".into())),
    };
    config.alpn_protocols = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(config)
}

fn verifier(tls: &TlsSettings, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, NetError> {
    let name = match &tls.server_name {
        None => None,
        Some(name) => Some(
            ServerName::try_from(name.clone())
                .map_err(|_| NetError::Tls(format!("{name:?} is not a server's name")))?,
        ),
    };
    let inner = if tls.insecure_skip_verify {
        None
    } else {
        let mut roots = RootCertStore::empty();
        let trusted = match &tls.ca {
            Some(ca) => certificates(ca)?,
            None => system_certificates(),
        };
        roots.add_parsable_certificates(trusted);
        if roots.is_empty() {
            // With nothing to trust, plain HTTP still works and TLS fails at the first connection.
            return Ok(Arc::new(Verifier { inner: None, trust_all: false, name, provider: provider.clone() }));
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|e| NetError::Tls(e.to_string()))?;
        Some(verifier)
    };
    Ok(Arc::new(Verifier { inner, trust_all: tls.insecure_skip_verify, name, provider: provider.clone() }))
}

/// The system's trusted certificates: `SSL_CERT_FILE`, or the bundle where distributions keep it.
fn system_certificates() -> Vec<CertificateDer<'static>> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let bundle = named.into_iter().chain(SYSTEM_BUNDLES.iter().map(PathBuf::from)).find(|path| path.is_file());
    bundle.and_then(|path| certificates(&Credential::File(path)).ok()).unwrap_or_default()
}

fn pem_error(what: &'static str, source: &Credential, reason: String) -> NetError {
    let path = match source {
        Credential::Inline(_) => "in the configuration".into(),
        Credential::File(path) => Path::new(path).display().to_string(),
    };
    NetError::File { what, path, reason }
}

fn certificates(source: &Credential) -> Result<Vec<CertificateDer<'static>>, NetError> {
    let pem = source.read()?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(pem_error("certificate", source, "no certificate in PEM form".into())),
        Err(e) => Err(pem_error("certificate", source, e.to_string())),
    }
}

fn private_key(source: &Credential) -> Result<PrivateKeyDer<'static>, NetError> {
    let pem = source.read()?;
    // The parser's own text could quote the key.
    PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| pem_error("private key", source, "no private key in PEM form".into()))
}

/// Checks servers' certificates as configured: against another name than the URL's, or not at all.
struct Verifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    trust_all: bool,
    name: Option<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("trust_all", &self.trust_all).field("name", &self.name).finish()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let name = self.name.as_ref().unwrap_or(server_name);
        match &self.inner {
            Some(inner) => inner.verify_server_cert(end_entity, intermediates, name, ocsp, now),
            None if self.trust_all => Ok(ServerCertVerified::assertion()),
            None => Err(rustls::Error::General("no trusted certificates found on this system".into())),
        }
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
