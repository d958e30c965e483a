//! Data that rules are held against: what a server, a data directory or an exposition file has.
//!
//! Load is limited: one query at a time, each asked once, so many at most, and none more after one that the source could not
//! be asked.

use std::collections::BTreeMap;
use std::fmt;

use parking_lot::Mutex;

use crate::datasource::{Querier, QueryError};
use crate::model::{Labels, METRIC_NAME, Matcher, selector_text};
use crate::promql::{CompileOptions, EvalEnv, Features, QueryValue, compile};

/// So many different queries are asked at most.
const MOST_QUERIES: usize = 5_000;
/// What had a sample within so long is there, milliseconds.
const LATELY: i64 = 3_600_000;
/// So much of the past is looked at, milliseconds.
const HISTORY: i64 = 86_400_000;
/// At points so far apart, milliseconds.
const STEP: i64 = 300_000;
/// Less than so many points are no history.
const LEAST_POINTS: usize = 100;

/// Numbers with the value of one label; nothing where the question has no answer.
type Answer = Option<Vec<(String, f64)>>;

/// What a value was over the history, point by point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course {
    /// The least of all points.
    pub lowest: f64,
    /// The largest of all points.
    pub highest: f64,
    /// There was something at nearly all points.
    pub is_whole: bool,
}

/// How far apart the scrapes of a metric are, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// At least.
    pub least: i64,
    /// About.
    pub about: i64,
}

/// A source of series, asked each thing once.
pub struct Data {
    querier: Box<dyn Querier>,
    options: CompileOptions,
    /// When it is asked, milliseconds.
    at: i64,
    /// It is what one target exposes, without what scrapes add.
    is_target: bool,
    asked: Mutex<BTreeMap<String, Answer>>,
    failure: Mutex<Option<String>>,
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Data").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Data {
    /// A source that is asked as of a time in milliseconds, with features of the language that queries may use.
    pub fn new(querier: Box<dyn Querier>, at: i64, features: Features) -> Self {
        let options = CompileOptions { features };
        Data { querier, options, at, is_target: false, asked: Mutex::default(), failure: Mutex::default() }
    }

    /// The same of what one target exposes, which has no `up` and nothing else that scrapes add.
    pub fn of_one_target(querier: Box<dyn Querier>, at: i64, features: Features) -> Self {
        Data { is_target: true, ..Data::new(querier, at, features) }
    }

    /// Whether a metric, or a label, comes from scrapes that are not in the data.
    pub fn is_added(&self, name: &str) -> bool {
        self.is_target && (["up", "job", "instance"].contains(&name) || name.starts_with("scrape_"))
    }

    /// Whether it is more than what is there now.
    pub fn has_past(&self) -> bool {
        !self.is_target
    }

    /// Why the source was not asked everything, if so.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    /// How many series meet these conditions; `None` where that cannot be known.
    pub fn count(&self, matchers: &[Matcher]) -> Option<usize> {
        self.size(&format!("count(last_over_time({}[{}ms]))", selector_text(matchers), LATELY))
    }

    /// Whether something met these conditions within a window that ended so long ago, both in milliseconds.
    pub fn is_there(&self, matchers: &[Matcher], ago: i64, window: i64) -> Option<bool> {
        let selector = selector_text(matchers);
        self.size(&format!("count(last_over_time({selector}[{window}ms] offset {ago}ms))")).map(|count| count > 0)
    }

    /// Whether a metric is there.
    pub fn has_metric(&self, metric: &str) -> Option<bool> {
        self.count(&[Matcher::equal(METRIC_NAME, metric)]).map(|count| count > 0)
    }

    /// The value of a query that counts: 0 where it gives nothing.
    pub fn size(&self, query: &str) -> Option<usize> {
        let answer = self.ask(query, "", false)?;
        Some(answer.first().map_or(0, |(_, count)| *count as usize))
    }

    /// The values that a label has among the series that meet these conditions.
    pub fn values(&self, matchers: &[Matcher], label: &str) -> Option<Vec<String>> {
        let query = format!("group by ({label}) (last_over_time({}[{}ms]))", selector_text(matchers), LATELY);
        Some(self.ask(&query, label, false)?.into_iter().map(|(value, _)| value).collect())
    }

    /// How far apart the samples are of the series that have most.
    pub fn interval(&self, matchers: &[Matcher]) -> Option<Interval> {
        let within = |window: i64| {
            let query = format!("max(count_over_time({}[{window}ms]))", selector_text(matchers));
            let count = self.ask(&query, "", false)?.first()?.1 as i64;
            // One sample more or less is at the edges of the window.
            (count >= 2)
                .then(|| Interval { least: window / (count + 1), about: ((window / count) + 500) / 1_000 * 1_000 })
        };
        // What began lately has few samples in an hour.
        [LATELY, LATELY / 6].into_iter().filter_map(within).min_by_key(|interval| interval.about)
    }

    /// What an expression was over the last day; `None` where there is less than a third of that.
    pub fn course(&self, expr: &str) -> Option<Course> {
        let of = |operation: &str| {
            let points = self.ask(&format!("{operation}(\n{expr}\n)"), "", true)?;
            let points: Vec<f64> = points.into_iter().map(|(_, v)| v).filter(|v| !v.is_nan()).collect();
            (points.len() >= LEAST_POINTS).then_some(points)
        };
        let (lows, highs) = (of("min")?, of("max")?);
        let is_whole = lows.len().min(highs.len()) as i64 >= HISTORY / STEP * 9 / 10;
        let (lowest, highest) = (lows.into_iter().min_by(f64::total_cmp)?, highs.into_iter().max_by(f64::total_cmp)?);
        Some(Course { lowest, highest, is_whole })
    }

    /// The answer to a query, at one time or over the history, with the value of a label of each number.
    fn ask(&self, query: &str, label: &str, over_history: bool) -> Answer {
        if let Some(known) = self.asked.lock().get(query) {
            return known.clone();
        }
        if self.failure.lock().is_some() {
            return None;
        }
        let mut asked = self.asked.lock();
        if asked.len() >= MOST_QUERIES {
            *self.failure.lock() = Some(format!("more than {MOST_QUERIES} queries; check fewer files at once"));
            return None;
        }
        let answer = self.evaluate(query, label, over_history);
        asked.insert(query.to_owned(), answer.clone());
        answer
    }

    fn evaluate(&self, query: &str, label: &str, over_history: bool) -> Answer {
        let plan = compile(query, &self.options).ok()?;
        let env = EvalEnv::default();
        let evaluated = match over_history {
            true => self.querier.range(&plan, self.at.saturating_sub(HISTORY), self.at, STEP, &env),
            false => self.querier.instant(&plan, self.at, &env),
        };
        match evaluated.map(|evaluated| evaluated.value) {
            Ok(QueryValue::Vector(samples)) => {
                let named = |labels: &Labels| labels.get(label).unwrap_or_default().to_owned();
                Some(samples.iter().filter_map(|s| Some((named(&s.labels), s.value.as_float()?))).collect())
            }
            Ok(QueryValue::Matrix(series)) => {
                Some(series.iter().flat_map(|s| &s.floats).map(|(_, value)| (String::new(), *value)).collect())
            }
            // What one query cannot be answered, others can.
            Ok(_) | Err(QueryError::Evaluation(_)) => None,
            Err(QueryError::Remote { kind, .. }) if ["bad_data", "execution", "timeout"].contains(&&*kind) => None,
            Err(e) => {
                self.failure.lock().get_or_insert_with(|| e.to_string());
                None
            }
        }
    }
}
