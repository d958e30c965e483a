//! What rules measured lately: pages that many look at, and that are made anew whenever something changes, ask once.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::datasource::Querier;
use crate::promql::RangeSeries;

/// Most answers that are kept, and most points of one.
const MOST: usize = 32;
const MOST_POINTS: usize = 20_000;
/// For how long one is at least, milliseconds: the times of a question are past, so that only a late sample changes its
/// answer.
const FRESH: i64 = 10_000;

/// What was asked: an expression over times, of a datasource.
#[derive(Clone)]
pub struct Question {
    /// Whom.
    pub querier: Arc<dyn Querier>,
    /// The expression.
    pub expr: String,
    /// First and last time and the step, milliseconds.
    pub times: (i64, i64, i64),
    /// The interval of its rule, milliseconds: for so long an answer holds.
    pub interval: i64,
}

impl Question {
    fn is_same(&self, other: &Question) -> bool {
        Arc::ptr_eq(&self.querier, &other.querier) && self.times == other.times && self.expr == other.expr
    }
}

struct Kept {
    question: Question,
    /// When it was asked, and until when the answer is taken for another's.
    at: i64,
    until: i64,
    answer: Arc<Vec<RangeSeries>>,
}

/// Answers, the oldest first.
#[derive(Default)]
pub struct Measured(Mutex<VecDeque<Kept>>);

impl Measured {
    /// The answer to a question that was asked just now.
    pub fn get(&self, question: &Question, now: i64) -> Option<Arc<Vec<RangeSeries>>> {
        // Held for a look at a few dozen questions.
        let mut kept = self.0.lock();
        kept.retain(|one| (one.at..one.until).contains(&now));
        kept.iter().find(|one| one.question.is_same(question)).map(|one| one.answer.clone())
    }

    /// Keeps an answer, unless it is large, or nothing: series may come any moment.
    pub fn keep(&self, question: Question, answer: Arc<Vec<RangeSeries>>, now: i64) {
        let points: usize = answer.iter().map(|series| series.floats.len() + 1).sum();
        if points == 0 || points > MOST_POINTS {
            return;
        }
        let mut kept = self.0.lock();
        kept.retain(|one| !one.question.is_same(&question));
        while kept.len() >= MOST {
            kept.pop_front();
        }
        let until = now.saturating_add(question.interval.max(FRESH));
        kept.push_back(Kept { question, at: now, until, answer });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasource::LocalQuerier;
    use crate::model::Labels;
    use crate::tsdb::Tsdb;

    #[test]
    fn answers_are_kept_for_a_while_for_the_same_question_and_not_without_end() {
        let querier: Arc<dyn Querier> = Arc::new(LocalQuerier::new(Arc::new(Tsdb::in_memory())));
        let question =
            |n: i64| Question { querier: querier.clone(), expr: "up".into(), times: (0, n, 1), interval: 1_000 };
        let answer = |points: i64| {
            let floats = (0..points).map(|t| (t, 1.0)).collect();
            Arc::new(vec![RangeSeries { labels: Labels::empty(), floats, histograms: Vec::new() }])
        };
        let measured = Measured::default();
        measured.keep(question(0), answer(2), 1_000);
        assert_eq!(measured.get(&question(0), 1_000 + FRESH - 1).map(|all| all.len()), Some(1));
        assert!(measured.get(&question(1), 2_000).is_none());
        let other = Question { querier: Arc::new(LocalQuerier::new(Arc::new(Tsdb::in_memory()))), ..question(0) };
        assert!(measured.get(&other, 2_000).is_none(), "another datasource has other series");
        assert!(measured.get(&question(0), 1_000 + FRESH).is_none());
        measured.keep(Question { interval: 60_000, ..question(0) }, answer(2), 1_000);
        assert!(
            measured.get(&question(0), 60_999).is_some(),
            "nothing is measured anew before its rule is evaluated again"
        );
        assert!(measured.get(&question(0), 61_000).is_none());
        measured.keep(question(0), Arc::default(), 0);
        measured.keep(question(1), answer(MOST_POINTS as i64), 0);
        assert!(measured.get(&question(0), 0).is_none() && measured.get(&question(1), 0).is_none());
        for n in 0..100 {
            measured.keep(question(n), answer(1), 0);
        }
        let kept = (0..100).filter(|n| measured.get(&question(*n), 0).is_some()).count();
        assert_eq!(kept, MOST);
    }
}
