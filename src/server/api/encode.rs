//! Query results as Prometheus' API writes them.

use std::ops::Range;

use crate::model::Value;
use crate::promql::steps::StepGrid;
use crate::promql::{QueryValue, RangeSeries, VectorSample};
use crate::server::json::{Json, TimeTexts};

use super::envelope::{Notes, success};

/// Writes `{"resultType":...,"result":...}` of a value at `at` (the time that scalars and strings carry).
pub fn query_value(j: &mut Json, value: &QueryValue, at: i64) {
    j.object(|j| {
        head(j, value, at);
        if let Some(n) = element_count(value) {
            j.key("result").array(|j| elements(j, value, 0..n, &TimeTexts::default()));
        }
    });
}

/// Writes the members of an answer's data up to the elements of its result, which [`elements`] writes: the type, and
/// the result of a value that has none.
fn head(j: &mut Json, value: &QueryValue, at: i64) {
    j.key("resultType").string(type_name(value));
    match value {
        QueryValue::Scalar(v) => j.key("result").sample(at, &Value::Float(*v)),
        QueryValue::String(s) => j.key("result").array(|j| {
            j.timestamp(at);
            j.string(s);
        }),
        QueryValue::Vector(_) | QueryValue::Matrix(_) => {}
    }
}

fn type_name(value: &QueryValue) -> &'static str {
    match value {
        QueryValue::Scalar(_) => "scalar",
        QueryValue::String(_) => "string",
        QueryValue::Vector(_) => "vector",
        QueryValue::Matrix(_) => "matrix",
    }
}

/// How many elements a result has; `None` for a scalar and a string.
fn element_count(value: &QueryValue) -> Option<usize> {
    match value {
        QueryValue::Scalar(_) | QueryValue::String(_) => None,
        QueryValue::Vector(samples) => Some(samples.len()),
        QueryValue::Matrix(series) => Some(series.len()),
    }
}

/// Writes elements of a vector or a matrix, with commas between them.
fn elements(j: &mut Json, value: &QueryValue, range: Range<usize>, times: &TimeTexts) {
    match value {
        QueryValue::Scalar(_) | QueryValue::String(_) => {}
        QueryValue::Vector(samples) => samples.get(range).into_iter().flatten().for_each(|s| vector_sample(j, s)),
        QueryValue::Matrix(all) => all.get(range).into_iter().flatten().for_each(|s| series(j, s, times)),
    }
}

fn vector_sample(j: &mut Json, sample: &VectorSample) {
    j.object(|j| {
        j.key("metric").labels(&sample.labels);
        let name = if matches!(sample.value, Value::Float(_)) { "value" } else { "histogram" };
        j.key(name).sample(sample.t, &sample.value);
    });
}

fn series(j: &mut Json, series: &RangeSeries, times: &TimeTexts) {
    j.object(|j| {
        j.key("metric").labels(&series.labels);
        if !series.floats.is_empty() {
            j.key("values").points(&series.floats, times);
        }
        if !series.histograms.is_empty() {
            j.key("histograms").array_of(&series.histograms, |j, (t, h)| {
                j.sample(*t, &Value::Histogram(h.clone()));
            });
        }
    });
}

/// An answer to a query, cut into pieces that can be written one by one and side by side: a large result is never a
/// text as a whole.
pub struct Answer {
    value: QueryValue,
    times: TimeTexts,
    /// What stands before and behind the elements of the result.
    around: (String, String),
    pieces: Vec<Range<usize>>,
}

/// Samples in one piece: about a quarter of a megabyte.
const PIECE: usize = 8_192;

impl Answer {
    /// The answer with a value at `at`; `grid` has the times that series may have points at, `more` writes further members of the data (`stats`).
    pub fn new(value: QueryValue, grid: StepGrid, notes: &Notes, at: i64, more: impl FnOnce(&mut Json)) -> Answer {
        let mut cut = None;
        let text = success(notes, |j| {
            j.object(|j| {
                head(j, &value, at);
                if element_count(&value).is_some() {
                    j.key("result").array(|j| cut = Some(j.len()));
                }
                more(j);
            });
        });
        let (before, behind) = text.split_at_checked(cut.unwrap_or(0)).unwrap_or(("", &text));
        let (around, pieces) = ((before.to_owned(), behind.to_owned()), pieces(&value));
        Answer { value, times: TimeTexts::of(grid.times()), around, pieces }
    }

    /// The number of pieces, at least 1.
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// The text of piece `i`.
    pub fn piece(&self, i: usize) -> String {
        let mut json = Json::after(if i == 0 { &self.around.0 } else { "," });
        if let Some(range) = self.pieces.get(i) {
            elements(&mut json, &self.value, range.clone(), &self.times);
        }
        let mut text = json.finish();
        if i + 1 == self.pieces.len() {
            text.push_str(&self.around.1);
        }
        text
    }
}

/// The elements of every piece.
fn pieces(value: &QueryValue) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let (mut from, mut weight) = (0, 0);
    let n = element_count(value).unwrap_or(0);
    for i in 0..n {
        weight += match value {
            // An element's labels weigh as much as some points.
            QueryValue::Matrix(all) => all.get(i).map_or(0, |s| 8 + s.floats.len() + 16 * s.histograms.len()),
            _ => 8,
        };
        if weight >= PIECE && i + 1 < n {
            out.push(from..i + 1);
            (from, weight) = (i + 1, 0);
        }
    }
    out.push(from..n);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Labels;
    use crate::promql::{RangeSeries, VectorSample};

    #[test]
    fn results_have_the_documented_forms() {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "a")]);
        let vector =
            QueryValue::Vector(vec![VectorSample { labels: labels.clone(), t: 1_500, value: Value::Float(1.0) }]);
        let matrix = QueryValue::Matrix(vec![RangeSeries {
            labels,
            floats: vec![(0, 1.0), (15_000, f64::INFINITY)],
            histograms: vec![],
        }]);
        for (value, want) in [
            (QueryValue::Scalar(2.5), r#"{"resultType":"scalar","result":[1.500,"2.5"]}"#),
            (QueryValue::String("زمن".into()), r#"{"resultType":"string","result":[1.500,"زمن"]}"#),
            (
                vector,
                r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a"},"value":[1.500,"1"]}]}"#,
            ),
            (
                matrix,
                r#"{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a"},"values":[[0,"1"],[15,"+Inf"]]}]}"#,
            ),
        ] {
            let mut json = Json::new();
            query_value(&mut json, &value, 1_500);
            assert_eq!(json.finish(), want);
            let answer = Answer::new(value, StepGrid::instant(1_500), &Notes::none(), 1_500, |_| {});
            assert_eq!(answer.pieces(), 1);
            assert_eq!(answer.piece(0), format!(r#"{{"status":"success","data":{want}}}"#));
        }
    }

    #[test]
    fn pieces_make_the_text_that_one_writing_makes() {
        let series = |i: i64| RangeSeries {
            labels: Labels::from_pairs([("i", i.to_string())]),
            floats: (0..i * 37 % 900).map(|t| (t * 1_000 + i % 3, t as f64 / 7.0)).collect(),
            histograms: vec![],
        };
        for n in [0, 1, 2, 30, 100] {
            let value = QueryValue::Matrix((0..n).map(series).collect());
            let mut whole = Json::new();
            query_value(&mut whole, &value, 0);
            let grid = StepGrid::range(0, 900_000, 1_000);
            let answer = Answer::new(value, grid, &Notes::warning("w"), 0, |_| {});
            let text: String = (0..answer.pieces()).map(|i| answer.piece(i)).collect();
            assert_eq!(answer.pieces() > 1, n >= 30);
            assert_eq!(text, format!(r#"{{"status":"success","data":{},"warnings":["w"]}}"#, whole.finish()));
        }
    }
}
