//! Results line by line, as promtool prints them.

use crate::model::Value;
use crate::model::number::format_float_g;
use crate::promql::QueryValue;
use crate::server::json::Json;

use super::table::in_time;

/// A line a sample: `series => value @[time]`.
pub(super) fn promql(value: &QueryValue, at: i64) -> String {
    let time = |t: i64| {
        let mut json = Json::new();
        json.timestamp(t);
        json.finish()
    };
    let text = |value: &Value| match value {
        Value::Float(v) => format_float_g(*v),
        Value::Histogram(h) => h.to_string(),
    };
    let mut out = String::new();
    match value {
        QueryValue::Scalar(v) => out.push_str(&format!("scalar: {} @[{}]\n", format_float_g(*v), time(at))),
        QueryValue::String(s) => out.push_str(&format!("{s}\n")),
        QueryValue::Vector(samples) => {
            for s in samples {
                out.push_str(&format!("{} => {} @[{}]\n", s.labels.to_series_string(), text(&s.value), time(s.t)));
            }
        }
        QueryValue::Matrix(series) => {
            for s in series {
                out.push_str(&format!("{} =>\n", s.labels.to_series_string()));
                for (t, value) in in_time(s) {
                    out.push_str(&format!("{} @[{}]\n", text(&value), time(t)));
                }
            }
        }
    }
    out
}
