//! `watchbell backtest`: rules and routing over history.

pub(super) mod load;
pub(super) mod source;
mod write;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use chrono_tz::Tz;
use clap::{Args, ValueEnum};

use crate::backtest::incidents::{self, Incident, detect};
use crate::backtest::report::{self, Document, Outcome, Side};
use crate::backtest::sweep;
use crate::backtest::{Backtest as Play, Figures, Record, Window, compare, run, run_writing};
use crate::fleet::SCRAPE_INTERVAL;
use crate::model::time::rfc3339;
use crate::promql::{CompileOptions, Features};
use crate::server::time::parse_time;
use crate::service::packs;

use super::arguments::duration_arg;
use super::exit::{fail, lines, written};
use load::{RuleSet, Texts};
use source::{Source, SourceArgs, span_progress};
use write::WriteArgs;

pub(in crate::cli) use source::data_directory;

/// Play rules and routing over history: what would have fired, and who would have been told.
///
/// The engine of `run` in virtual time: `for`, grouping, inhibition, time intervals and repeats count. Nothing is sent.
#[derive(Args, Debug)]
pub struct Backtest {
    /// Rule files, PrometheusRule objects, globs; of the demo by default its own.
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present = "demo")]
    rules: Vec<String>,
    /// An Alertmanager configuration, plain or in a Kubernetes object; without one nobody is told.
    #[arg(long, value_name = "FILE")]
    alertmanager_config: Option<PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
    /// The first evaluation, RFC 3339 or seconds [default: the first sample, and the next whole interval].
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<i64>,
    /// The end, RFC 3339 or seconds [default: the last sample].
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<i64>,
    /// How often groups that do not say it are evaluated [default: 1m; of the demo 30s].
    #[arg(long, value_name = "DURATION", value_parser = duration_arg)]
    interval: Option<i64>,
    /// The time zone of office hours and nights, such as Asia/Riyadh.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    timezone: Tz,
    /// Say what a change does: the rules, and the Alertmanager configuration, as they were at a git revision or are in other files.
    #[arg(long, value_name = "OLD", num_args = 1..)]
    compare: Vec<String>,
    /// Say how soon these incidents are told: a file with `name`, `from`, `to` and `alerts` of each.
    #[arg(long, value_name = "FILE")]
    incidents: Option<PathBuf>,
    /// Try other values of an alert's `for` and threshold, such as 'for=1m..30m,threshold=0.9..0.99': five of each, or
    /// as many as stand behind a slash.
    #[arg(long, value_name = "RANGES", conflicts_with = "compare")]
    sweep: Option<String>,
    /// The alert that is varied, where the rules have several.
    #[arg(long, value_name = "ALERT", requires = "sweep")]
    sweep_alert: Option<String>,
    #[command(flatten)]
    write: WriteArgs,
    /// What to print.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Comma-separated names of language features to switch on.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    enable_feature: Vec<String>,
}

/// What to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// Markdown, for a comment on a pull request.
    Markdown,
    /// One page that needs nothing else, with plots.
    Html,
    /// JSON: every alert, every notification, the figures.
    Json,
}

/// Prometheus' `evaluation_interval` where nothing is said.
const INTERVAL: i64 = 60_000;
/// The longest window: ten years.
const LONGEST: i64 = 10 * 366 * 86_400_000;

/// What all backtests of a sweep share.
struct Terms<'a> {
    source: &'a Source,
    window: Window,
    interval: i64,
    features: Features,
    incidents: Option<&'a [Incident]>,
}

impl Backtest {
    /// Plays, and prints the report.
    pub fn execute(&self) -> ExitCode {
        match self.play() {
            Ok(text) => written(std::io::stdout().write_all(text.as_bytes()).map(|()| 0)),
            Err(e) => fail(&e),
        }
    }

    fn play(&self) -> Result<String, String> {
        let mut features = Features::default();
        for note in features.enable_all(self.enable_feature.iter().map(String::as_str)) {
            eprintln!("{note}");
        }
        let interval = self.interval.unwrap_or(if self.source.demo { SCRAPE_INTERVAL } else { INTERVAL });
        if interval <= 0 {
            return Err("--interval must be positive".into());
        }
        let texts = self.texts()?;
        let rules = texts.load(features, interval)?;
        let incidents = self.incidents.as_deref().map(incidents::read).transpose().map_err(|e| lines(&e))?;
        let before = match self.compare.is_empty() {
            true => None,
            false => Some(self.texts_before(&texts)?.load(features, interval)?),
        };
        let all: Vec<_> = before.iter().flat_map(|b| &b.groups).chain(&rules.groups).cloned().collect();
        let source = self.source.open(self.from, self.to, &all)?;
        let window = self.window(&source, interval)?;
        if let Some(ranges) = &self.sweep {
            let terms = Terms { source: &source, window, interval, features, incidents: incidents.as_deref() };
            return self.swept(ranges, &rules, &terms);
        }
        if let Some(mut target) = self.write.open()? {
            let RuleSet { groups, routing } = rules;
            let play = Play { groups, routing, window, interval, features };
            let mut progress = span_progress("playing", window);
            let (record, samples) = run_writing(source.series.clone(), &play, target.sink(), &mut progress)?;
            self.write.tell(&target, samples);
            return Ok(self.report(None, &record, incidents.as_deref()));
        }
        let play = |rules: RuleSet| play(&source, rules, window, interval, features);
        let before = before.map(play).transpose()?;
        Ok(self.report(before, &play(rules)?, incidents.as_deref()))
    }

    fn report(&self, before: Option<Record>, after: &Record, incidents: Option<&[Incident]>) -> String {
        let figures = Figures::of(after, self.timezone);
        let detections = incidents.map(|all| detect(after, all));
        let detections = detections.as_ref();
        let Some(before) = before else {
            return self.print(
                || report::of_record(after, &figures, detections),
                || report::json(after, &figures, detections),
            );
        };
        let old_figures = Figures::of(&before, self.timezone);
        let comparison = compare(&before, after);
        let old_detections = incidents.map(|all| detect(&before, all));
        let old = Side { record: &before, figures: &old_figures, detections: old_detections.as_ref() };
        let new = Side { record: after, figures: &figures, detections };
        self.print(|| report::of_change(old, new, &comparison), || report::json_of_change(old, new, &comparison))
    }

    fn print(&self, document: impl Fn() -> Document, json: impl Fn() -> serde_json::Value) -> String {
        match self.format {
            Format::Text => report::text(&document()),
            Format::Html => report::html(&document()),
            Format::Markdown => report::markdown(&document()),
            Format::Json => format!("{:#}\n", json()),
        }
    }

    fn texts_before(&self, now: &Texts) -> Result<Texts, String> {
        let alertmanager = self.alertmanager_config.as_deref();
        let mut texts = now.compared_with(&self.compare, &self.rules, alertmanager)?;
        // What the demo brings along has no past.
        if alertmanager.is_none() {
            texts.alertmanager = texts.alertmanager.or_else(|| now.alertmanager.clone());
        }
        Ok(texts)
    }

    fn swept(&self, ranges: &str, rules: &RuleSet, terms: &Terms<'_>) -> Result<String, String> {
        let alert = sweep::chosen(&rules.groups, self.sweep_alert.as_deref())?;
        let mut outcomes = Vec::new();
        for point in sweep::points(ranges).map_err(|e| format!("--sweep: {e}"))? {
            let options = CompileOptions { features: terms.features };
            let groups = sweep::varied(&rules.groups, &alert, point, &options)?;
            let rules = RuleSet { groups, routing: rules.routing.clone() };
            let record = play(terms.source, rules, terms.window, terms.interval, terms.features)?;
            let figures = Figures::of(&record, self.timezone);
            let detections = terms.incidents.map(|all| detect(&record, all));
            let Record { window, is_routed, .. } = record;
            outcomes.push(Outcome { point, window, is_routed, figures, detections });
        }
        Ok(self.print(|| report::of_sweep(&alert, &outcomes), || report::json_of_sweep(&alert, &outcomes)))
    }

    fn texts(&self) -> Result<Texts, String> {
        let mut texts = Texts::read(&self.rules, self.alertmanager_config.as_deref())?;
        if self.rules.is_empty() {
            texts.rules = vec![(packs::MISSION_RULES.name.into(), packs::MISSION_RULES.text.into())];
            let routing = (packs::MISSION_ROUTING.name.into(), packs::MISSION_ROUTING.text.into());
            texts.alertmanager.get_or_insert(routing);
        }
        Ok(texts)
    }

    fn window(&self, source: &Source, interval: i64) -> Result<Window, String> {
        // Times that people read: the first multiple of the interval of which there is data.
        let first = || source.window.from.saturating_add(interval - 1).div_euclid(interval).saturating_mul(interval);
        let window = Window { from: self.from.unwrap_or_else(first), to: self.to.unwrap_or(source.window.to) };
        let Window { from, to } = window;
        if to < from {
            return Err(format!("the end, {}, lies before the beginning, {}", rfc3339(to), rfc3339(from)));
        }
        match to.saturating_sub(from) <= LONGEST {
            true => Ok(window),
            false => Err(format!("expected at most ten years, found {} to {}", rfc3339(from), rfc3339(to))),
        }
    }
}

fn play(source: &Source, rules: RuleSet, window: Window, interval: i64, features: Features) -> Result<Record, String> {
    let RuleSet { groups, routing } = rules;
    let play = Play { groups, routing, window, interval, features };
    run(source.series.clone(), &play, &mut span_progress("playing", window)).map_err(|e| e.to_string())
}
