//! A source without what the rules write themselves: where a server recorded these rules already, its series would stand in
//! the way of the backtest's. Before the window they stay, so that rules which look back find what was recorded.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::alerting::GroupSpec;
use crate::alerting::rule::RuleKind;
use crate::alerting::series::{ALERTS, ALERTS_FOR_STATE};
use crate::model::{METRIC_NAME, MatchOp, Matcher};
use crate::tsdb::{Queryable, Series, StorageError, UpTo};

/// See the [module](self).
pub struct Unwritten {
    source: Arc<dyn Queryable>,
    /// Metrics that rules write.
    written: FxHashSet<Arc<str>>,
    /// Their last time that is seen.
    until: i64,
}

impl Unwritten {
    /// The source as it is, but for what `groups` write from `from` on.
    pub fn new(source: Arc<dyn Queryable>, groups: &[Arc<GroupSpec>], from: i64) -> Self {
        let mut written: FxHashSet<Arc<str>> = [ALERTS, ALERTS_FOR_STATE].into_iter().map(Arc::from).collect();
        let recording = groups.iter().flat_map(|g| &g.rules).filter(|r| r.kind == RuleKind::Recording);
        written.extend(recording.map(|r| r.name.clone()));
        Unwritten { source, written, until: from.saturating_sub(1) }
    }
}

impl Queryable for Unwritten {
    fn select(&self, matchers: &[Matcher], mint: i64, maxt: i64) -> Result<Vec<Arc<dyn Series>>, StorageError> {
        let name = matchers.iter().find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal);
        match name.map(|m| self.written.contains(m.value.as_str())) {
            Some(false) => return self.source.select(matchers, mint, maxt),
            Some(true) if mint > self.until => return Ok(Vec::new()),
            Some(true) | None => {}
        }
        let mut found = self.source.select(matchers, mint, maxt)?;
        for series in &mut found {
            if self.written.contains(series.labels().metric_name()) {
                *series = Arc::new(UpTo { series: series.clone(), until: self.until });
            }
        }
        Ok(found)
    }
}
