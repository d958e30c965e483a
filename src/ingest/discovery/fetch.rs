//! Asking a server for targets: a client that is built when it is needed, and answers of bounded size.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;

use crate::config::HttpClientConfig;
use crate::net::{HttpClient, HttpSettings, read_body};

/// The longest answer, bytes.
pub(super) const LONGEST_ANSWER: u64 = 256 << 20;
/// The longest time an answer may take, however seldom one is asked for: longer than Consul holds an answer back.
const LONGEST_WAIT: Duration = Duration::from_secs(150);

/// Asks a server.
pub(super) struct Fetcher {
    settings: HttpSettings,
    timeout: Duration,
    client: Option<HttpClient>,
}

/// An answer with status 200.
pub(super) struct Answer {
    pub content_type: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_slice(&self.body).map_err(|e| format!("unexpected answer: {e}"))
    }
}

impl Fetcher {
    /// For a client; an answer may take as long as the interval between questions.
    pub fn new(http: &HttpClientConfig, interval: Duration) -> Self {
        Fetcher::with_settings(HttpSettings::from(http), interval)
    }

    pub fn with_settings(settings: HttpSettings, interval: Duration) -> Self {
        Fetcher { settings, timeout: interval.min(LONGEST_WAIT), client: None }
    }

    /// The client; what kept it from being built may have been mended since.
    pub fn client(&mut self) -> Result<HttpClient, String> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = HttpClient::new(&self.settings).map_err(|e| e.to_string())?;
        self.client = Some(client.clone());
        Ok(client)
    }

    /// How long an answer may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Asks, with these headers.
    pub async fn get(&mut self, url: &str, headers: &[(&str, String)]) -> Result<Answer, String> {
        let client = self.client()?;
        self.find(&client, url, headers).await?.ok_or_else(|| "server returned HTTP status 404 Not Found".to_owned())
    }

    /// Asks for what may not be there.
    pub async fn find(
        &self,
        client: &HttpClient,
        url: &str,
        headers: &[(&str, String)],
    ) -> Result<Option<Answer>, String> {
        let mut request = client.request(Method::GET, url).map_err(|e| e.to_string())?;
        request = request.timeout(self.timeout).header(ACCEPT, "application/json");
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = client.send(request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        let headers = response.headers().clone();
        if status == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        if status != reqwest::StatusCode::OK {
            return Err(format!("server returned HTTP status {status}"));
        }
        let body = read_body(response, LONGEST_ANSWER).await.map_err(|e| e.to_string())?;
        Ok(Some(Answer { content_type, headers, body }))
    }
}
