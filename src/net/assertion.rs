//! Assertions: what a client of OAuth 2.0 says of itself, signed with its own key (RFC 7523).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use rustls::SignatureScheme;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value as Json};

use super::error::NetError;
use crate::clock::{Clock, SystemClock};

/// The grant of a signed assertion.
pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// How long an assertion is good, seconds.
const LASTS: i64 = 600;

/// What an assertion says, and how it is signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assertion {
    /// `RS256`, `RS384` or `RS512`.
    pub algorithm: String,
    /// Which key it is, for whoever checks.
    pub key_id: String,
    /// Who speaks.
    pub issuer: String,
    /// To whom; the token's URL when empty.
    pub audience: String,
    /// More claims.
    pub claims: Map<String, Json>,
}

impl Assertion {
    fn scheme(&self) -> Option<SignatureScheme> {
        match self.algorithm.as_str() {
            "" | "RS256" => Some(SignatureScheme::RSA_PKCS1_SHA256),
            "RS384" => Some(SignatureScheme::RSA_PKCS1_SHA384),
            "RS512" => Some(SignatureScheme::RSA_PKCS1_SHA512),
            _ => None,
        }
    }

    /// # Errors
    /// The algorithm is none that is known.
    pub(super) fn check(&self) -> Result<(), NetError> {
        self.scheme().map(drop).ok_or(NetError::Unsupported("a signature_algorithm other than RS256, RS384 and RS512"))
    }

    /// The form that asks for a token. `key` is in PEM.
    ///
    /// # Errors
    /// The key cannot sign.
    pub(super) fn form(
        &self,
        key: &str,
        client_id: &str,
        scopes: &[String],
        token_url: &str,
    ) -> Result<Vec<(String, String)>, NetError> {
        let issued = SystemClock.now() / 1000;
        let audience = if self.audience.is_empty() { token_url } else { &self.audience };
        let mut claims = serde_json::json!({
            "iss": self.issuer,
            "jti": unique()?,
            "aud": audience,
            "iat": issued,
            "exp": issued + LASTS,
        });
        if let Json::Object(claims) = &mut claims {
            if !client_id.is_empty() {
                claims.insert("sub".into(), client_id.into());
            }
            if !scopes.is_empty() {
                claims.insert("scope".into(), scopes.join(" ").into());
            }
            claims.extend(self.claims.clone());
        }
        let signed = self.sign(key, &claims)?;
        Ok(vec![("grant_type".into(), GRANT.into()), ("assertion".into(), signed)])
    }

    fn sign(&self, key: &str, claims: &Json) -> Result<String, NetError> {
        let refused = |why: &str| NetError::Tls(format!("client_certificate_key: {why}"));
        let scheme = self.scheme().ok_or_else(|| refused("no such algorithm"))?;
        // The parser's own text could quote the key.
        let der = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| refused("no private key in PEM form"))?;
        let key = rustls::crypto::ring::default_provider().key_provider.load_private_key(der);
        let key = key.map_err(|_| refused("the key cannot be used"))?;
        let signer = key.choose_scheme(&[scheme]).ok_or_else(|| refused("expected an RSA key"))?;
        let algorithm = if self.algorithm.is_empty() { "RS256" } else { &self.algorithm };
        let mut header = serde_json::json!({ "alg": algorithm, "typ": "JWT" });
        if let (Json::Object(header), false) = (&mut header, self.key_id.is_empty()) {
            header.insert("kid".into(), self.key_id.clone().into());
        }
        let text = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let signature = signer.sign(text.as_bytes()).map_err(|_| refused("the key cannot sign"))?;
        Ok(format!("{text}.{}", BASE64.encode(signature)))
    }
}

/// A name that no other assertion has: a random UUID.
fn unique() -> Result<String, NetError> {
    let mut bytes = [0; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| NetError::Tls("no random numbers".into()))?;
    let n = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{n:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_uuids_of_version_4() {
        let name = unique().unwrap();
        assert_eq!((name.len(), name.get(14..15)), (36, Some("4")));
        assert!(matches!(name.get(19..20), Some("8" | "9" | "a" | "b")) && name != unique().unwrap());
    }

    #[test]
    fn what_cannot_sign_says_so_without_its_text() {
        let form = |algorithm: &str, key: &str| {
            let assertion = Assertion { algorithm: algorithm.into(), ..Assertion::default() };
            assertion.check().and_then(|()| assertion.form(key, "me", &[], "http://a/")).unwrap_err().to_string()
        };
        assert!(form("ES256", "").contains("RS256"));
        assert!(!form("", "hunter2").contains("hunter2"));
    }
}
