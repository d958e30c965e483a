//! `watchbell alert add`: posts an alert.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use super::api::Api;
use super::flags::ClientFlags;
use super::{matchers, times};
use crate::cli::exit::fail;

/// Post an alert with these labels: `alertname=foo node=bar`. A first argument without `=` is its name.
#[derive(Args, Debug)]
pub struct AlertAdd {
    /// The URL of what raised it.
    #[arg(long = "generator-url", value_name = "URL", default_value = "", hide_default_value = true)]
    generator_url: String,
    /// When it began, in RFC 3339.
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// When it ends, in RFC 3339.
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// An annotation, name=value; may be repeated.
    #[arg(long = "annotation", value_name = "NAME=VALUE")]
    annotations: Vec<String>,
    /// Labels.
    #[arg(value_name = "NAME=VALUE")]
    labels: Vec<String>,
    #[command(flatten)]
    client: ClientFlags,
}

impl AlertAdd {
    /// Posts it.
    pub fn execute(&self) -> ExitCode {
        self.post().map_or_else(|e| fail(&e), |()| ExitCode::SUCCESS)
    }

    fn post(&self) -> Result<(), String> {
        let settings = self.client.settings()?;
        let object =
            |pairs: Vec<(String, String)>| pairs.into_iter().map(|(n, v)| (n, Json::from(v))).collect::<Map<_, _>>();
        let mut alert = json!({
            "labels": object(matchers::labels(&self.labels)?),
            "annotations": object(matchers::annotations(&self.annotations)?),
            "generatorURL": self.generator_url,
        });
        for (field, given) in [("startsAt", &self.start), ("endsAt", &self.end)] {
            if let Some(text) = given {
                alert[field] = Json::from(times::rfc3339(times::parse(text)?));
            }
        }
        Api::new(&settings)?.ask(Method::POST, "/alerts", &[], Some(&json!([alert]))).map(|_| ())
    }
}
