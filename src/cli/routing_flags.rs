//! Alertmanager's flags of routing, which the whole service takes too.

use clap::Args;

use crate::model::duration;
use crate::server::AlertmanagerLimits;
use crate::service::ServiceOptions;

use super::arguments::go_duration_arg;

/// How alerts are taken in and dispatched, and what clients of Alertmanager's API may ask.
#[derive(Args, Debug)]
pub(super) struct RoutingFlags {
    /// How long expired silences and the notification log are kept.
    #[arg(long = "data.retention", value_name = "DURATION", default_value = "120h", value_parser = go_duration_arg)]
    state_retention: i64,
    /// The most posted alerts of one alertname that are taken in; 0 for no limit.
    #[arg(long = "alerts.per-alertname-limit", value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    alerts_per_name: i64,
    /// How long after the start nothing is dispatched: as long as Prometheus' --rules.alert.resend-delay, groups are complete.
    #[arg(long = "dispatch.start-delay", value_name = "DURATION", default_value = "0s", value_parser = go_duration_arg)]
    start_delay: i64,
    /// The most silences that are kept, expired ones included; 0 for no limit.
    #[arg(long = "silences.max-silences", value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    max_silences: i64,
    /// The most bytes of a silence; 0 for no limit.
    #[arg(
        long = "silences.max-silence-size-bytes",
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    max_silence_bytes: i64,
    /// Log what is done to silences.
    #[arg(long = "log.silences", overrides_with = "no_log_silences")]
    log_silences: bool,
    #[arg(long = "no-log.silences", hide = true, overrides_with = "log_silences")]
    no_log_silences: bool,
    /// How many GET requests are answered at once; 0 for the number of cores, and at least 8.
    #[arg(long = "web.get-concurrency", value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    get_concurrency: i64,
    /// How long an answer may take; 0 for no limit.
    #[arg(long = "web.timeout", value_name = "DURATION", default_value = "0s", allow_hyphen_values = true, value_parser = go_duration_arg)]
    web_timeout: i64,
}

impl RoutingFlags {
    /// What they decide.
    pub fn apply(&self, options: &mut ServiceOptions) {
        let positive = |n: i64| usize::try_from(n).unwrap_or(0);
        options.alertmanager = AlertmanagerLimits {
            silences: positive(self.max_silences),
            silence_bytes: positive(self.max_silence_bytes),
            log_silences: self.log_silences && !self.no_log_silences,
            gets: positive(self.get_concurrency),
            timeout: self.web_timeout.max(0).unsigned_abs(),
        };
        options.start_delay = self.start_delay;
        options.state_retention = self.state_retention;
        options.alerts_per_name = positive(self.alerts_per_name);
    }

    /// Flags and their values, for display.
    pub fn shown(&self) -> impl Iterator<Item = (String, String)> {
        [
            ("alerts.per-alertname-limit", self.alerts_per_name.to_string()),
            ("data.retention", duration::format(self.state_retention)),
            ("dispatch.start-delay", duration::format(self.start_delay)),
            ("log.silences", (self.log_silences && !self.no_log_silences).to_string()),
            ("silences.max-silence-size-bytes", self.max_silence_bytes.to_string()),
            ("silences.max-silences", self.max_silences.to_string()),
            ("web.get-concurrency", self.get_concurrency.to_string()),
            ("web.timeout", duration::format(self.web_timeout)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
    }
}
