//! One rule as checks see it: its tree, what it is in, and where its parts stand in the file.

use super::corpus::{Corpus, RuleFile};
use super::data::Interval;
use super::finding::{Edit, Spot};
use super::labels::{LabelSet, Recorded};
use super::required::Required;
use crate::config::yaml::{Decoder, Node};
use crate::model::Position;
use crate::promql::ast::{Expr, Selector};
use crate::promql::{Span, pretty};
use crate::rules::{Rule, RuleGroup, RuleKind};

/// A rule and its surroundings.
pub struct Site<'a> {
    /// All that is checked.
    pub corpus: &'a Corpus,
    /// Its file.
    pub file: &'a RuleFile,
    /// Its group.
    pub group: &'a RuleGroup,
    /// Itself.
    pub rule: &'a Rule,
    /// Its mapping in the file.
    pub node: &'a Node,
    /// Its expression.
    pub expr: &'a Expr,
    /// What the settings ask of rules.
    pub required: &'a Required,
}

/// What an alerting rule has beside its expression.
pub struct Alert<'a> {
    /// `for`, milliseconds.
    pub hold: i64,
    /// `keep_firing_for`, milliseconds.
    pub keep_firing: i64,
    /// Annotation templates.
    pub annotations: &'a [(String, String)],
}

impl<'a> Site<'a> {
    /// What it has as an alerting rule; `None` of a recording rule.
    pub fn alert(&self) -> Option<Alert<'a>> {
        match &self.rule.kind {
            RuleKind::Alerting { hold, keep_firing, annotations } => {
                Some(Alert { hold: *hold, keep_firing: *keep_firing, annotations })
            }
            RuleKind::Recording => None,
        }
    }

    /// A label that it puts on what it gives, as written.
    pub fn label(&self, name: &str) -> Option<&'a str> {
        let of = |labels: &'a [(String, String)]| labels.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        of(&self.rule.labels).or_else(|| of(&self.group.labels))
    }

    /// The text of a part of the expression, as written.
    pub fn text(&self, expr: &Expr) -> &'a str {
        self.rule.expr.get(expr.span.range()).unwrap_or_default().trim()
    }

    /// The same in one spelling, for comparison.
    pub fn spelling(&self, expr: &Expr) -> String {
        pretty::one_line(&self.rule.expr, expr)
    }

    /// The labels that a part of the expression may have, as far as can be known.
    pub fn labels_of(&self, expr: &Expr) -> LabelSet {
        self.recorded().labels_of(expr)
    }

    /// What the rules of its file record.
    pub fn recorded(&self) -> &'a Recorded {
        &self.file.recorded
    }

    /// How far apart the scrapes of a metric are: in the data, else in the configuration beside the rules, of which it is not
    /// known which targets have the metric, so that its most frequent scrape counts.
    pub fn scrapes(&self, selector: &Selector) -> Option<Interval> {
        let measured = self.corpus.data.as_ref().and_then(|data| data.interval(&selector.matchers));
        measured.or(self.corpus.scrape_interval.map(|ms| Interval { least: ms, about: ms }))
    }

    /// Where a part of the expression stands.
    pub fn at(&self, expr: &Expr) -> Spot {
        self.span(expr.span)
    }

    /// Where bytes of the expression stand.
    pub fn span(&self, span: Span) -> Spot {
        match self.node.get("expr") {
            Some(node) => self.bytes(node, span.start as usize, span.end as usize),
            None => self.around(self.node),
        }
    }

    /// Where the value of a key stands, or its name where it has none.
    pub fn key(&self, key: &str) -> Spot {
        self.node.get(key).map_or_else(|| self.head(), |node| self.around(node))
    }

    /// Where bytes of an annotation's or a label's text stand.
    pub fn within(&self, key: &str, name: &str, start: usize, length: usize) -> Spot {
        match self.node.get(key).and_then(|n| n.get(name)) {
            Some(node) => self.bytes(node, start, start.saturating_add(length)),
            None => self.head(),
        }
    }

    /// The rule's name.
    pub fn head(&self) -> Spot {
        let named = ["alert", "record"].iter().find_map(|key| self.node.get(key));
        self.around(named.unwrap_or(self.node))
    }

    /// A change of bytes of the expression, where the file holds them as they are.
    pub fn edit(&self, span: Span, new: impl Into<String>) -> Option<Edit> {
        let old = self.rule.expr.get(span.range())?.to_owned();
        let at = self.span(span).from;
        (!old.contains(['\n', '\'', '\\'])).then(|| Edit { at, old, new: new.into() })
    }

    fn bytes(&self, node: &Node, start: usize, end: usize) -> Spot {
        let decoder = Decoder::new(self.file.name.clone(), &self.file.text);
        let from = decoder.locate(node, start);
        // The end is one past a character, which may be followed by a line's end that is written elsewhere.
        let text = node.text().unwrap_or_default();
        let shown = text.get(start..end.min(text.len())).unwrap_or_default().trim_end();
        let last = shown.chars().next_back().map_or(0, char::len_utf8);
        let before = decoder.locate(node, start + shown.len().saturating_sub(last));
        let to = Position { column: before.column.saturating_add(1), ..before };
        Spot { file: self.file.name.clone(), from, to, around: self.lines() }
    }

    fn around(&self, node: &Node) -> Spot {
        let from = node.position;
        let length = node.text().filter(|t| !t.contains('\n')).map_or(0, |t| t.chars().count());
        let quotes = if node.end.saturating_sub(node.start) > node.text().map_or(0, str::len) { 2 } else { 0 };
        let to = Position { column: from.column.saturating_add(u32::try_from(length + quotes).unwrap_or(0)), ..from };
        Spot { file: self.file.name.clone(), from, to, around: self.lines() }
    }

    fn lines(&self) -> (u32, u32) {
        self.file.lines_of(self.node)
    }
}
