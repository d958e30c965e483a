//! A rule's evaluations ahead of time, so that what it writes is known to the rules that read it. They are the evaluations
//! that will be made at the ticks, over the same results, from the state that the rule has now.

use std::sync::Arc;

use super::super::group::{Appended, Evaluation, GroupState, RuleResult, RuleState, TemplateInput, World};
use super::super::rule::{GroupSpec, RuleKind, RuleSpec};
use super::super::series::RuleSample;
use super::column::Column;
use super::history::History;

/// A rule as a group of its own. Annotations are left out: no series has them.
pub fn alone(spec: &GroupSpec, rule: &RuleSpec) -> Arc<GroupSpec> {
    let mut rule = rule.clone();
    if let RuleKind::Alerting { annotations, .. } = &mut rule.kind {
        annotations.clear();
    }
    Arc::new(GroupSpec { rules: vec![Arc::new(rule)], ..spec.clone() })
}

/// Renders a template that does not query.
pub type Render<'a> = &'a (dyn Fn(TemplateInput<'_>) -> String + Send + Sync);

/// Writes ahead what a rule will give at the ticks of its column.
pub fn write(spec: &Arc<GroupSpec>, state: &RuleState, column: &Column, history: &History, render: Render<'_>) {
    let mut state = Arc::new(GroupState { rules: vec![state.clone()], ..GroupState::default() });
    let mut tick = 0;
    while tick < column.stretch.ticks {
        let world = Ahead { column, tick, history, render };
        let evaluation = Evaluation { slot: 0, spec: spec.clone(), state, at: column.stretch.time(tick) };
        let evaluated = evaluation.run(&world);
        state = Arc::new(evaluated.state);
        tick = evaluated.idle_until.and_then(|at| column.stretch.tick(at)).unwrap_or(match evaluated.idle_until {
            Some(_) => column.stretch.ticks,
            None => tick + 1,
        });
    }
}

/// The world of one such evaluation.
struct Ahead<'a> {
    column: &'a Column,
    tick: usize,
    history: &'a History,
    render: Render<'a>,
}

impl World for Ahead<'_> {
    fn query(&self, _rule: &RuleSpec, _at: i64) -> Result<RuleResult, String> {
        Ok(self.column.at(self.tick))
    }

    fn render(&self, input: TemplateInput<'_>) -> String {
        (self.render)(input)
    }

    fn append(&self, samples: &[RuleSample]) -> Result<Appended, String> {
        Ok(self.history.write_ahead(self.column.stretch.time(self.tick), samples))
    }

    fn idle_until(&self, _evaluation: &Evaluation) -> Option<i64> {
        Some(self.column.stretch.time(self.column.next_busy(self.tick)))
    }
}
