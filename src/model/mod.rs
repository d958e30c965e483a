//! The data model every room shares: labels, matchers, samples, native histograms, durations and number formats.
//!
//! Nothing here knows of storage, queries or alerts. Timestamps are milliseconds since the Unix epoch (`i64`), as in
//! Prometheus; durations are milliseconds unless a name says otherwise.

mod crc32c;
pub mod diagnostic;
pub mod duration;
mod excerpt;
pub mod histogram;
pub mod kahan;
pub mod labels;
pub mod labels_serde;
pub mod matcher;
pub mod math;
pub mod notation;
pub mod number;
mod printable;
pub mod re2;
pub mod reading;
pub mod sample;
pub mod stale;
pub mod time;

pub use crc32c::crc32c;
pub use diagnostic::{Diagnostic, Position};
pub use excerpt::excerpt;
pub use histogram::FloatHistogram;
pub use labels::{Labels, LabelsBuilder};
pub use matcher::{MatchOp, Matcher, selector_text};
pub use printable::{cut, html_safe_json, printable};
pub use reading::Reading;
pub use sample::{SampleBuf, Value};
pub use stale::{STALE_NAN, is_stale};

/// The label that carries a series' metric name.
pub const METRIC_NAME: &str = "__name__";
/// The label that carries an alert's name.
pub const ALERT_NAME: &str = "alertname";
/// The label that carries a classic histogram bucket's upper bound.
pub const BUCKET_LABEL: &str = "le";
/// The label that carries a summary's quantile.
pub const QUANTILE_LABEL: &str = "quantile";
