//! `watchbell health`: asks a running server whether it is ready, for container health checks.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use reqwest::Method;

use super::client::flags::read;
use super::exit::fail;
use crate::config::HttpClientConfig;
use crate::net::{HttpClient, HttpSettings, read_body, redact_url};

/// Bytes of an answer that are read.
const LONGEST_ANSWER: u64 = 1 << 16;

/// Ask a running server whether it is ready. Exit code 0: it is.
#[derive(Args, Debug)]
pub struct Health {
    /// Where the server listens.
    #[arg(long, default_value = "http://127.0.0.1:9095")]
    url: url::Url,
    /// How long to wait for an answer, in seconds.
    #[arg(long, default_value_t = 3)]
    timeout: u64,
    /// File with the HTTP client's settings, as in `http_config`: for a server with TLS or users.
    #[arg(long = "http.config.file", value_name = "FILE")]
    http_config: Option<PathBuf>,
}

impl Health {
    /// Asks, and says on standard error why not.
    pub fn execute(&self) -> ExitCode {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/-/ready", url.path().trim_end_matches('/')));
        match self.ask(&url) {
            Ok((200, _)) => ExitCode::SUCCESS,
            Ok((status, text)) => fail(&format!("{}: HTTP status {status}: {}", redact_url(url.as_str()), text.trim())),
            Err(why) => fail(&format!("{}: {why}", redact_url(url.as_str()))),
        }
    }

    fn ask(&self, url: &url::Url) -> Result<(u16, String), String> {
        let config = match &self.http_config {
            Some(path) => read::<HttpClientConfig>(path)?,
            None => HttpClientConfig::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        runtime.block_on(async {
            let client = HttpClient::new(&HttpSettings::from(&config)).map_err(|e| e.to_string())?;
            let request = client.request(Method::GET, url.as_str()).map_err(|e| e.to_string())?;
            let response = client.send(request.timeout(Duration::from_secs(self.timeout))).await;
            let response = response.map_err(|e| e.to_string())?;
            let status = response.status().as_u16();
            let body = read_body(response, LONGEST_ANSWER).await.unwrap_or_default();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        })
    }
}
