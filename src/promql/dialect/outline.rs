//! The parts of a query in source order, and the skeleton that promql-parser sees.
//!
//! One pass over the tokens keeps track of whether an operand or an operator comes next. Whatever the grammar of
//! promql-parser lacks or keeps no place of (literals, matchers, modifiers, durations) becomes a [`Part`] with its
//! span and its value; the skeleton holds a placeholder for it. What is left to promql-parser is the shape of the
//! tree: precedence, and the types of operands.

use super::super::annotations::Span;
use super::super::ast::{AggregateOp, At, BinaryModifiers, BinaryOp, Dur, Grouping};
use super::super::error::Fault;
use super::super::features::Features;
use super::super::func::{self, Function, RangeMode};
use super::cursor::Cursor;
use super::token::{Kind, Token};
use super::{duration, literal, modifiers, selector};
use crate::model::Matcher;

/// Deepest nesting of parentheses.
pub const MAX_NESTING: usize = 200;
/// Most operators, signs and ranges in one query: together with [`MAX_NESTING`] they bound the depth of the tree.
pub const MAX_OPERATORS: usize = 4_000;

/// What opens with a parenthesis.
#[derive(Clone)]
pub enum Opening {
    Group,
    Call(&'static Function),
    Aggregate(AggregateOp, Option<Grouping>),
}

/// A part of the query.
#[derive(Clone)]
pub enum Part {
    Number(f64),
    String(String),
    Selector {
        name: String,
        matchers: Vec<Matcher>,
    },
    /// A unary sign; true for minus.
    Sign(bool),
    Open(Opening),
    Comma,
    Close,
    Op(BinaryOp, BinaryModifiers),
    /// A range, with a step when a colon makes it a subquery.
    Range {
        range: Dur,
        step: Option<Option<Dur>>,
    },
    Offset(Dur),
    At(At),
    Mode(RangeMode),
}

/// A parenthesised piece of the query: its place in the source and in the skeleton, innermost first.
pub struct Piece {
    pub span: Span,
    pub skeleton: std::ops::Range<usize>,
}

/// See the module.
#[derive(Default)]
pub struct Outline {
    pub parts: Vec<(Part, Span)>,
    pub skeleton: String,
    pub pieces: Vec<Piece>,
    /// An upper bound of the tree's depth.
    pub depth: usize,
}

struct Frame {
    part: usize,
    start: Span,
    skeleton: usize,
    commas: usize,
}

struct Scan<'a> {
    cursor: Cursor<'a>,
    features: &'a Features,
    out: Outline,
    stack: Vec<Frame>,
    operators: usize,
    deepest: usize,
}

/// Takes the query apart.
pub fn outline(source: &str, tokens: &[Token], features: &Features) -> Result<Outline, Fault> {
    let mut scan = Scan {
        cursor: Cursor::new(source, tokens),
        features,
        out: Outline::default(),
        stack: Vec::new(),
        operators: 0,
        deepest: 0,
    };
    if scan.cursor.peek().kind == Kind::End {
        return Err(Fault::new(Span::default(), "no expression found in input"));
    }
    let mut operand_next = true;
    loop {
        if operand_next {
            operand_next = scan.operand()?;
        } else if scan.cursor.peek().kind == Kind::End {
            break;
        } else {
            operand_next = scan.operator()?;
        }
        if scan.operators > MAX_OPERATORS || scan.stack.len() > MAX_NESTING {
            return Err(Fault::new(scan.cursor.peek().span, "query is nested too deeply or has too many operators"));
        }
    }
    if let Some(frame) = scan.stack.last() {
        let fault = Fault::new(frame.start, "unclosed left parenthesis");
        return Err(scan.cursor.unclosed().unwrap_or(fault));
    }
    scan.out.depth = scan.operators + scan.deepest;
    Ok(scan.out)
}

impl Scan<'_> {
    fn put(&mut self, part: Part, span: Span, skeleton: &str) {
        self.out.parts.push((part, span));
        self.out.skeleton.push_str(skeleton);
        self.out.skeleton.push(' ');
    }

    /// Reads up to the next operand; true when another operand must follow.
    fn operand(&mut self) -> Result<bool, Fault> {
        let token = self.cursor.peek();
        let text = self.cursor.text(token);
        match token.kind {
            Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                self.cursor.next();
                self.operators += 1;
                self.put(Part::Sign(op == BinaryOp::Sub), token.span, op.as_str());
                return Ok(true);
            }
            Kind::LeftParen => {
                self.cursor.next();
                self.open(Opening::Group, token.span, "(");
                return Ok(true);
            }
            Kind::RightParen if self.may_be_empty() => return self.close(),
            Kind::LeftBrace => self.selector(None)?,
            Kind::Number => {
                self.cursor.next();
                let v = literal::number(text).ok_or_else(|| Fault::new(token.span, literal::bad_number(text)))?;
                self.put(Part::Number(v), token.span, "1");
            }
            Kind::Duration => {
                self.cursor.next();
                let ms = literal::duration_millis(text).map_err(|e| Fault::new(token.span, e))?;
                self.put(Part::Number(ms as f64 / 1000.0), token.span, "1");
            }
            Kind::String => {
                self.cursor.next();
                let s = literal::string(text).map_err(|e| self.bad_string(token, e))?;
                self.put(Part::String(s), token.span, "\"x\"");
            }
            Kind::Word => return self.word(token),
            _ => return Err(self.cursor.unexpected("", "")),
        }
        Ok(false)
    }

    /// A string that is none: said in the words of the function that would take it for a label name.
    fn bad_string(&self, token: Token, error: String) -> Fault {
        let text = self.cursor.text(token);
        Fault::new(
            token.span,
            match self.opening() {
                Some(Opening::Aggregate(AggregateOp::CountValues, _)) => format!("invalid label name {text}"),
                Some(Opening::Call(f)) if f.name.starts_with("label_") => {
                    format!("invalid destination label name in {}(): {text}", f.name)
                }
                _ => error,
            },
        )
    }

    /// A word where an operand belongs: aggregation, call, `inf`, or a metric name.
    fn word(&mut self, token: Token) -> Result<bool, Fault> {
        let text = self.cursor.text(token);
        let next = self.cursor.peek_at(1);
        if let Some(op) = AggregateOp::parse(text)
            && (next.kind == Kind::LeftParen || self.cursor.is_word(next, &["by", "without"]))
        {
            self.aggregate(op, token)?;
            return Ok(true);
        }
        if self.cursor.is_word(token, &["bool", "on", "ignoring", "group_left", "group_right"]) {
            return Err(self.cursor.unexpected("", ""));
        }
        if next.kind == Kind::LeftParen {
            self.call(token)?;
            return Ok(true);
        }
        if self.cursor.is_word(token, &["inf", "nan"]) {
            self.cursor.next();
            let v = if text.eq_ignore_ascii_case("inf") { f64::INFINITY } else { crate::model::stale::NORMAL_NAN };
            self.put(Part::Number(v), token.span, "1");
            return Ok(false);
        }
        self.cursor.next();
        self.selector(Some(token))?;
        Ok(false)
    }

    fn aggregate(&mut self, op: AggregateOp, token: Token) -> Result<(), Fault> {
        if op.is_experimental() && !self.features.experimental_functions {
            let text = format!(
                "{}() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
                op.as_str()
            );
            return Err(Fault::new(token.span, text));
        }
        self.cursor.next();
        let grouping = modifiers::aggregate_grouping(&mut self.cursor)?;
        self.cursor.expect(Kind::LeftParen, "aggregation", "\"(\"")?;
        self.open(Opening::Aggregate(op, grouping), token.span, &format!("{} (", op.as_str()));
        Ok(())
    }

    fn call(&mut self, token: Token) -> Result<(), Fault> {
        let name = self.cursor.text(token);
        let Some(function) = func::lookup(name) else {
            return Err(Fault::new(token.span, format!("unknown function with name {name:?}")));
        };
        if function.experimental && !self.features.experimental_functions {
            return Err(Fault::new(token.span, format!("function {name:?} is not enabled")));
        }
        self.cursor.next();
        self.cursor.next();
        // Names promql-parser does not know stand behind one of the same signature.
        let known = match name {
            "holt_winters" => "double_exponential_smoothing",
            other => other,
        };
        self.open(Opening::Call(function), token.span, &format!("{known} ("));
        Ok(())
    }

    fn open(&mut self, opening: Opening, start: Span, skeleton: &str) {
        let frame = Frame { part: self.out.parts.len(), start, skeleton: self.out.skeleton.len(), commas: 0 };
        self.stack.push(frame);
        self.deepest = self.deepest.max(self.stack.len());
        self.put(Part::Open(opening), start, skeleton);
    }

    fn opening(&self) -> Option<&Opening> {
        match self.out.parts.get(self.stack.last()?.part) {
            Some((Part::Open(opening), _)) => Some(opening),
            _ => None,
        }
    }

    /// Whether a call was just opened: it may have no arguments.
    fn may_be_empty(&self) -> bool {
        let just_opened = self.stack.last().is_some_and(|f| f.part + 1 == self.out.parts.len());
        just_opened && !matches!(self.opening(), Some(Opening::Group) | None)
    }

    fn close(&mut self) -> Result<bool, Fault> {
        let empty = self.may_be_empty();
        let token = self.cursor.next();
        let Some(frame) = self.stack.pop() else {
            return Err(Fault::new(token.span, "unexpected right parenthesis ')'"));
        };
        let count = if empty { 0 } else { frame.commas + 1 };
        self.put(Part::Close, token.span, ")");
        let mut span = frame.start.to(token.span);
        match self.out.parts.get_mut(frame.part) {
            Some((Part::Open(Opening::Call(function)), _)) => check_arity(function, count, span)?,
            Some((Part::Open(Opening::Aggregate(op, grouping)), _)) => {
                if grouping.is_none() {
                    *grouping = modifiers::aggregate_grouping(&mut self.cursor)?;
                }
                check_aggregate_arity(*op, count, span)?;
                span = span.to(self.cursor.last_span());
                if let Some((_, close)) = self.out.parts.last_mut() {
                    *close = Span::new(span.end.saturating_sub(1) as usize, span.end as usize);
                }
            }
            _ => {}
        }
        self.out.pieces.push(Piece { span, skeleton: frame.skeleton..self.out.skeleton.len() });
        Ok(false)
    }

    fn selector(&mut self, name: Option<Token>) -> Result<(), Fault> {
        let info_matchers = matches!(self.opening(), Some(Opening::Call(f)) if f.name == "info")
            && self.stack.last().is_some_and(|f| f.commas == 1);
        let (name, matchers, span) = selector::selector(&mut self.cursor, name, info_matchers)?;
        self.put(Part::Selector { name, matchers }, span, "x");
        Ok(())
    }

    /// Reads an operator or what may follow an operand; true when an operand must follow.
    fn operator(&mut self) -> Result<bool, Fault> {
        let token = self.cursor.peek();
        match token.kind {
            Kind::Op(op) => return self.binary(op),
            Kind::RightParen => return self.close(),
            Kind::LeftBracket => self.range()?,
            Kind::At => self.at()?,
            Kind::Comma if !matches!(self.opening(), Some(Opening::Group) | None) => {
                self.cursor.next();
                self.put(Part::Comma, token.span, ",");
                if let Some(frame) = self.stack.last_mut() {
                    frame.commas += 1;
                }
                if self.cursor.peek().kind == Kind::RightParen {
                    return Err(Fault::new(token.span, "trailing commas not allowed in function call args"));
                }
                return Ok(true);
            }
            Kind::Word => return self.word_operator(token),
            _ => return Err(self.cursor.unexpected("", "")),
        }
        Ok(false)
    }

    fn word_operator(&mut self, token: Token) -> Result<bool, Fault> {
        let words =
            [("and", BinaryOp::And), ("or", BinaryOp::Or), ("unless", BinaryOp::Unless), ("atan2", BinaryOp::Atan2)];
        if let Some((_, op)) = words.iter().find(|(w, _)| self.cursor.is_word(token, &[w])) {
            return self.binary(*op);
        }
        if self.cursor.accept_word(&["offset"]).is_some() {
            let parsed = duration::offset(&mut self.cursor)?;
            let span = token.span.to(parsed.span);
            self.require_duration_expr(&parsed)?;
            self.put(Part::Offset(parsed.settle()?), span, "offset 1s");
            return Ok(false);
        }
        let mode = if self.cursor.is_word(token, &["anchored"]) {
            RangeMode::Anchored
        } else if self.cursor.is_word(token, &["smoothed"]) {
            RangeMode::Smoothed
        } else {
            return Err(self.cursor.unexpected("", ""));
        };
        if !self.features.extended_range_selectors {
            let text =
                format!("{} modifier is experimental and not enabled", self.cursor.text(token).to_ascii_lowercase());
            return Err(Fault::new(token.span, text));
        }
        self.cursor.next();
        self.put(Part::Mode(mode), token.span, "");
        Ok(false)
    }

    fn binary(&mut self, op: BinaryOp) -> Result<bool, Fault> {
        let token = self.cursor.next();
        self.operators += 1;
        let modifiers = modifiers::binary(&mut self.cursor, op, self.features)?;
        // The planner judges operands of comparisons; `bool` keeps promql-parser from it.
        let skeleton = match op {
            BinaryOp::TrimUpper => "< bool",
            BinaryOp::TrimLower => "> bool",
            BinaryOp::Eql => "== bool",
            BinaryOp::Neq => "!= bool",
            BinaryOp::Lss => "< bool",
            BinaryOp::Lte => "<= bool",
            BinaryOp::Gtr => "> bool",
            BinaryOp::Gte => ">= bool",
            other => other.as_str(),
        };
        self.put(Part::Op(op, modifiers), token.span, skeleton);
        Ok(true)
    }

    fn range(&mut self) -> Result<(), Fault> {
        let open = self.cursor.next();
        self.operators += 1;
        let range = duration::expression(&mut self.cursor)?;
        self.require_duration_expr(&range)?;
        let mut step = None;
        if self.cursor.accept(Kind::Colon).is_some() {
            step = Some(None);
            if self.cursor.peek().kind != Kind::RightBracket {
                let parsed = duration::expression(&mut self.cursor)?;
                self.require_duration_expr(&parsed)?;
                step = Some(Some(positive(parsed)?));
            }
        }
        let close = self.cursor.expect(Kind::RightBracket, "range", "\"]\"")?;
        let skeleton = if step.is_some() { "[ 1s : 1s ]" } else { "[ 1s ]" };
        self.put(Part::Range { range: positive(range)?, step }, open.span.to(close.span), skeleton);
        Ok(())
    }

    fn require_duration_expr(&self, parsed: &duration::Parsed) -> Result<(), Fault> {
        if parsed.plain || self.features.duration_expr {
            return Ok(());
        }
        Err(Fault::new(parsed.span, "experimental duration expression is not enabled"))
    }

    fn at(&mut self) -> Result<(), Fault> {
        let start = self.cursor.next();
        let (at, end) = modifiers::at(&mut self.cursor)?;
        self.put(Part::At(at), start.span.to(end), "@ 1");
        Ok(())
    }
}

fn positive(parsed: duration::Parsed) -> Result<Dur, Fault> {
    let span = parsed.span;
    match parsed.settle()? {
        Dur::Millis(ms) if ms <= 0 => Err(Fault::new(span, "duration must be greater than 0")),
        dur => Ok(dur),
    }
}

fn check_arity(function: &Function, count: usize, span: Span) -> Result<(), Fault> {
    let (name, listed) = (function.name, function.args.len());
    let fault = |bound: &str, n: usize| {
        Err(Fault::new(span, format!("expected {bound}{n} argument(s) in call to {name:?}, got {count}")))
    };
    if function.variadic == 0 {
        return if count == listed { Ok(()) } else { fault("", listed) };
    }
    let least = listed.saturating_sub(1);
    if count < least {
        return fault("at least ", least);
    }
    match usize::try_from(function.variadic) {
        Ok(more) if count > least + more => fault("at most ", least + more),
        _ => Ok(()),
    }
}

fn check_aggregate_arity(op: AggregateOp, count: usize, span: Span) -> Result<(), Fault> {
    let expected = if op.has_param() { 2 } else { 1 };
    if count == expected {
        return Ok(());
    }
    let text = if count == 0 {
        "no arguments for aggregate expression provided".to_owned()
    } else {
        format!("wrong number of arguments for aggregate expression provided, expected {expected}, got {count}")
    };
    Err(Fault::new(span, text))
}
