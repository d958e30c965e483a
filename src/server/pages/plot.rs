//! A plot of what an alert's expression measures: an SVG with the line, the threshold, and when it was pending and fired.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::plot::path;

use super::alert_text::number;
use super::zone;

/// The plot's size in its own units; it is stretched to the room there is.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 150.0;

/// What is plotted. Times are milliseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Plot {
    pub from: i64,
    pub until: i64,
    /// Points of the line, ascending in time.
    pub points: Vec<(i64, f64)>,
    /// The distance of points that belong together: where it is larger the line breaks.
    pub step: i64,
    /// What the line is compared with.
    pub threshold: Option<f64>,
    /// Since when the alert is active, and since when it fires.
    pub active_at: Option<i64>,
    pub fired_at: Option<i64>,
}

impl Plot {
    /// For a template: the SVG, which holds numbers alone and no text from outside, and what stands at its axes.
    pub fn shown(&self, now: i64) -> Option<Value> {
        let values = || self.points.iter().map(|(_, v)| *v).filter(|v| v.is_finite());
        let last = values().next_back()?;
        let (low, high) = values().chain(self.threshold).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        let room = ((high - low) * 0.08).max(f64::MIN_POSITIVE.max(high.abs() * 1e-3)).max(1e-9);
        let (bottom, top) = (low - room, high + room);
        let x = |t: i64| (t - self.from) as f64 / (self.until - self.from).max(1) as f64 * WIDTH;
        let y = |v: f64| (top - v) / (top - bottom) * HEIGHT;
        let mut svg = String::with_capacity(8_192);
        let threshold = self.threshold.map(|v| format!(", threshold {}", number(v))).unwrap_or_default();
        let label =
            format!("The last value is {}, between {} and {}{threshold}", number(last), number(low), number(high));
        let _ = write!(
            svg,
            "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{label}\">"
        );
        let mut band = |class: &str, from: i64, until: i64| {
            let (left, right) = (x(from.max(self.from)), x(until));
            if right > left {
                let width = right - left;
                let _ = write!(
                    svg,
                    "<rect class=\"{class}\" x=\"{left:.1}\" y=\"0\" width=\"{width:.1}\" height=\"{HEIGHT}\"/>"
                );
            }
        };
        if let Some(active_at) = self.active_at {
            band("pending", active_at, self.fired_at.unwrap_or(self.until));
        }
        if let Some(fired_at) = self.fired_at {
            band("firing", fired_at, self.until);
        }
        if let Some(threshold) = self.threshold {
            let at = y(threshold);
            let _ = write!(svg, "<line class=\"threshold\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>");
        }
        let _ = write!(svg, "<path class=\"line\" d=\"{}\"/>", path(&self.points, self.step, x, y));
        svg.push_str("</svg>");
        let time = |t: i64| zone::time(t, now);
        let (low, high) = (number(low), number(high));
        Some(json!({ "svg": svg, "low": low, "high": high, "from": time(self.from), "until": time(self.until) }))
    }

    /// The line and its threshold alone, small: the value beside it says what there is to say.
    pub fn spark(&self) -> Option<String> {
        const SIZE: (f64, f64) = (100.0, 20.0);
        let values = || self.points.iter().map(|(_, v)| *v).filter(|v| v.is_finite()).chain(self.threshold);
        let (low, high) = values().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        if self.points.len() < 2 || low > high {
            return None;
        }
        let height = (high - low).max(1e-9);
        let x = |t: i64| (t - self.from) as f64 / (self.until - self.from).max(1) as f64 * SIZE.0;
        let y = |v: f64| 1.0 + (high - v) / height * (SIZE.1 - 2.0);
        let mut svg = format!(
            "<svg class=\"spark\" viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
            SIZE.0, SIZE.1
        );
        if let Some(threshold) = self.threshold {
            let _ = write!(svg, "<path class=\"threshold\" d=\"M0 {0:.1}H{1}\"/>", y(threshold), SIZE.0);
        }
        let _ = write!(svg, "<path class=\"line\" d=\"{}\"/></svg>", path(&self.points, self.step, x, y));
        Some(svg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_its_line_its_threshold_and_its_bands() {
        let points = vec![(0, 1.0), (10, 2.0), (20, f64::NAN), (90, 3.0), (100, 4.0)];
        let plot = Plot {
            from: 0,
            until: 100,
            points,
            step: 10,
            threshold: Some(2.5),
            active_at: Some(50),
            fired_at: Some(80),
        };
        let shown = plot.shown(100).unwrap();
        let svg = shown["svg"].as_str().unwrap();
        assert_eq!((shown["low"].as_str(), shown["high"].as_str()), (Some("1"), Some("4")));
        assert!(svg.contains("The last value is 4, between 1 and 4, threshold 2.5"), "{svg}");
        assert_eq!(svg.matches('M').count(), 2, "the line breaks where nothing is known: {svg}");
        assert!(svg.contains("class=\"pending\" x=\"360.0\"") && svg.contains("class=\"firing\" x=\"576.0\""), "{svg}");
        assert!(plot.spark().unwrap().matches("<path").count() == 2);
        assert_eq!(Plot { points: vec![(0, f64::NAN)], ..plot }.shown(0), None);
        let flat = Plot { until: 10, points: vec![(0, 0.0), (10, 0.0)], step: 10, ..Plot::default() };
        assert!(!flat.shown(10).unwrap().to_string().contains("NaN"));
    }
}
