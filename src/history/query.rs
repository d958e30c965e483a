//! What is asked of a history, and how it is answered: piece by piece from one end, without reading what cannot hold an
//! answer.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use regex::Regex;

use crate::model::{MatchOp, Matcher};
use crate::state::frames::Reader;

use super::decision::{Decision, Kind};
use super::pieces::{Form, Piece, path_of};
use super::record::{Recorded, lines};
use super::segment::Segment;
use super::terms::{self, Term};

/// Most decisions in one answer.
pub const MOST_RESULTS: usize = 10_000;
/// Bytes of decisions after which an answer ends: it is all in memory, as decisions and as text.
const MOST_GIVEN: usize = 8 << 20;
/// Most bytes of decisions that are looked at for one answer; then it says where to go on.
const MOST_LOOKED_AT: usize = 1 << 30;

/// From which end a history is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest decision first.
    #[default]
    Newest,
    /// The oldest decision first.
    Oldest,
}

/// What is asked. Everything that is said must hold.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The matchers of an alert that the decision is about: all of one of these sets must match; no set: any decision.
    pub selectors: Vec<Vec<Matcher>>,
    /// The fingerprint of an alert that the decision is about.
    pub fingerprint: Option<u64>,
    /// The receiver: whom it tells, or where an alert is routed to.
    pub receiver: Option<String>,
    /// The kinds; none: any.
    pub kinds: Vec<Kind>,
    /// The aggregation group.
    pub group_key: Option<String>,
    /// The notification.
    pub notification: Option<u64>,
    /// The earliest time, milliseconds.
    pub from: Option<i64>,
    /// The latest time, milliseconds.
    pub to: Option<i64>,
    /// From which end.
    pub order: Order,
    /// Goes on behind the decision of this number, as seen in that order.
    pub cursor: Option<u64>,
    /// How many decisions at most; not more than [`MOST_RESULTS`].
    pub limit: usize,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The decisions, in the order asked for.
    pub decisions: Vec<Recorded>,
    /// With this cursor it goes on; nothing where there is no more.
    pub next: Option<u64>,
    /// What could not be read.
    pub damage: BTreeSet<String>,
}

impl Query {
    /// Whether a decision is an answer, its number aside.
    pub fn matches(&self, decision: &Decision) -> bool {
        let time = decision.time.0;
        let alerts = || decision.alerts.iter().map(|alert| &alert.labels);
        let selected = |set: &Vec<Matcher>| alerts().any(|l| set.iter().all(|m| m.matches(l.value(&m.name))));
        self.from.is_none_or(|from| time >= from)
            && self.to.is_none_or(|to| time <= to)
            && (self.kinds.is_empty() || self.kinds.contains(&decision.kind()))
            && self.receiver.as_deref().is_none_or(|name| decision.concerns_receiver(name))
            && self.group_key.as_deref().is_none_or(|key| decision.group_key.as_deref() == Some(key))
            && self.notification.is_none_or(|id| decision.notification == Some(id))
            && self.fingerprint.is_none_or(|fingerprint| alerts().any(|l| l.fingerprint() == fingerprint))
            && (self.selectors.is_empty() || self.selectors.iter().any(selected))
    }

    /// Whether a number lies behind the cursor.
    fn is_ahead(&self, number: u64) -> bool {
        match (self.order, self.cursor) {
            (_, None) => true,
            (Order::Newest, Some(cursor)) => number < cursor,
            (Order::Oldest, Some(cursor)) => number > cursor,
        }
    }

    fn in_time(&self, (from, to): (i64, i64)) -> bool {
        self.from.is_none_or(|f| to >= f) && self.to.is_none_or(|t| from <= t)
    }

    /// Sets of terms: an answer has all terms of one of them.
    fn terms(&self) -> Vec<Vec<Term>> {
        let mut common: Vec<Term> = self.fingerprint.map(terms::fingerprint).into_iter().collect();
        common.extend(self.receiver.as_deref().map(terms::receiver));
        common.extend(self.group_key.as_deref().map(terms::group_key));
        common.extend(self.notification.map(terms::notification));
        let of_kind = |kind: &Kind| [common.as_slice(), &[terms::kind(kind.as_str())]].concat();
        let by_kind: Vec<Vec<Term>> =
            if self.kinds.is_empty() { vec![common.clone()] } else { self.kinds.iter().map(of_kind).collect() };
        if self.selectors.is_empty() {
            return by_kind;
        }
        let labels = |set: &Vec<Matcher>| equalities(set).map(|m| terms::label(&m.name, &m.value)).collect::<Vec<_>>();
        let with = |set: &Vec<Matcher>| {
            let labels = labels(set);
            by_kind.iter().map(move |terms| [terms.as_slice(), &labels].concat()).collect::<Vec<_>>()
        };
        self.selectors.iter().flat_map(with).collect()
    }

    /// Texts that a line with an answer has.
    fn needles(&self) -> Vec<String> {
        let member = |name: &str, value: &str| format!("{}:{}", quoted(name), quoted(value));
        let mut needles: Vec<String> =
            self.notification.map(|id| format!("\"notification\":{id}")).into_iter().collect();
        needles.extend(self.fingerprint.map(|f| member("fingerprint", &format!("{f:016x}"))));
        if let [set] = self.selectors.as_slice() {
            needles.extend(equalities(set).map(|m| member(&m.name, &m.value)));
        }
        needles.extend(self.group_key.as_deref().map(|key| member("group_key", key)));
        needles.extend(self.receiver.as_deref().map(|name| member("receiver", name)));
        if let [kind] = self.kinds.as_slice() {
            needles.push(member("kind", kind.as_str()));
        }
        needles
    }
}

/// The matchers that name a label's value.
fn equalities(set: &[Matcher]) -> impl Iterator<Item = &Matcher> {
    set.iter().filter(|m| m.op == MatchOp::Equal && !m.value.is_empty())
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// Looks through pieces of a history.
pub(super) struct Search<'q> {
    dir: &'q Path,
    query: &'q Query,
    terms: Vec<Vec<Term>>,
    // The rarest text is looked for first, all over a block.
    first: Option<Regex>,
    needles: Vec<String>,
    limit: usize,
    looked_at: usize,
    given: usize,
    page: Page,
}

impl<'q> Search<'q> {
    pub fn new(dir: &'q Path, query: &'q Query) -> Self {
        let mut needles = query.needles().into_iter();
        let first = needles.next().and_then(|text| Regex::new(&regex::escape(&text)).ok());
        Search {
            dir,
            query,
            terms: query.terms(),
            first,
            needles: needles.collect(),
            limit: query.limit.min(MOST_RESULTS),
            looked_at: 0,
            given: 0,
            page: Page::default(),
        }
    }

    /// Looks through pieces in order of their numbers.
    pub fn run(mut self, pieces: &[Piece]) -> Page {
        let pieces = if self.limit > 0 { pieces } else { &[] };
        let _ = match self.query.order {
            Order::Newest => pieces.iter().rev().try_for_each(|piece| self.piece(piece)),
            Order::Oldest => pieces.iter().try_for_each(|piece| self.piece(piece)),
        };
        self.page
    }

    fn piece(&mut self, piece: &Piece) -> ControlFlow<()> {
        let times = piece.extent.map(|e| (e.from, e.to));
        let last = piece.extent.map(|e| e.last);
        let ahead = match self.query.order {
            Order::Newest => self.query.is_ahead(piece.first),
            Order::Oldest => last.is_none_or(|last| self.query.is_ahead(last)),
        };
        if !ahead || times.is_some_and(|times| !self.query.in_time(times)) {
            return ControlFlow::Continue(());
        }
        let looked = match piece.form {
            Form::Log => match self.log(piece) {
                // It was sealed meanwhile.
                Err(e) if e.kind() == io::ErrorKind::NotFound => self.sealed(piece),
                looked => looked,
            },
            Form::Sealed => self.sealed(piece),
        };
        match looked {
            Ok(flow) => flow,
            // Its time was over.
            Err(e) if e.kind() == io::ErrorKind::NotFound => ControlFlow::Continue(()),
            Err(e) => {
                self.harm(format!("segment {}: {e}", piece.first));
                ControlFlow::Continue(())
            }
        }
    }

    fn harm(&mut self, what: String) {
        self.page.damage.insert(what);
    }

    fn log(&mut self, piece: &Piece) -> io::Result<ControlFlow<()>> {
        let bytes = fs::read(path_of(self.dir, piece.first, Form::Log))?;
        let mut reader = Reader::new(&bytes);
        let frames: Vec<&str> = reader.by_ref().filter_map(|payload| std::str::from_utf8(payload).ok()).collect();
        if reader.damaged {
            self.harm(format!("segment {}: a part of its log is damaged", piece.first));
        }
        Ok(match self.query.order {
            Order::Newest => frames.into_iter().rev().try_for_each(|text| self.text(text)),
            Order::Oldest => frames.into_iter().try_for_each(|text| self.text(text)),
        })
    }

    fn sealed(&mut self, piece: &Piece) -> io::Result<ControlFlow<()>> {
        let segment = Segment::open(&path_of(self.dir, piece.first, Form::Sealed))?;
        let (mut blocks, indexed) = segment.blocks(&self.terms)?;
        if !indexed {
            self.harm(format!("segment {}: its index is damaged", piece.first));
        }
        if self.query.order == Order::Newest {
            blocks.reverse();
        }
        for block in blocks {
            if block.times.is_some_and(|times| !self.query.in_time(times)) {
                continue;
            }
            match segment.read(block)? {
                Some(text) => {
                    if self.text(&text).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                None => self.harm(format!("segment {}: a block is damaged", piece.first)),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Looks through lines in order of their numbers.
    fn text(&mut self, text: &str) -> ControlFlow<()> {
        self.looked_at += text.len();
        let candidates = self.candidates(text);
        let flow = match self.query.order {
            Order::Newest => candidates.into_iter().rev().try_for_each(|line| self.line(line)),
            Order::Oldest => candidates.into_iter().try_for_each(|line| self.line(line)),
        };
        if flow.is_continue() && self.looked_at > MOST_LOOKED_AT {
            let ends = || lines(text).filter_map(|line| Some(Recorded::parse(line).ok()?.seq));
            self.page.next = match self.query.order {
                Order::Newest => ends().next(),
                Order::Oldest => ends().next_back(),
            };
            return ControlFlow::Break(());
        }
        flow
    }

    /// The lines that may be answers.
    fn candidates<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let Some(first) = &self.first else { return lines(text).collect() };
        let mut found: Vec<&str> = Vec::new();
        let mut at = 0;
        while let Some(hit) = text.get(at..).and_then(|rest| first.find(rest)) {
            let (start, end) = (at + hit.start(), at + hit.end());
            let line_start = text.get(..start).and_then(|t| t.rfind('\n')).map_or(0, |n| n + 1);
            let line_end = text.get(end..).and_then(|t| t.find('\n')).map_or(text.len(), |n| end + n);
            let line = text.get(line_start..line_end).unwrap_or_default();
            if self.needles.iter().all(|needle| line.contains(needle.as_str())) {
                found.push(line);
            }
            at = line_end;
        }
        found
    }

    fn line(&mut self, line: &str) -> ControlFlow<()> {
        // The number comes first: what has been told is not decoded again.
        let number = line.strip_prefix("{\"seq\":").and_then(|rest| rest.split(',').next()?.parse().ok());
        if number.is_some_and(|number| !self.query.is_ahead(number)) {
            return ControlFlow::Continue(());
        }
        let recorded = match Recorded::parse(line) {
            Ok(recorded) => recorded,
            Err(e) => {
                self.harm(format!("a decision does not decode: {e}"));
                return ControlFlow::Continue(());
            }
        };
        if !self.query.is_ahead(recorded.seq) || !self.query.matches(&recorded.decision) {
            return ControlFlow::Continue(());
        }
        if self.page.decisions.len() >= self.limit {
            self.page.next = self.page.decisions.last().map(|last| last.seq);
            return ControlFlow::Break(());
        }
        let number = recorded.seq;
        self.page.decisions.push(recorded);
        self.given += line.len();
        if self.given >= MOST_GIVEN {
            self.page.next = Some(number);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}
