//! Query results as Prometheus' API writes them.

use crate::model::Value;
use crate::promql::QueryValue;
use crate::server::json::Json;

/// Writes `{"resultType":...,"result":...}` of a value at `at` (the time that scalars and strings carry).
pub fn query_value(j: &mut Json, value: &QueryValue, at: i64) {
    members(j, value, at, |_| {});
}

/// As [`query_value`], with further members (`stats`) behind.
pub fn members(j: &mut Json, value: &QueryValue, at: i64, more: impl FnOnce(&mut Json)) {
    j.object(|j| {
        j.key("resultType").string(type_name(value));
        j.key("result");
        result(j, value, at);
        more(j);
    });
}

fn type_name(value: &QueryValue) -> &'static str {
    match value {
        QueryValue::Scalar(_) => "scalar",
        QueryValue::String(_) => "string",
        QueryValue::Vector(_) => "vector",
        QueryValue::Matrix(_) => "matrix",
    }
}

fn result(j: &mut Json, value: &QueryValue, at: i64) {
    match value {
        QueryValue::Scalar(v) => j.sample(at, &Value::Float(*v)),
        QueryValue::String(s) => j.array(|j| {
            j.timestamp(at);
            j.string(s);
        }),
        QueryValue::Vector(samples) => j.array_of(samples, |j, sample| {
            j.object(|j| {
                j.key("metric").labels(&sample.labels);
                let name = if matches!(sample.value, Value::Float(_)) { "value" } else { "histogram" };
                j.key(name).sample(sample.t, &sample.value);
            });
        }),
        QueryValue::Matrix(series) => j.array_of(series, |j, series| {
            j.object(|j| {
                j.key("metric").labels(&series.labels);
                if !series.floats.is_empty() {
                    j.key("values").array_of(&series.floats, |j, (t, v)| j.sample(*t, &Value::Float(*v)));
                }
                if !series.histograms.is_empty() {
                    j.key("histograms").array_of(&series.histograms, |j, (t, h)| {
                        j.sample(*t, &Value::Histogram(h.clone()));
                    });
                }
            });
        }),
    }
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
        }
    }
}
