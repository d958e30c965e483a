//! `watchbell lsp`: a language server on standard input and output.

mod complete;
mod definition;
mod diagnose;
mod hover;
mod jobs;
mod knowledge;
mod opening;
mod outgoing;
mod project;
mod session;
mod text;
mod wire;

use std::io::{self, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::exit::fail;
use jobs::Jobs;
use knowledge::Source;
use session::Session;

/// Serve an editor: defects and findings as you type, completion, what a word is, where it is defined, layout.
///
/// Speaks the Language Server Protocol on standard input and output.
#[derive(Args, Debug)]
pub struct Lsp {
    /// Ask this server what metrics are and what they are now: Watchbell or anything that speaks Prometheus' API.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File with the HTTP client's settings, as in `http_config`: for a server with TLS or users.
    #[arg(long = "http.config.file", value_name = "FILE", requires = "url")]
    http_config: Option<PathBuf>,
    /// Speak on standard input and output, which is the only way there is: some editors say so.
    #[arg(long)]
    stdio: bool,
}

impl Lsp {
    /// Serves until the client is gone.
    pub fn execute(&self) -> ExitCode {
        match self.serve() {
            // A client that goes without a word is no success, says the protocol.
            Ok(is_shut_down) => {
                if is_shut_down {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                }
            }
            Err(why) => fail(&why),
        }
    }

    fn serve(&self) -> Result<bool, String> {
        let source = self.url.as_ref().map(|url| Source::open(url, self.http_config.as_deref()).map(Arc::new));
        let (jobs, events) = Jobs::new();
        let session = Session::new(source.transpose()?, jobs.clone());
        jobs.read(BufReader::new(io::stdin())).map_err(|e| e.to_string())?;
        session.serve(&events, &mut io::stdout().lock()).map_err(|e| e.to_string())
    }
}
