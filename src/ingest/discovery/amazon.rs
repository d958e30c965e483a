//! Asking a service of AWS: where it is, who we are, and the signature.

use std::time::Duration;

use reqwest::Method;

use super::fetch::{Fetcher, LONGEST_ANSWER};
use crate::clock::{Clock, SystemClock};
use crate::config::HttpClientConfig;
use crate::config::discovery::AwsSdConfig;
use crate::config::identity::SigV4Config;
use crate::net::aws::Role;
use crate::net::{aws, read_body};

/// A service of AWS.
pub(super) struct Service {
    name: &'static str,
    endpoint: String,
    identity: SigV4Config,
    role: Role,
    fetcher: Fetcher,
    /// Once it is known.
    region: Option<String>,
}

impl Service {
    /// A service by its name; at AWS' own endpoint when none is given.
    pub fn new(name: &'static str, aws: &AwsSdConfig, http: &HttpClientConfig, interval: Duration) -> Self {
        let (endpoint, identity) = (aws.endpoint.clone(), aws.identity());
        Service { name, endpoint, identity, role: Role::default(), fetcher: Fetcher::new(http, interval), region: None }
    }

    /// The region that is asked.
    pub async fn region(&mut self) -> Result<String, String> {
        if let Some(region) = &self.region {
            return Ok(region.clone());
        }
        let client = self.fetcher.client()?;
        let found = aws::region_of(&self.identity, &client.plain(), &aws::variable).await;
        let region = found.map_err(|e| format!("{} SD configuration requires a region: {e}", self.name))?;
        self.region = Some(region.clone());
        Ok(region)
    }

    /// Posts a body with these headers, which are signed; gives the answer.
    pub async fn post(&mut self, headers: &[(&str, &str)], body: String) -> Result<String, String> {
        let region = self.region().await?;
        let client = self.fetcher.client()?;
        let now = SystemClock.now();
        let found = aws::credentials(&self.identity, &region, &self.role, &client.plain(), now, &aws::variable).await;
        let credentials = found.map_err(|e| e.to_string())?;
        let text = match self.endpoint.as_str() {
            "" => format!("https://{}.{region}.{}/", self.name, aws::domain(&region)),
            given if given.contains("://") => given.to_owned(),
            given => format!("https://{given}"),
        };
        let url = url::Url::parse(&text).map_err(|e| format!("endpoint {text:?}: {e}"))?;
        let signed = aws::Signed {
            credentials: &credentials,
            region: &region,
            service: self.name,
            method: "POST",
            url: &url,
            more: headers.to_vec(),
            body: body.as_bytes(),
            now,
        };
        let mut request = client.request(Method::POST, url.as_str()).map_err(|e| e.to_string())?;
        request = request.timeout(self.fetcher.timeout());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in signed.headers() {
            request = request.header(name, value);
        }
        let response = client.send(request.body(body)).await.map_err(|e| e.to_string())?;
        let status = response.status();
        let answer = read_body(response, LONGEST_ANSWER).await.map_err(|e| e.to_string())?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        match status.is_success() {
            true => Ok(answer),
            false => Err(format!("status {status}: {}", answer.trim().chars().take(300).collect::<String>())),
        }
    }
}
