//! Requests that are signed as AWS asks for (`sigv4`), with what they carry.

use reqwest::{Client, Request};
use tokio::sync::OnceCell;

use super::aws::{self, AwsError, Role, Signed};
use super::error::NetError;
use super::secret::header_value;
use crate::clock::{Clock, SystemClock};
use crate::config::identity::SigV4Config;

/// The service that is signed for unless another one is named: Prometheus' own at AWS.
const SERVICE: &str = "aps";

/// Signs requests.
pub(super) struct Signer {
    config: SigV4Config,
    role: Role,
    /// Once it is known.
    region: OnceCell<String>,
}

fn refused(e: AwsError) -> NetError {
    NetError::Transport(e.reason)
}

impl Signer {
    pub fn new(config: &SigV4Config) -> Self {
        Signer { config: config.clone(), role: Role::default(), region: OnceCell::new() }
    }

    /// Signs a request as it is; `client` asks for roles.
    ///
    /// # Errors
    /// There is nobody to sign.
    pub async fn sign(&self, request: &mut Request, client: &Client) -> Result<(), NetError> {
        let now = SystemClock.now();
        let region = self.region.get_or_try_init(|| aws::region_of(&self.config, client, &aws::variable));
        let region = region.await.map_err(refused)?;
        let found = aws::credentials(&self.config, region, &self.role, client, now, &aws::variable).await;
        let credentials = found.map_err(refused)?;
        let url = request.url().clone();
        let body = request.body().and_then(|b| b.as_bytes()).unwrap_or_default().to_vec();
        let service = if self.config.service_name.is_empty() { SERVICE } else { &self.config.service_name };
        let method = request.method().as_str().to_owned();
        let signed = Signed {
            credentials: &credentials,
            region,
            service,
            method: &method,
            url: &url,
            more: Vec::new(),
            body: &body,
            now,
        };
        for (name, value) in signed.headers() {
            request.headers_mut().insert(name, header_value(name, &value)?);
        }
        Ok(())
    }
}
