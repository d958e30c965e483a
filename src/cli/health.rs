//! `watchbell health`: asks a running server whether it is ready, for container health checks.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::exit::fail;

/// Ask a running server whether it is ready. Exit code 0: it is.
#[derive(Args, Debug)]
pub struct Health {
    /// Where the server listens.
    #[arg(long, default_value = "http://127.0.0.1:9095")]
    url: url::Url,
    /// How long to wait for an answer, in seconds.
    #[arg(long, default_value_t = 3)]
    timeout: u64,
}

impl Health {
    /// Asks, and says on standard error why not.
    pub fn execute(&self) -> ExitCode {
        match self.ask() {
            Ok(200) => ExitCode::SUCCESS,
            Ok(status) => fail(&format!("{}: HTTP status {status}", self.url)),
            Err(e) => fail(&e),
        }
    }

    fn ask(&self) -> Result<u16, String> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}/-/ready", url.path().trim_end_matches('/')));
        // Health checks are local; a provider is installed only so that https URLs work too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let timeout = Duration::from_secs(self.timeout);
        let client = reqwest::Client::builder().no_proxy().timeout(timeout).build().map_err(|e| e.to_string())?;
        let answer =
            runtime.block_on(async { client.get(url).send().await }).map_err(|e| e.without_url().to_string())?;
        Ok(answer.status().as_u16())
    }
}
