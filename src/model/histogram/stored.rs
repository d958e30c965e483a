//! What storing does to a histogram's counter-reset hint.

use std::sync::Arc;

use super::{CounterResetHint, FloatHistogram};
use crate::model::{Value, is_stale};

/// A histogram as storage gives it back when it was written after `before`, the sample ahead of it in its series.
///
/// Samples of one chunk are known to be without resets; the first of a chunk tells nothing. A chunk ends where the
/// layout changes, a counter is reset, or a float comes in between.
pub fn stored_after(h: Arc<FloatHistogram>, before: Option<&Value>) -> Arc<FloatHistogram> {
    if h.counter_reset_hint == CounterResetHint::Gauge || is_stale(h.sum) {
        return h;
    }
    let same_chunk = match before {
        Some(Value::Histogram(b)) if !is_stale(b.sum) => {
            b.counter_reset_hint != CounterResetHint::Gauge
                && h.counter_reset_hint != CounterResetHint::Reset
                && (b.schema, b.zero_threshold.to_bits()) == (h.schema, h.zero_threshold.to_bits())
                && b.custom_values == h.custom_values
                && !h.detect_reset(b)
        }
        _ => false,
    };
    let hint = if same_chunk { CounterResetHint::NotReset } else { CounterResetHint::Unknown };
    Arc::new(FloatHistogram { counter_reset_hint: hint, ..FloatHistogram::clone(&h) })
}
