//! Asking Alertmanager's API.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value as Json;

use super::flags::Settings;
use crate::config::HttpClientConfig;
use crate::model::{cut, printable};
use crate::net::{HttpClient, HttpSettings, read_body};

/// The longest answer that is read, bytes.
const LONGEST_ANSWER: u64 = 1 << 30;
/// How much of what a server has against a request is told, characters.
const LONGEST_ERROR: usize = 10_000;

/// A server's API.
pub(in crate::cli) struct Api {
    /// Without a slash at its end.
    url: String,
    timeout: Duration,
    client: HttpClient,
    runtime: tokio::runtime::Runtime,
}

impl Api {
    /// A client of the server that the settings name.
    ///
    /// # Errors
    /// It cannot be set up.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        Api::of(&settings.url, settings.timeout, &settings.http)
    }

    /// A client of a server, whose answers are waited for so long.
    ///
    /// # Errors
    /// It cannot be set up.
    pub fn of(url: &str, timeout: Duration, http: &HttpClientConfig) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let client = HttpClient::new(&HttpSettings::from(http)).map_err(|e| e.to_string())?;
        Ok(Api { url: url.trim_end_matches('/').to_owned(), timeout, client, runtime })
    }

    /// The JSON that a path of Alertmanager's API answers with; null when it answers with nothing.
    ///
    /// # Errors
    /// What the server has against it, or that it did not answer.
    pub fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Json>,
    ) -> Result<Json, String> {
        self.call(method, &format!("/api/v2{path}"), query, body)
    }

    /// The same of a path of Watchbell's own API.
    ///
    /// # Errors
    /// As [`Api::ask`].
    pub fn own(&self, method: Method, path: &str, body: Option<&Json>) -> Result<Json, String> {
        self.call(method, path, &[], body)
    }

    /// The same with parameters.
    ///
    /// # Errors
    /// As [`Api::ask`].
    pub fn own_with(&self, method: Method, path: &str, query: &[(&str, String)]) -> Result<Json, String> {
        self.call(method, path, query, None)
    }

    fn call(&self, method: Method, path: &str, query: &[(&str, String)], body: Option<&Json>) -> Result<Json, String> {
        let url = url::Url::parse_with_params(&format!("{}{path}", self.url), query);
        let url = url.map_err(|e| format!("--alertmanager.url: {e}"))?;
        let request = self.client.request(method, url.as_str()).map_err(|e| e.to_string())?;
        let request = request.header("accept", "application/json").timeout(self.timeout);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        self.runtime.block_on(async {
            let response = self.client.send(request).await.map_err(|e| e.to_string())?;
            let status = response.status();
            let body = read_body(response, LONGEST_ANSWER).await.map_err(|e| e.to_string())?;
            let json = serde_json::from_slice::<Json>(&body);
            if status.is_success() {
                return if body.is_empty() { Ok(Json::Null) } else { json.map_err(|e| format!("{path}: {e}")) };
            }
            let said = match json {
                Ok(Json::String(text)) => text,
                Ok(Json::Object(fields)) => {
                    let said = fields.get("message").or_else(|| fields.get("error"));
                    said.and_then(Json::as_str).unwrap_or("").to_owned()
                }
                _ => String::from_utf8_lossy(&body).trim().to_owned(),
            };
            // It is written to a terminal: a page of some proxy, or worse, is not to drive it.
            let said: Vec<String> = cut(&said, LONGEST_ERROR).lines().map(printable).collect();
            Err(format!("{path}: HTTP status {}: {}", status.as_u16(), said.join("\n")))
        })
    }

    /// A list that a path answers with.
    ///
    /// # Errors
    /// As [`Api::ask`].
    pub fn list(&self, path: &str, query: &[(&str, String)]) -> Result<Vec<Json>, String> {
        match self.ask(Method::GET, path, query, None)? {
            Json::Array(items) => Ok(items),
            other => Err(format!("{path}: expected a list, found {other}")),
        }
    }
}
