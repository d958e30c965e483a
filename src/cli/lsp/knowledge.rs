//! What a server knows: names of metrics and labels, what metrics are, and their values now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value as Json;
use tokio::runtime::{Builder, Runtime};

use super::super::client::api::Api;
use super::super::client::flags::read;
use crate::clock::{Clock, SystemClock};
use crate::config::HttpClientConfig;
use crate::datasource::{Querier, RemoteQuerier, RemoteSettings};
use crate::model::number::format_float;
use crate::net::HttpSettings;
use crate::promql::{CompileOptions, EvalEnv, QueryValue, compile};

/// How long an answer is waited for, milliseconds.
const PATIENCE: u64 = 3_000;
/// So many series of a metric are shown.
const MOST_SERIES: usize = 5;
/// So many names are asked for, of metrics and of labels.
const MOST_NAMES: usize = 20_000;
/// Endings that a histogram's or a summary's series have, and its metadata has not.
const ENDINGS: [&str; 3] = ["_bucket", "_count", "_sum"];

/// A server that is asked. Calls wait.
pub struct Source {
    api: Api,
    querier: RemoteQuerier,
    /// What runs the querier's requests.
    _runtime: Runtime,
}

/// What a server knew when it was asked last.
#[derive(Debug, Default)]
pub struct Known {
    /// Names of metrics.
    pub metrics: BTreeSet<String>,
    /// Names of labels.
    pub labels: BTreeSet<String>,
    /// Type and help by metric.
    about: BTreeMap<String, String>,
}

impl Known {
    /// What a metric is, in a line.
    pub fn about(&self, metric: &str) -> Option<String> {
        let family = || ENDINGS.iter().find_map(|ending| self.about.get(metric.strip_suffix(ending)?));
        self.about.get(metric).or_else(family).cloned()
    }
}

impl Source {
    /// A server at a URL, spoken to as a file of the HTTP client's settings says.
    ///
    /// # Errors
    /// It cannot be set up.
    pub fn open(url: &str, http: Option<&Path>) -> Result<Self, String> {
        let http = http.map(read::<HttpClientConfig>).transpose()?.unwrap_or_default();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(|e| e.to_string())?;
        let settings = RemoteSettings {
            timeout: i64::try_from(PATIENCE).unwrap_or(i64::MAX),
            http: HttpSettings::from(&http),
            ..RemoteSettings::new(url)
        };
        let querier = RemoteQuerier::new(settings, runtime.handle().clone()).map_err(|e| e.to_string())?;
        Ok(Source { api: Api::of(url, Duration::from_millis(PATIENCE), &http)?, querier, _runtime: runtime })
    }

    /// Asks for all names and what is known of them; what could not be had is told.
    pub fn ask(&self) -> (Known, Vec<String>) {
        let mut failures = Vec::new();
        let mut get = |path: &str, query: &[(&str, String)]| match self.api.own_with(Method::GET, path, query) {
            Ok(mut answer) => answer.get_mut("data").map(Json::take).unwrap_or_default(),
            Err(why) => {
                failures.push(why);
                Json::Null
            }
        };
        let limit = [("limit", MOST_NAMES.to_string())];
        let metrics = names(get("/api/v1/label/__name__/values", &limit));
        let labels = names(get("/api/v1/labels", &limit));
        let about = described(&get("/api/v1/metadata", &[&limit[..], &[("limit_per_metric", "1".into())]].concat()));
        (Known { metrics, labels, about }, failures)
    }

    /// The series of a metric as they are now, in Markdown.
    pub fn now(&self, metric: &str) -> String {
        let ask = |query: String| {
            let plan = compile(&query, &CompileOptions::default()).map_err(|e| e.to_string())?;
            let asked = self.querier.instant(&plan, SystemClock.now(), &EvalEnv::default());
            match asked.map_err(|e| e.to_string())?.value {
                QueryValue::Vector(samples) => Ok(samples),
                _ => Ok(Vec::new()),
            }
        };
        let answer: Result<_, String> = ask(format!("count({metric})"))
            .and_then(|count| Ok((count, ask(format!("topk({MOST_SERIES}, {metric})"))?)));
        let (count, top) = match answer {
            Ok(answer) => answer,
            Err(why) => return format!("its values cannot be had: {why}"),
        };
        let count = count.first().and_then(|sample| sample.value.as_float()).unwrap_or(0.0);
        let lines = top.iter().filter_map(|s| Some(format!("{} {}", s.labels, format_float(s.value.as_float()?))));
        let lines: Vec<String> = lines.collect();
        let series = if count == 1.0 { "series" } else { "series, the largest" };
        match lines.is_empty() {
            true => format!("now {} series", format_float(count)),
            false => format!("now {} {series}:\n\n```\n{}\n```", format_float(count), lines.join("\n")),
        }
    }
}

fn names(list: Json) -> BTreeSet<String> {
    let Json::Array(list) = list else { return BTreeSet::new() };
    let names = list.into_iter().filter_map(|name| if let Json::String(name) = name { Some(name) } else { None });
    names.filter(|name| name != "__name__").take(MOST_NAMES).collect()
}

fn described(metadata: &Json) -> BTreeMap<String, String> {
    let of = |(name, all): (&String, &Json)| {
        let one = all.get(0)?;
        let text = |key: &str| one.get(key).and_then(Json::as_str).unwrap_or_default().trim();
        let text = match (text("type"), text("help")) {
            (kind, "") => kind.to_owned(),
            (kind, help) => format!("{kind}: {help}"),
        };
        Some((name.clone(), text))
    };
    metadata.as_object().into_iter().flatten().take(MOST_NAMES).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn metadata_tells_of_the_series_of_a_family() {
        let metadata = json!({
            "d_seconds": [{"type": "histogram", "help": "How long.", "unit": ""}, {"type": "gauge", "help": "x"}],
            "up": [{"type": "gauge", "help": " "}], "odd": 1, "none": [],
        });
        let known = Known { about: described(&metadata), ..Known::default() };
        for (metric, wanted) in [
            ("d_seconds", Some("histogram: How long.")),
            ("d_seconds_bucket", Some("histogram: How long.")),
            ("up", Some("gauge")),
            ("odd", None),
            ("none", None),
            ("other_sum", None),
        ] {
            assert_eq!(known.about(metric).as_deref(), wanted, "{metric}");
        }
        assert_eq!(names(json!(["__name__", "job", 1])), BTreeSet::from(["job".to_owned()]));
        assert_eq!(names(json!({"a": 1})), BTreeSet::new());
    }
}
