//! Flags that all commands of a client have, and the file that answers for those that are not given.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::arguments::duration_arg;
use crate::config::yaml::{Decode, Decoder};
use crate::config::{HttpClientConfig, read_text};
use crate::model::Diagnostic;
use crate::section;

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table of what matters most.
    Simple,
    /// A table of everything.
    Extended,
    /// What the server said.
    Json,
}

/// Where to ask, and how to answer.
#[derive(Args, Clone, Debug)]
pub struct ClientFlags {
    /// The service, or the Alertmanager [default: what amtool's file says, else http://localhost:9093/].
    #[arg(long = "alertmanager.url", visible_alias = "url", value_name = "URL", global = true)]
    url: Option<String>,
    /// How the result is written [default: what amtool's file says, else simple].
    #[arg(short = 'o', long = "output", value_enum, global = true)]
    output: Option<Output>,
    /// How long to wait for an answer.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration_arg, global = true)]
    timeout: i64,
    /// File with the HTTP client's settings, as in `http_config`.
    #[arg(long = "http.config.file", value_name = "FILE", global = true)]
    http_config: Option<PathBuf>,
    /// How times are written, as a layout of Go's.
    #[arg(long = "date.format", value_name = "LAYOUT", global = true)]
    date_format: Option<String>,
    // Whether the server's version is another one, nobody asks here.
    #[arg(long = "version-check", hide = true, global = true)]
    version_check: bool,
    #[arg(long = "no-version-check", hide = true, global = true)]
    no_version_check: bool,
    #[arg(short = 'v', long = "verbose", hide = true, global = true)]
    verbose: bool,
}

section! {
    /// amtool's own file: answers for flags that are not given.
    pub struct ClientFile as "amtool's configuration" {
        /// `--alertmanager.url`
        url as "alertmanager.url": String,
        /// `--author`
        author: String,
        /// Whether silences need a comment.
        comment_required: bool = true,
        /// The same by another name.
        require_comment as "require-comment": bool = true,
        /// `--output`
        output: String,
        /// `--date.format`
        date_format as "date.format": String,
        /// `--http.config.file`
        http_config as "http.config.file": String,
        /// `--timeout`; accepted.
        timeout: String,
        /// Accepted: routes are tested where flags say.
        receiver: String,
    }
}

/// What a command knows before it begins.
pub struct Settings {
    /// The server, without a slash at its end.
    pub url: String,
    /// Whether the command line says so.
    pub is_url_given: bool,
    /// How the result is written.
    pub output: Output,
    /// How long to wait for an answer.
    pub timeout: Duration,
    /// How to speak HTTP.
    pub http: HttpClientConfig,
    /// How times are written.
    pub date_format: String,
    /// Who makes silences where nobody says so.
    pub author: String,
    /// Whether silences need a comment.
    pub comment_required: bool,
}

impl ClientFlags {
    /// What flags and amtool's file say together.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn settings(&self) -> Result<Settings, String> {
        let file = match amtool_files().into_iter().find(|path| path.is_file()) {
            Some(path) => read::<ClientFile>(&path)?,
            None => ClientFile::default(),
        };
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let url = self.url.clone().or_else(|| given(&file.url)).unwrap_or_else(|| "http://localhost:9093/".into());
        let output = match file.output.as_str() {
            "" => Output::Simple,
            name => Output::from_str(name, false)?,
        };
        let http = match self.http_config.clone().or_else(|| given(&file.http_config).map(PathBuf::from)) {
            Some(path) => read::<HttpClientConfig>(&path)?,
            None => HttpClientConfig::default(),
        };
        Ok(Settings {
            url: url.trim_end_matches('/').to_owned(),
            is_url_given: self.url.is_some(),
            output: self.output.unwrap_or(output),
            timeout: Duration::from_millis(self.timeout.unsigned_abs()),
            http,
            date_format: self
                .date_format
                .clone()
                .or_else(|| given(&file.date_format))
                .unwrap_or_else(|| "2006-01-02 15:04:05 MST".into()),
            author: given(&file.author).or_else(user).unwrap_or_default(),
            comment_required: file.comment_required && file.require_comment,
        })
    }
}

/// Where amtool looks for its file, first to last.
fn amtool_files() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config/amtool/config.yml"));
    let other = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config/prometheus/amtool.yml"));
    let of_all = ["/etc/amtool/config.yml", "/etc/prometheus/amtool.yml"].map(PathBuf::from);
    home.into_iter().chain(other).chain(of_all).collect()
}

fn user() -> Option<String> {
    std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok().filter(|name| !name.is_empty())
}

/// Reads a file of settings.
///
/// # Errors
/// What is wrong with it.
pub(in crate::cli) fn read<T: Decode>(path: &Path) -> Result<T, String> {
    let lines = |all: Vec<Diagnostic>| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let text = read_text(path).map_err(lines)?;
    let decoder = Decoder::new(path.display().to_string(), &text);
    let value = decoder.document().and_then(|node| T::decode(&node, &decoder));
    decoder.finish(value).map_err(lines)
}
