//! `watchbell backtest --write`: where what recording rules give is written.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::backtest::write::{DataDirectory, RemoteEndpoint, Sink};
use crate::cli::client::flags::read;
use crate::config::HttpClientConfig;
use crate::net::{HttpSettings, redact_url};

/// Where it is written.
#[derive(Args, Debug)]
pub struct WriteArgs {
    /// Write what recording rules give: into the data directory of a Watchbell that does not run, or to an address that takes
    /// remote write.
    #[arg(long, value_name = "DIR|URL", conflicts_with_all = ["compare", "sweep"])]
    write: Option<String>,
    /// File with the settings of the HTTP client that writes, as in `http_config`.
    #[arg(long = "write.http.config.file", value_name = "FILE", requires = "write")]
    write_http_config: Option<PathBuf>,
}

/// Something that samples are written to.
pub enum Target {
    /// A data directory.
    Directory(DataDirectory),
    /// A server.
    Server(RemoteEndpoint),
}

impl Target {
    /// What takes the samples.
    pub fn sink(&mut self) -> &mut dyn Sink {
        match self {
            Target::Directory(directory) => directory,
            Target::Server(server) => server,
        }
    }
}

impl WriteArgs {
    /// Opens what is named.
    pub fn open(&self) -> Result<Option<Target>, String> {
        let Some(target) = &self.write else { return Ok(None) };
        if !is_url(target) {
            return match &self.write_http_config {
                Some(_) => Err("--write.http.config.file: expected --write with an address, found a directory".into()),
                None => DataDirectory::open(Path::new(target)).map(Target::Directory).map(Some),
            };
        }
        let http = match &self.write_http_config {
            Some(path) => read::<HttpClientConfig>(path)?,
            None => HttpClientConfig::default(),
        };
        RemoteEndpoint::new(target, &HttpSettings::from(&http)).map(Target::Server).map(Some)
    }

    /// Says what was written.
    pub fn tell(&self, target: &Target, samples: u64) {
        let name = self.write.as_deref().unwrap_or_default();
        let name = if is_url(name) { redact_url(name).to_string() } else { name.to_owned() };
        eprintln!("watchbell: wrote {samples} samples to {name}");
        if let Target::Directory(directory) = target
            && directory.differing() > 0
        {
            eprintln!("watchbell: {} of them were not taken: other values are there already", directory.differing());
        }
    }
}

fn is_url(target: &str) -> bool {
    target.starts_with("http://") || target.starts_with("https://")
}
