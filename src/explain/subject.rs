//! The alert that is asked for, as seen from the series that it may come from.

use crate::model::{ALERT_NAME, Labels, METRIC_NAME};

/// The labels by which series are told apart: those of an alert that its rule did not set itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject(Labels);

impl Subject {
    /// Of an alert's labels, without those that its rule sets.
    pub fn new<'a>(alert: &Labels, of_rule: impl IntoIterator<Item = &'a str>) -> Self {
        let of_rule: Vec<&str> = of_rule.into_iter().collect();
        Subject(alert.filter(|name| name != ALERT_NAME && name != METRIC_NAME && !of_rule.contains(&name)))
    }

    /// Its labels.
    pub fn labels(&self) -> &Labels {
        &self.0
    }

    /// Whether the alert can come from a series: no label says otherwise. Aggregations drop labels, so a series may have
    /// more than the alert.
    pub fn is_related(&self, series: &Labels) -> bool {
        let agrees = |(name, value): (&str, &str)| self.0.get(name).is_none_or(|own| own == value);
        series.iter().all(agrees)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_related_unless_a_label_says_otherwise() {
        let labels = |text: &str| Labels::from_pairs(text.split(' ').filter_map(|p| p.split_once('=')));
        let subject = Subject::new(&labels("alertname=A gpu=0 severity=page"), ["severity"]);
        for (series, related) in [
            ("__name__=m gpu=0", true),
            ("__name__=m gpu=0 job=j", true),
            ("job=j severity=none", true),
            ("__name__=m gpu=1", false),
        ] {
            assert_eq!(subject.is_related(&labels(series)), related, "{series}");
        }
    }
}
