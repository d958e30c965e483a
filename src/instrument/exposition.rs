//! The text formats: Prometheus' 0.0.4 and OpenMetrics 1.0.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::shared_names;

/// Which text format to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The format that a request's `Accept` header asks for.
    pub fn accepted(accept: &str) -> Format {
        let weight = |part: &str| -> f64 {
            let q = part.split(';').filter_map(|p| p.trim().strip_prefix("q=")).next();
            q.and_then(|q| q.trim().parse().ok()).unwrap_or(1.0)
        };
        let best = |media: &str| {
            let of = accept.split(',').filter(|p| p.trim_start().starts_with(media));
            of.map(weight).fold(0.0, f64::max)
        };
        let open = best("application/openmetrics-text");
        if open > 0.0 && open >= best("text/plain") { Format::OpenMetrics } else { Format::Text }
    }

    /// The content type of an answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, sum and count.
    Histogram,
    /// Sum and count; quantiles nobody has.
    Summary,
}

/// An exposition in the making.
pub struct Exposition {
    out: String,
    format: Format,
    /// Whether families that Prometheus has too are written under its names as well.
    as_prometheus: bool,
    /// What could not be counted, by metric.
    uncounted: BTreeMap<&'static str, u64>,
}

/// Writes the samples of one family.
pub struct Family<'a> {
    out: &'a mut String,
    name: &'a str,
    format: Format,
}

impl Exposition {
    /// An empty exposition.
    pub fn new(format: Format) -> Self {
        Exposition { out: String::with_capacity(16 << 10), format, as_prometheus: false, uncounted: BTreeMap::new() }
    }

    /// The same, where families that Prometheus has too are written under its names as well.
    pub fn as_prometheus(self) -> Self {
        Exposition { as_prometheus: true, ..self }
    }

    /// Writes a family: its head, then the samples that `samples` writes. A counter's name ends in `_total`.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str, samples: impl FnOnce(&mut Family<'_>)) {
        let begin = self.out.len();
        self.one_family(name, kind, help, samples);
        let Some(theirs) = Some(name).filter(|_| self.as_prometheus).and_then(shared_names::of_prometheus) else {
            return;
        };
        // Names stand at the beginnings of lines; what labels and help say is another's text.
        let (ours, theirs) = (bare(name), bare(&theirs));
        let written = self.out.get(begin..).unwrap_or("").to_owned();
        for line in written.lines() {
            let at = if line.starts_with("# ") { "# HELP ".len() } else { 0 };
            let (before, named) = line.split_at_checked(at).unwrap_or(("", line));
            let rest = named.strip_prefix(ours).unwrap_or(named);
            self.out.extend([before, theirs, rest, "\n"]);
        }
    }

    fn one_family(&mut self, name: &str, kind: Kind, help: &str, samples: impl FnOnce(&mut Family<'_>)) {
        let kind_name = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        };
        // OpenMetrics names a counter's family without the suffix of its samples.
        let head = match (self.format, kind) {
            (Format::OpenMetrics, Kind::Counter) => name.strip_suffix("_total").unwrap_or(name),
            _ => name,
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.out, "# HELP {head} {help}\n# TYPE {head} {kind_name}");
        samples(&mut Family { out: &mut self.out, name, format: self.format });
    }

    /// A family of one sample without labels.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help, |f| f.sample(&[], value));
    }

    /// Takes note of how often a metric had no room for a label set.
    pub(super) fn uncounted(&mut self, metric: &'static str, times: u64) {
        if times > 0 {
            *self.uncounted.entry(metric).or_default() += times;
        }
    }

    /// Writes what could not be counted.
    pub(super) fn write_uncounted(&mut self) {
        let help = "How often a metric had no room for the label set of what it was to count.";
        let uncounted = std::mem::take(&mut self.uncounted);
        self.family("watchbell_metrics_uncounted_total", Kind::Counter, help, |f| {
            uncounted.iter().for_each(|(metric, times)| f.sample(&[("metric", metric)], *times as f64));
        });
    }

    /// The text.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

impl Family<'_> {
    /// Writes a sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.suffixed("", labels, value);
    }

    /// Writes a histogram's samples. `buckets` are upper bounds with cumulative counts, without the last.
    pub fn histogram(&mut self, labels: &[(&str, &str)], buckets: &[(f64, u64)], sum: f64, count: u64) {
        for (upper, cumulative) in buckets {
            let mut bound = String::new();
            push_value(&mut bound, *upper);
            if self.format == Format::OpenMetrics && bound.bytes().all(|b| b.is_ascii_digit()) {
                bound.push_str(".0");
            }
            self.bucket(labels, &bound, *cumulative);
        }
        self.bucket(labels, "+Inf", count);
        self.suffixed("_sum", labels, sum);
        self.suffixed("_count", labels, count as f64);
    }

    /// Writes a summary's quantiles, each by its name.
    pub fn quantiles(&mut self, labels: &[(&str, &str)], quantiles: &[(&str, f64)]) {
        for (quantile, value) in quantiles {
            let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("quantile", *quantile)]).collect();
            self.suffixed("", &labels, *value);
        }
    }

    /// Writes a summary's sum and count.
    pub fn summary(&mut self, labels: &[(&str, &str)], sum: f64, count: u64) {
        self.suffixed("_sum", labels, sum);
        self.suffixed("_count", labels, count as f64);
    }

    fn bucket(&mut self, labels: &[(&str, &str)], le: &str, count: u64) {
        let labels: Vec<(&str, &str)> = labels.iter().copied().chain([("le", le)]).collect();
        self.suffixed("_bucket", &labels, count as f64);
    }

    fn suffixed(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        self.out.push_str(self.name);
        self.out.push_str(suffix);
        for (i, (name, value)) in labels.iter().enumerate() {
            self.out.push(if i == 0 { '{' } else { ',' });
            self.out.push_str(name);
            self.out.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => self.out.push_str("\\\\"),
                    '"' => self.out.push_str("\\\""),
                    '\n' => self.out.push_str("\\n"),
                    c => self.out.push(c),
                }
            }
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        self.out.push(' ');
        push_value(self.out, value);
        self.out.push('\n');
    }
}

/// A name without the suffix that a counter's head may lack.
fn bare(name: &str) -> &str {
    name.strip_suffix("_total").unwrap_or(name)
}

/// A value: the shortest digits that read back as the same.
fn push_value(out: &mut String, v: f64) {
    let _ = match v {
        _ if v.is_nan() => out.write_str("NaN"),
        f64::INFINITY => out.write_str("+Inf"),
        f64::NEG_INFINITY => out.write_str("-Inf"),
        _ => write!(out, "{v}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposed(format: Format) -> String {
        let mut out = Exposition::new(format);
        out.family("a_total", Kind::Counter, "Line one\nand \\two.", |f| f.sample(&[("l", "x\"\\\nزمن")], 2.0));
        out.single("b", Kind::Gauge, "B.", 0.5);
        out.family("c", Kind::Histogram, "C.", |f| f.histogram(&[("h", "1")], &[(0.1, 1), (1.0, 3)], 4.5, 4));
        out.finish()
    }

    #[test]
    fn both_formats_are_as_specified() {
        let text = "# HELP a_total Line one\\nand \\\\two.\n# TYPE a_total counter\na_total{l=\"x\\\"\\\\\\nزمن\"} 2\n\
                    # HELP b B.\n# TYPE b gauge\nb 0.5\n# HELP c C.\n# TYPE c histogram\n\
                    c_bucket{h=\"1\",le=\"0.1\"} 1\nc_bucket{h=\"1\",le=\"1\"} 3\nc_bucket{h=\"1\",le=\"+Inf\"} 4\n\
                    c_sum{h=\"1\"} 4.5\nc_count{h=\"1\"} 4\n";
        assert_eq!(exposed(Format::Text), text);
        let open = text
            .replace("# HELP a_total", "# HELP a")
            .replace("# TYPE a_total", "# TYPE a")
            .replace("le=\"1\"", "le=\"1.0\"");
        assert_eq!(exposed(Format::OpenMetrics), open + "# EOF\n");
    }

    #[test]
    fn what_prometheus_has_is_written_under_its_name_too() {
        let exposed = |format| {
            let mut out = Exposition::new(format).as_prometheus();
            out.family("watchbell_rule_evaluations_total", Kind::Counter, "Not watchbell_x.", |f| {
                f.sample(&[("rule_group", "watchbell_rule_evaluations_total")], 2.0);
            });
            out.single("watchbell_state_store_healthy", Kind::Gauge, "H.", 1.0);
            out.finish()
        };
        let text = exposed(Format::Text);
        let line = "_rule_evaluations_total{rule_group=\"watchbell_rule_evaluations_total\"} 2\n";
        for prefix in ["watchbell", "prometheus"] {
            let head = format!(
                "# HELP {prefix}_rule_evaluations_total Not watchbell_x.\n# TYPE {prefix}_rule_evaluations_total counter\n"
            );
            assert!(text.contains(&format!("{head}{prefix}{line}")), "{text}");
        }
        assert!(!text.contains("prometheus_state"), "{text}");
        assert!(exposed(Format::OpenMetrics).contains("# TYPE prometheus_rule_evaluations counter\n"));
    }

    #[test]
    fn the_accept_header_chooses() {
        for (accept, want) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/plain;version=0.0.4", Format::Text),
            ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3", Format::OpenMetrics),
            ("application/openmetrics-text;q=0.2, text/plain;q=0.9", Format::Text),
        ] {
            assert_eq!(Format::accepted(accept), want, "{accept}");
        }
    }
}
