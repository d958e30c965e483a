//! Which samples are read of a source that has more, and how they are taken in.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::alerting::GroupSpec;
use crate::alerting::timeline;
use crate::model::{Labels, METRIC_NAME, MatchOp, Matcher, SampleBuf, Value, selector_text};
use crate::promql::EvalEnv;
use crate::tsdb::{AppendError, Tsdb};

use super::window::Window;

/// A selector of the rules, and from when on its samples are needed.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// What a series must match.
    pub matchers: Vec<Matcher>,
    /// Milliseconds.
    pub from: i64,
}

impl Wanted {
    /// Whether a series is one of these.
    pub fn takes(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches(labels.value(&m.name)))
    }
}

/// What the rules select, each selector once, and the rules of which it is not known how far back they read.
pub fn wanted(groups: &[Arc<GroupSpec>], window: Window) -> (Vec<Wanted>, Vec<Arc<str>>) {
    let lookback = EvalEnv::default().lookback_ms;
    let (mut by_text, mut uncertain) = (BTreeMap::<String, Wanted>::new(), Vec::new());
    for (group, rule) in groups.iter().flat_map(|g| g.rules.iter().map(move |r| (g, r))) {
        let reach = timeline::reach(rule);
        if reach.is_none() {
            uncertain.push(rule.name.clone());
        }
        let from = window.from.saturating_sub(reach.unwrap_or(0) + lookback + group.query_offset);
        for matchers in timeline::selectors(rule) {
            let wanted = by_text.entry(selector_text(&matchers)).or_insert_with(|| Wanted { matchers, from });
            wanted.from = wanted.from.min(from);
        }
    }
    let mut wanted: Vec<Wanted> = by_text.into_values().collect();
    // Selectors may share series, whose samples come in the order of time.
    let mut earliest: BTreeMap<Option<String>, i64> = BTreeMap::new();
    for w in &wanted {
        let from = earliest.entry(name_of(&w.matchers)).or_insert(w.from);
        *from = (*from).min(w.from);
    }
    let any = earliest.contains_key(&None).then(|| earliest.values().copied().min().unwrap_or(window.from));
    for w in &mut wanted {
        w.from = any.or_else(|| earliest.get(&name_of(&w.matchers)).copied()).unwrap_or(w.from);
    }
    (wanted, uncertain)
}

fn name_of(matchers: &[Matcher]) -> Option<String> {
    matchers.iter().find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal).map(|m| m.value.clone())
}

/// What became of samples that were taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Taken {
    /// So many are stored.
    pub stored: u64,
    /// So many are not, because others of their time are there, or newer ones.
    pub refused: u64,
}

/// Stores a series' samples. Those that another selector brought are there already.
///
/// # Errors
/// The storage takes no more.
pub fn take_in(storage: &Tsdb, labels: &Labels, samples: &SampleBuf) -> Result<Taken, String> {
    let mut appender = storage.appender();
    let id = appender.series(labels).map_err(|e| e.to_string())?;
    let floats = samples.ts.iter().zip(&samples.vs).map(|(t, v)| (*t, Value::Float(*v)));
    let mut all: Vec<(i64, Value)> = floats.collect();
    all.extend(samples.hists.iter().map(|(t, h)| (*t, Value::Histogram(h.clone()))));
    all.sort_by_key(|(t, _)| *t);
    let mut refused = 0;
    for (t, value) in all {
        match appender.append_ref_with_st(id, 0, t, value) {
            Ok(_) => {}
            Err(AppendError::OutOfOrder | AppendError::Duplicate | AppendError::TooOld) => refused += 1,
            Err(e) => return Err(e.to_string()),
        }
    }
    let done = appender.commit().map_err(|e| e.to_string())?;
    Ok(Taken { stored: done.appended, refused: refused + done.rejected })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::spec::GroupDefaults;
    use crate::rules::{LoadOptions, load_str};

    #[test]
    fn what_rules_read_is_asked_for_once_and_as_far_back_as_any_of_them_reads() {
        let rules = "groups: [{name: g, rules: [
            {alert: A, expr: 'up == 0'},
            {alert: B, expr: 'avg_over_time(up[1h] offset 1d) < 1'},
            {alert: C, expr: 'up{job=\"x\"} == 0'},
            {alert: D, expr: 'down == 1 and up == 1', annotations: {summary: '{{ query \"x\" }}'}}]}]";
        let loaded = load_str("r", rules, &LoadOptions::default()).unwrap();
        let groups: Vec<_> = loaded.iter().map(|g| Arc::new(GroupSpec::of(g, &GroupDefaults::default()))).collect();
        let (wanted, uncertain) = wanted(&groups, Window { from: 200_000_000, to: 300_000_000 });
        let got: Vec<(String, i64)> = wanted.iter().map(|w| (selector_text(&w.matchers), w.from)).collect();
        let far = 200_000_000 - 90_000_000 - 300_000;
        assert_eq!(
            got,
            [
                (r#"{__name__="down"}"#.to_owned(), 200_000_000 - 300_000),
                (r#"{__name__="up"}"#.to_owned(), far),
                (r#"{job="x",__name__="up"}"#.to_owned(), far),
            ]
        );
        assert_eq!(uncertain, ["D".into()]);
    }
}
