//! The series that a recording rule makes of its result. From one evaluation to the next they are mostly the same.

use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::rule::RuleSpec;
use super::series;
use crate::model::{Labels, Value};

/// One element of a rule's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Its labels, metric name included where the expression keeps it.
    pub labels: Labels,
    /// Its value.
    pub value: Value,
}

/// How a recording rule named the elements of its last result.
#[derive(Clone, Debug, Default)]
pub struct Names(Option<Arc<Named>>);

/// How a rule names the elements of a result.
#[derive(Debug)]
pub struct Named {
    rule: Arc<RuleSpec>,
    elements: Vec<Labels>,
    series: Vec<Labels>,
}

impl Names {
    /// The names of a result's elements: those of the last where the rule and the elements are the same.
    ///
    /// # Errors
    /// Two elements would be one series.
    pub fn of(&mut self, rule: &Arc<RuleSpec>, elements: &[Element]) -> Result<Arc<Named>, String> {
        if let Some(last) = self.0.as_ref().filter(|last| last.is_of(rule, elements)) {
            return Ok(last.clone());
        }
        let named = Arc::new(Named::new(rule, elements)?);
        self.0 = Some(named.clone());
        Ok(named)
    }
}

impl Named {
    fn new(rule: &Arc<RuleSpec>, elements: &[Element]) -> Result<Self, String> {
        let elements: Vec<Labels> = elements.iter().map(|e| e.labels.clone()).collect();
        let name = |labels: &Labels| series::recorded_labels(labels, &rule.labels, &rule.name);
        let series: Vec<Labels> = elements.iter().map(name).collect();
        let mut seen = FxHashSet::with_capacity_and_hasher(series.len(), Default::default());
        if !series.iter().all(|labels| seen.insert(labels)) {
            return Err("vector contains metrics with the same labelset after applying rule labels".into());
        }
        Ok(Named { rule: rule.clone(), elements, series })
    }

    fn is_of(&self, rule: &Arc<RuleSpec>, elements: &[Element]) -> bool {
        Arc::ptr_eq(&self.rule, rule)
            && self.elements.len() == elements.len()
            && self.elements.iter().zip(elements).all(|(labels, e)| *labels == e.labels)
    }

    /// The series, one for each element.
    pub fn series(&self) -> &[Labels] {
        &self.series
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::RuleKind;
    use crate::promql::{CompileOptions, compile};

    fn rule(labels: &[(&str, &str)]) -> Arc<RuleSpec> {
        let labels = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let plan = compile("up", &CompileOptions::default()).expect("PromQL");
        Arc::new(RuleSpec { name: "r".into(), expr: "up".into(), plan, labels, kind: RuleKind::Recording, terms: None })
    }

    fn result(jobs: &[&str]) -> Vec<Element> {
        let labels = |job: &&str| Labels::from_pairs([("__name__", "up"), ("job", *job)]);
        jobs.iter().map(|job| Element { labels: labels(job), value: Value::Float(1.0) }).collect()
    }

    #[test]
    fn names_are_those_of_the_last_result_until_the_result_or_the_rule_is_another() {
        let mut names = Names::default();
        let (plain, teamed) = (rule(&[]), rule(&[("team", "ml")]));
        let first = names.of(&plain, &result(&["a", "b"])).expect("two series");
        assert_eq!(first.series()[1].to_series_string(), r#"r{job="b"}"#);
        assert!(Arc::ptr_eq(&first, &names.of(&plain, &result(&["a", "b"])).expect("the same")));
        assert_eq!(names.of(&plain, &result(&["b", "a"])).expect("turned").series()[0], first.series()[1]);
        assert_eq!(
            names.of(&teamed, &result(&["a"])).expect("one").series()[0].to_series_string(),
            r#"r{job="a", team="ml"}"#
        );
        let all = rule(&[("job", "all")]);
        assert!(names.of(&all, &result(&["a", "b"])).is_err(), "one series twice");
        assert!(names.of(&all, &result(&["a", "b"])).is_err(), "a second time, too");
    }
}
