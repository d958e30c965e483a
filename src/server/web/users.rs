//! Users by name and password, as `basic_auth_users` lists them.

use std::collections::HashSet;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::config::web::WebConfig;

/// Most passwords that are remembered as good: a hash is made to be slow.
const MOST_KNOWN: usize = 100;
/// Most passwords compared at once.
const MOST_COMPARED: usize = 2;
/// Whom nobody knows is compared with this, so that the time an answer takes does not tell who is known.
const NOBODY: &str = "$2b$10$nobodyIsKnownByThisOnu7watchbell7watchbell7watchbel7u";

/// Looks passwords up.
pub(super) struct Users {
    known: Mutex<HashSet<[u8; 32]>>,
    comparing: Arc<Semaphore>,
}

impl Default for Users {
    fn default() -> Self {
        Users { known: Mutex::default(), comparing: Arc::new(Semaphore::new(MOST_COMPARED)) }
    }
}

/// Whether every hash is one of bcrypt.
pub(super) fn check(config: &WebConfig) -> Result<(), String> {
    for (name, hash) in &config.basic_auth_users {
        let parsed = hash.expose().parse::<bcrypt::HashParts>();
        // The error could quote the hash.
        parsed.map_err(|_| format!("basic_auth_users: {name}: this is no bcrypt hash"))?;
    }
    Ok(())
}

impl Users {
    /// Whether someone is let in: by name and password, or because there are no users.
    pub async fn admits(&self, config: &WebConfig, headers: &HeaderMap) -> bool {
        if config.basic_auth_users.is_empty() {
            return true;
        }
        let Some((name, password)) = credentials(headers) else { return false };
        let hash = config.basic_auth_users.get(&name).map(|hash| hash.expose().to_owned());
        let is_user = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
        let mut digest = Sha256::new();
        [name.as_bytes(), hash.as_bytes(), password.as_bytes()].into_iter().for_each(|part| {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        });
        let key: [u8; 32] = digest.finalize().into();
        if is_user && self.known.lock().contains(&key) {
            return true;
        }
        let Ok(_permit) = self.comparing.acquire().await else { return false };
        let compared = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash)).await;
        let is_good = is_user && matches!(compared, Ok(Ok(true)));
        if is_good {
            let mut known = self.known.lock();
            if known.len() >= MOST_KNOWN {
                known.clear();
            }
            known.insert(key);
        }
        is_good
    }
}

/// The name that whoever asks says with the password.
pub(in crate::server) fn user_name(headers: &HeaderMap) -> Option<String> {
    credentials(headers).map(|(name, _)| name).filter(|name| !name.is_empty())
}

/// Name and password of an `Authorization: Basic` header.
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = String::from_utf8(decoded).ok()?;
    decoded.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &str, password: &str) -> HeaderMap {
        let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
        HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())])
    }

    #[tokio::test]
    async fn who_knows_a_password_is_let_in() {
        let hash = bcrypt::hash_with_salt("secret", 4, [7; 16]).unwrap().to_string();
        let config = WebConfig::load_str("web.yml", &format!("basic_auth_users: {{alice: '{hash}'}}")).unwrap();
        check(&config).unwrap();
        let users = Users::default();
        for _ in 0..2 {
            assert!(users.admits(&config, &headers("alice", "secret")).await);
        }
        assert_eq!(users.known.lock().len(), 1);
        for (name, password) in [("alice", "Secret"), ("bob", "secret"), ("", "")] {
            assert!(!users.admits(&config, &headers(name, password)).await, "{name}");
        }
        assert!(!users.admits(&config, &HeaderMap::new()).await);
        assert!(!bcrypt::verify("any", NOBODY).unwrap(), "it takes as long as another");
        assert!(users.admits(&WebConfig::default(), &HeaderMap::new()).await, "there are no users");
        let bad = WebConfig::load_str("web.yml", "basic_auth_users: {alice: secret}").unwrap();
        assert_eq!(check(&bad).unwrap_err(), "basic_auth_users: alice: this is no bcrypt hash");
    }
}
