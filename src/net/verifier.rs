//! Whether a server is who we mean: webpki's answer, and where Go's clients are content and webpki is not, theirs.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::der;

/// Whom to trust.
pub(super) enum Trust {
    /// Whoever answers.
    Anyone,
    /// Who shows one of these certificates, or one that they have signed.
    Signed(Vec<CertificateDer<'static>>),
}

/// Checks servers' certificates as configured: against another name than the URL's, or not at all.
pub(super) struct Verifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    trust: Trust,
    name: Option<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// With nothing to trust, plain HTTP still works and TLS fails at the first connection.
    pub fn new(
        trust: Trust,
        name: Option<ServerName<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, rustls::client::VerifierBuilderError> {
        let mut roots = RootCertStore::empty();
        if let Trust::Signed(trusted) = &trust {
            roots.add_parsable_certificates(trusted.iter().cloned());
        }
        let inner = match roots.is_empty() {
            true => None,
            false => Some(WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone()).build()?),
        };
        Ok(Verifier { inner, trust, name, provider: provider.clone() })
    }

    /// Whether there is anything to trust.
    pub fn trusts_nobody(&self) -> bool {
        self.inner.is_none() && !self.trusts_anyone()
    }

    fn trusts_anyone(&self) -> bool {
        matches!(self.trust, Trust::Anyone)
    }

    /// Whether a certificate is, byte for byte, one that is trusted.
    fn is_trusted_itself(&self, certificate: &CertificateDer<'_>) -> bool {
        matches!(&self.trust, Trust::Signed(trusted) if trusted.iter().any(|t| t.as_ref() == certificate.as_ref()))
    }

    /// webpki wants a server's certificate to be no authority and to have one above it. Who puts a server's own
    /// certificate into `ca_file` means that one. Its validity was looked at before either complaint.
    fn own_certificate(
        &self,
        complaint: Error,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> Result<ServerCertVerified, Error> {
        let lacks_an_authority = match &complaint {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => true,
            Error::InvalidCertificate(CertificateError::Other(e)) => e.to_string().contains("CaUsedAsEndEntity"),
            _ => false,
        };
        if !lacks_an_authority || !self.is_trusted_itself(certificate) {
            return Err(complaint);
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }

    /// Where anyone is trusted, a certificate that webpki cannot read still has a key: one of version 1, as
    /// `openssl x509 -req` makes them.
    fn by_key(
        &self,
        complaint: Error,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.trusts_anyone() || ParsedCertificate::try_from(certificate).is_ok() {
            return Err(complaint);
        }
        let Some(key) = der::public_key(certificate.as_ref()) else { return Err(complaint) };
        let schemes = self.provider.signature_verification_algorithms.mapping.iter();
        let mut algorithms = schemes.filter(|(scheme, _)| *scheme == dss.scheme).flat_map(|(_, all)| all.iter());
        let valid = algorithms.any(|algorithm| {
            algorithm.public_key_alg_id().as_ref() == key.algorithm
                && algorithm.verify_signature(key.key, message, dss.signature()).is_ok()
        });
        if valid { Ok(HandshakeSignatureValid::assertion()) } else { Err(complaint) }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("trusts_anyone", &self.trusts_anyone()).field("name", &self.name).finish()
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
    ) -> Result<ServerCertVerified, Error> {
        let name = self.name.as_ref().unwrap_or(server_name);
        match &self.inner {
            Some(inner) => inner
                .verify_server_cert(end_entity, intermediates, name, ocsp, now)
                .or_else(|complaint| self.own_certificate(complaint, end_entity, name)),
            None if self.trusts_anyone() => Ok(ServerCertVerified::assertion()),
            None => Err(Error::General("no trusted certificates found on this system".into())),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
            .or_else(|complaint| self.by_key(complaint, message, cert, dss))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
            .or_else(|complaint| self.by_key(complaint, message, cert, dss))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
