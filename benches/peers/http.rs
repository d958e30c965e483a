//! A blocking HTTP client over one connection pool, uncompressed, so that what is timed is the server.

use std::time::{Duration, Instant};

/// Talks to the servers on loopback.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    inner: reqwest::Client,
}

/// An answer and how long it took to arrive whole.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    pub took: Duration,
}

impl Client {
    pub fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let inner = reqwest::Client::builder().no_gzip().no_proxy().build().expect("an HTTP client");
        Client { runtime, inner }
    }

    /// GET with query parameters.
    pub fn get(&self, url: &str, query: &[(&str, String)]) -> Result<Answer, String> {
        let mut full = url::Url::parse(url).map_err(|e| e.to_string())?;
        full.query_pairs_mut().extend_pairs(query);
        self.send(self.inner.get(full))
    }

    /// POST of a JSON body.
    #[allow(dead_code, reason = "shared by two benches")]
    pub fn post_json(&self, url: &str, body: Vec<u8>) -> Result<Answer, String> {
        self.send(self.inner.post(url).header("Content-Type", "application/json").body(body))
    }

    /// POST of a remote-write 1.0 body.
    #[allow(dead_code, reason = "shared by two benches")]
    pub fn remote_write(&self, url: &str, body: Vec<u8>) -> Result<Answer, String> {
        self.send(
            self.inner
                .post(url)
                .header("Content-Type", "application/x-protobuf")
                .header("Content-Encoding", "snappy")
                .header("X-Prometheus-Remote-Write-Version", "0.1.0")
                .body(body),
        )
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, String> {
        self.runtime.block_on(async {
            let begin = Instant::now();
            let response = request.send().await.map_err(|e| e.to_string())?;
            let status = response.status().as_u16();
            let body = response.bytes().await.map_err(|e| e.to_string())?;
            Ok(Answer { status, body: body.to_vec(), took: begin.elapsed() })
        })
    }
}
