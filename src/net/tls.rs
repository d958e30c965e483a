//! TLS of outgoing connections: rustls with ring, certificates of the system or of a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, Error, InconsistentKeys, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::der;
use super::error::NetError;
use super::secret::Credential;
use super::verifier::{Trust, Verifier};
use crate::config::http as config;

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.0 and 1.1, which are not spoken here.
    Older,
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
        let version = |v: config::TlsVersion| match v {
            config::TlsVersion::Tls10 | config::TlsVersion::Tls11 => TlsVersion::Older,
            config::TlsVersion::Tls12 => TlsVersion::V12,
            config::TlsVersion::Tls13 => TlsVersion::V13,
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

/// What errors say in place of a file's name where there is none.
pub(super) const INLINE: &str = "in the configuration";

/// Where distributions keep the certificates they trust.
const SYSTEM_BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// TLS by these settings for a protocol that has no versions to agree upon.
///
/// # Errors
/// A file cannot be read, or the settings contradict each other.
pub fn tls_client(settings: &TlsSettings) -> Result<Arc<ClientConfig>, NetError> {
    let mut config = client_config(settings, false)?;
    config.alpn_protocols.clear();
    Ok(Arc::new(config))
}

/// The configuration of rustls for these settings.
pub(super) fn client_config(tls: &TlsSettings, http2: bool) -> Result<ClientConfig, NetError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let lowest = tls.min_version.unwrap_or(TlsVersion::V12);
    let highest = tls.max_version.unwrap_or(TlsVersion::V13);
    if highest == TlsVersion::Older {
        return Err(NetError::Tls("max_version: nothing before TLS 1.2 is spoken".into()));
    }
    if lowest > highest {
        return Err(NetError::Tls("max_version must not be below min_version".into()));
    }
    let all: [(TlsVersion, &'static SupportedProtocolVersion); 2] =
        [(TlsVersion::V13, &rustls::version::TLS13), (TlsVersion::V12, &rustls::version::TLS12)];
    let versions: Vec<_> =
        all.into_iter().filter(|(v, _)| (lowest..=highest).contains(v)).map(|(_, version)| version).collect();
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier(tls, &provider)?));
    let mut config = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity(cert, key, &provider)?)))
        }
        (None, None) => builder.with_no_client_auth(),
        _ => return Err(NetError::Tls("exactly one of key and certificate is given, both are needed".into())),
    };
    config.alpn_protocols = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(config)
}

fn failed(e: Error) -> NetError {
    NetError::Tls(e.to_string())
}

/// Who we are. The certificate goes out as it is: whether it is any good, for instance one of version 1, which webpki
/// cannot read, is the server's to say.
fn identity(cert: &Credential, key: &Credential, provider: &CryptoProvider) -> Result<CertifiedKey, NetError> {
    let chain = certificates(cert)?;
    let key = provider.key_provider.load_private_key(private_key(key)?).map_err(failed)?;
    let identity = CertifiedKey::new(chain, key);
    let mismatch = Error::InconsistentKeys(InconsistentKeys::KeyMismatch);
    let matches = match identity.keys_match() {
        Ok(()) => true,
        Err(e) if e == mismatch => false,
        // What webpki cannot read is compared by us, where it can be.
        Err(_) => {
            let own = identity.key.public_key();
            let own = own.as_ref().and_then(|info| der::key_of(info.as_ref()));
            let stated = identity.cert.first().and_then(|certificate| der::public_key(certificate.as_ref()));
            own.zip(stated).is_none_or(|(own, stated)| own == stated)
        }
    };
    if matches { Ok(identity) } else { Err(failed(mismatch)) }
}

fn verifier(tls: &TlsSettings, provider: &Arc<CryptoProvider>) -> Result<Verifier, NetError> {
    let name = match &tls.server_name {
        None => None,
        Some(name) => Some(
            ServerName::try_from(name.clone())
                .map_err(|_| NetError::Tls(format!("{name:?} is not a server's name")))?,
        ),
    };
    // A file that is named is read, also where nobody will ask for it.
    let trusted = tls.ca.as_ref().map(certificates).transpose()?;
    let trust = match tls.insecure_skip_verify {
        true => Trust::Anyone,
        false => Trust::Signed(trusted.unwrap_or_else(system_certificates)),
    };
    let verifier = Verifier::new(trust, name, provider).map_err(|e| NetError::Tls(e.to_string()))?;
    match &tls.ca {
        Some(ca) if verifier.trusts_nobody() => {
            Err(pem_error("certificate", ca, "no certificate that can be read".into()))
        }
        _ => Ok(verifier),
    }
}

/// The system's trusted certificates: `SSL_CERT_FILE`, or the bundle where distributions keep it.
fn system_certificates() -> Vec<CertificateDer<'static>> {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let bundle = named.into_iter().chain(SYSTEM_BUNDLES.iter().map(PathBuf::from)).find(|path| path.is_file());
    bundle.and_then(|path| certificates(&Credential::File(path)).ok()).unwrap_or_default()
}

fn pem_error(what: &'static str, source: &Credential, reason: String) -> NetError {
    let path = match source {
        Credential::Inline(_) => INLINE.into(),
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

impl TlsSettings {
    /// What the files hold that these settings name, as a number: it changes when one of them is replaced. 0 without
    /// files, and for a file that cannot be read.
    pub(super) fn files_now(&self) -> u64 {
        use std::hash::{Hash, Hasher};
        let mut hasher = rustc_hash::FxHasher::default();
        for file in [&self.ca, &self.cert, &self.key].into_iter().flatten() {
            if let Credential::File(path) = file {
                std::fs::read(path).unwrap_or_default().hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}
