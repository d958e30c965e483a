//! The HTTP client of a pool. What keeps it from being built may be mended while the pool runs: its targets are down until
//! then, and each scrape tries again.

use parking_lot::Mutex;

use crate::net::{HttpClient, HttpSettings, NetError};

/// A client that is built when it can be.
pub(super) struct PoolClient {
    settings: HttpSettings,
    built: Mutex<Option<HttpClient>>,
}

impl PoolClient {
    pub fn new(settings: HttpSettings) -> Self {
        PoolClient { settings, built: Mutex::default() }
    }

    /// The client.
    ///
    /// # Errors
    /// It cannot be built.
    pub fn get(&self) -> Result<HttpClient, NetError> {
        // Held while it is built, so that it is built once.
        let mut built = self.built.lock();
        if let Some(client) = &*built {
            return Ok(client.clone());
        }
        let client = HttpClient::new(&self.settings)?;
        *built = Some(client.clone());
        Ok(client)
    }
}
