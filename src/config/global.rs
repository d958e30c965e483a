//! The `global` section of a Prometheus configuration.

use std::collections::BTreeMap;

use super::protocol::{DEFAULT_PROTOCOLS, NameScheme, ScrapeProtocol, check_protocols};
use super::yaml::{ByteSize, Duration, MapReader};
use crate::section;

section! {
    /// Defaults of all jobs and groups, and the labels of everything that leaves this instance.
    pub struct GlobalConfig as "global config" with check {
        /// How often targets are scraped.
        scrape_interval: Duration = Duration::seconds(60),
        /// How long one scrape may take; not above the interval.
        scrape_timeout: Duration = Duration::seconds(10),
        /// Exposition formats, in order of preference; by default all four of text.
        scrape_protocols: Vec<ScrapeProtocol> = DEFAULT_PROTOCOLS.to_vec(),
        /// How often rules are evaluated.
        evaluation_interval: Duration = Duration::seconds(60),
        /// How far in the past rules look.
        rule_query_offset: Duration,
        /// Labels of everything that leaves this instance; `$VAR` and `${VAR}` are taken from the environment.
        external_labels: BTreeMap<String, String>,
        /// A file that queries are logged to, a line of JSON each; opened anew at every reload.
        query_log_file: String,
        /// A file that failed scrapes are logged to, a line of JSON each; opened anew at every reload.
        scrape_failure_log_file: String,
        /// Longest page in bytes, 0 for no limit.
        body_size_limit: ByteSize,
        /// Most samples of a scrape, 0 for no limit.
        sample_limit: u64,
        /// Most targets of a job, 0 for no limit.
        target_limit: u64,
        /// Most labels of a series, 0 for no limit.
        label_limit: u64,
        /// Longest name of a label, 0 for no limit.
        label_name_length_limit: u64,
        /// Longest value of a label, 0 for no limit.
        label_value_length_limit: u64,
        /// Most dropped targets kept for display, 0 for no limit.
        keep_dropped_targets: u64,
        /// Which names are valid.
        metric_name_validation_scheme: NameScheme,
        /// How names are escaped for targets that cannot take them.
        metric_name_escaping_scheme: String,
        /// Scrape native histograms.
        scrape_native_histograms: bool,
        /// Turn classic histograms into native ones with custom buckets.
        convert_classic_histograms_to_nhcb: bool,
        /// Scrape classic buckets also where there is a native histogram.
        always_scrape_classic_histograms: bool,
        /// Write more metrics about each scrape.
        extra_scrape_metrics: bool,
    }
}

impl GlobalConfig {
    fn check(&mut self, m: &MapReader) {
        // A zero means the default, as in Prometheus.
        for value in [&mut self.scrape_interval, &mut self.evaluation_interval].into_iter().filter(|v| v.0 == 0) {
            *value = Duration::seconds(60);
        }
        if m.has("scrape_protocols") {
            check_protocols(&self.scrape_protocols, m);
        }
        if m.has("scrape_timeout") && self.scrape_timeout > self.scrape_interval {
            m.error("scrape_timeout", "global scrape timeout greater than scrape interval");
        }
        if self.scrape_timeout.0 == 0 {
            self.scrape_timeout = Duration::seconds(10);
        }
        self.scrape_timeout = self.scrape_timeout.min(self.scrape_interval);
        for name in self.external_labels.keys().filter(|n| n.is_empty()) {
            m.error("external_labels", format!("{name:?} is not a valid label name"));
        }
    }
}

/// Replaces `$VAR` and `${VAR}` by what `env` gives for them, nothing when it gives none; `$$` is a dollar.
pub fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, tail) = match after.strip_prefix('{').and_then(|r| r.split_once('}')) {
            Some((name, tail)) => (name, tail),
            None => after.split_at(variable_length(after)),
        };
        match name {
            "" => out.push('$'),
            "$" => out.push('$'),
            _ => out.push_str(&env(name).unwrap_or_default()),
        }
        rest = tail;
    }
    out + rest
}

fn variable_length(text: &str) -> usize {
    match text.starts_with('$') {
        true => 1,
        false => text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_labels_take_variables_from_the_environment() {
        let env = |name: &str| (name == "ZONE").then(|| "eu-1".to_owned());
        for (text, want) in [
            ("plain", "plain"),
            ("$ZONE", "eu-1"),
            ("a-${ZONE}-b", "a-eu-1-b"),
            ("$NONE", ""),
            ("1$$", "1$"),
            ("$$ZONE", "$ZONE"),
            ("cost in $", "cost in $"),
        ] {
            assert_eq!(expand(text, &env), want, "{text}");
        }
    }
}
