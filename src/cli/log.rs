//! Logs: one line an event, logfmt or JSON, on standard error.

use std::fmt::{self, Write as _};

use clap::ValueEnum;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::{Clock, SystemClock};
use crate::model::time::rfc3339_millis;
use crate::server::json::Json;

/// `--log.format`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// `key=value` pairs.
    Logfmt,
    /// A JSON object.
    Json,
}

/// `--log.level`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What a person may want to know.
    Info,
    /// What may need attention.
    Warn,
    /// What needs attention.
    Error,
}

/// Logs to standard error from now on. Libraries are heard only when something is wrong with them.
pub fn init(format: LogFormat, level: LogLevel) {
    let own = match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let filter = Targets::new().with_default(LevelFilter::ERROR).with_target("watchbell", own);
    let lines = tracing_subscriber::fmt::layer().event_format(Line(format)).with_writer(std::io::stderr);
    // A second call would mean that someone listens already.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}

struct Line(LogFormat);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = match *event.metadata().level() {
            Level::ERROR => "ERROR",
            Level::WARN => "WARN",
            Level::INFO => "INFO",
            Level::DEBUG | Level::TRACE => "DEBUG",
        };
        let component = event.metadata().target().trim_start_matches("watchbell").trim_start_matches("::");
        let component = component.split("::").next().unwrap_or("");
        let mut pairs = vec![
            ("time", rfc3339_millis(SystemClock.now())),
            ("level", level.to_owned()),
            ("component", component.to_owned()),
            ("msg", fields.message),
        ];
        pairs.extend(fields.others);
        writeln!(out, "{}", line(self.0, &pairs))
    }
}

fn line(format: LogFormat, pairs: &[(&'static str, String)]) -> String {
    let pairs = pairs.iter().filter(|(name, value)| *name != "component" || !value.is_empty());
    match format {
        LogFormat::Json => {
            let mut json = Json::new();
            json.object(|j| pairs.for_each(|(name, value)| j.key(name).plain_string(value)));
            json.finish()
        }
        LogFormat::Logfmt => {
            let mut out = String::new();
            for (name, value) in pairs {
                let space = if out.is_empty() { "" } else { " " };
                let bare = !value.is_empty() && !value.contains(|c: char| c <= ' ' || c == '"' || c == '=');
                let _ = match bare {
                    true => write!(out, "{space}{name}={value}"),
                    false => write!(out, "{space}{name}={value:?}"),
                };
            }
            out
        }
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

impl Fields {
    fn put(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            name => self.others.push((name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_in_both_formats() {
        let pairs = [
            ("level", "WARN".to_owned()),
            ("component", String::new()),
            ("msg", "two\nlines".to_owned()),
            ("error", "a \"b\"=زمن".to_owned()),
        ];
        assert_eq!(line(LogFormat::Logfmt, &pairs), r#"level=WARN msg="two\nlines" error="a \"b\"=زمن""#);
        assert_eq!(line(LogFormat::Json, &pairs), r#"{"level":"WARN","msg":"two\nlines","error":"a \"b\"=زمن"}"#);
    }
}
