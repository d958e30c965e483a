//! `watchbell silence add`: makes a silence.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value as Json};

use super::api::Api;
use super::flags::ClientFlags;
use super::{matchers, silences, table, times};
use crate::cli::arguments::duration_arg;
use crate::cli::exit::{fail, written};

/// Make a silence of alerts that match, and write its id. A first argument that is no matcher is an alert's name.
#[derive(Args, Debug)]
pub struct SilenceAdd {
    /// Who makes it [default: what amtool's file says, else the user].
    #[arg(short = 'a', long)]
    author: Option<String>,
    /// How long it lasts.
    #[arg(short = 'd', long, value_name = "DURATION", default_value = "1h", value_parser = duration_arg)]
    duration: i64,
    /// When it begins, in RFC 3339 [default: now].
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// When it ends, in RFC 3339; instead of a duration.
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// Why.
    #[arg(short = 'c', long, default_value = "", hide_default_value = true)]
    comment: String,
    // amtool's flag against what its file says.
    #[arg(long = "require-comment", hide = true)]
    require_comment: bool,
    /// An annotation, name=value; may be repeated.
    #[arg(long = "annotation", value_name = "NAME=VALUE")]
    annotations: Vec<String>,
    /// Matchers.
    #[arg(value_name = "MATCHER")]
    matchers: Vec<String>,
    #[command(flatten)]
    client: ClientFlags,
}

impl SilenceAdd {
    /// Makes it, and writes its id.
    pub fn execute(&self) -> ExitCode {
        match self.post() {
            Ok(id) => written(silences::write_ids([id.as_str()]).map(|()| 0)),
            Err(e) => fail(&e),
        }
    }

    fn post(&self) -> Result<String, String> {
        let settings = self.client.settings()?;
        let matchers = matchers::matchers(&self.matchers)?;
        if matchers.is_empty() {
            return Err("no matchers specified".into());
        }
        if self.comment.is_empty() && (settings.comment_required || self.require_comment) {
            return Err("comment required by config".into());
        }
        let starts = self.start.as_deref().map_or_else(|| Ok(times::now()), times::parse)?;
        let ends = match &self.end {
            Some(end) => times::parse(end)?,
            None if self.duration == 0 => return Err("silence duration must be greater than 0".into()),
            None => starts.saturating_add(self.duration),
        };
        if starts > ends {
            return Err("silence cannot start after it ends".into());
        }
        let author = self.author.as_ref().unwrap_or(&settings.author);
        let mut silence = silences::body(&matchers, (starts, ends), author, &self.comment);
        let annotations = matchers::annotations(&self.annotations)?;
        if !annotations.is_empty() {
            let annotations: Map<String, Json> = annotations.into_iter().map(|(n, v)| (n, Json::from(v))).collect();
            silence["annotations"] = Json::from(annotations);
        }
        let answer = Api::new(&settings)?.ask(Method::POST, "/silences", &[], Some(&silence))?;
        Ok(table::text(&answer, "silenceID").to_owned())
    }
}
