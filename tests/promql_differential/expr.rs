//! Random expressions of the right types, and smaller ones from those that fail.

use std::fmt;

use super::random::Random;

/// Types of expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Scalar,
    Vector,
    Matrix,
}

/// An expression: text with expressions in it.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Its type.
    pub ty: Type,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Expr(Expr),
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Expr(expr) => expr.fmt(f),
        })
    }
}

impl Expr {
    fn leaf(ty: Type, text: impl Into<String>) -> Self {
        Expr { ty, parts: vec![Part::Text(text.into())] }
    }

    /// `pattern` with each `$` replaced by the next expression.
    fn with(ty: Type, pattern: &str, exprs: Vec<Expr>) -> Self {
        let mut parts = Vec::new();
        let mut exprs = exprs.into_iter();
        for (i, text) in pattern.split('$').enumerate() {
            if i > 0 {
                parts.extend(exprs.next().map(Part::Expr));
            }
            parts.push(Part::Text(text.to_owned()));
        }
        Expr { ty, parts }
    }

    fn children(&self) -> impl Iterator<Item = &Expr> {
        self.parts.iter().filter_map(|p| if let Part::Expr(e) = p { Some(e) } else { None })
    }

    /// Simpler expressions: a part in place of the whole, or a simpler part in its place.
    pub fn smaller(&self) -> Vec<Expr> {
        let mut out: Vec<Expr> = self.children().filter(|c| c.ty == self.ty).cloned().collect();
        for (i, part) in self.parts.iter().enumerate() {
            let Part::Expr(child) = part else { continue };
            let simplest: &[&str] = match child.ty {
                Type::Scalar => &["1", "0.5"],
                Type::Vector => &["g", "h"],
                Type::Matrix => &["g[5m]", "h[5m]"],
            };
            let text = child.to_string();
            let leaves = simplest.iter().filter(|s| text.len() > s.len()).map(|s| Expr::leaf(child.ty, *s));
            for simpler in child.smaller().into_iter().chain(leaves) {
                let mut whole = self.clone();
                whole.parts[i] = Part::Expr(simpler);
                out.push(whole);
            }
        }
        out
    }
}

const METRICS: &[&str] = &[
    "g",
    "g",
    "c_total",
    "c_total",
    "odd",
    "h",
    "h",
    "hg",
    "hc",
    "hc",
    "hx",
    "mix",
    "mix",
    "few",
    "typed",
    "typed",
    "huge",
    "cb_bucket",
    "{\"utf8.name\"}",
    "{\"حرارة\"}",
    "target_info",
    "{__name__=~\"g|c_total\"}",
    "{__name__=~\"h|g|mix\"}",
    "{__name__=~\"h.?\"}",
    "nothing",
    "up",
];
const MATCHERS: &[&str] = &[
    "job=\"a\"",
    "job!=\"a\"",
    "instance=~\"x|z\"",
    "instance!~\"y\"",
    "extra=\"\"",
    "job=~\".+\"",
    "le!=\"\"",
    "le=\"+Inf\"",
    "odd=\"\"",
    "instance=\"x\"",
    "job=\"none\"",
];
const DURATIONS: &[&str] = &["1m", "45s", "2m", "5m", "5m", "10m", "1m30s", "15s", "14s", "20m", "1ms"];
const TIMES: &[&str] = &["1700000600", "1700000700.5", "1700001200", "start()", "end()", "0", "1699999000"];
const LABELS: &[&str] = &[
    "job",
    "instance",
    "job, instance",
    "",
    "extra",
    "__name__",
    "le",
    "job, le",
    "none",
    "__name__, job",
    "__type__",
    "instance, __unit__",
];
const NUMBERS: &[&str] = &[
    "0", "1", "2", "-1", "0.5", "0.9", "3", "10", "1e3", "NaN", "Inf", "-Inf", "0.25", "1.5", "-0.5", "5m", "0x10",
    "7.3", "100", "-0.0",
];
const QUANTILES: &[&str] = &["0", "0.1", "0.5", "0.9", "0.99", "1", "-0.1", "1.2", "NaN", "0.25"];
const PLAIN: &[&str] = &[
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "deg",
    "exp",
    "floor",
    "histogram_avg",
    "histogram_count",
    "histogram_stddev",
    "histogram_stdvar",
    "histogram_sum",
    "hour",
    "ln",
    "log10",
    "log2",
    "minute",
    "month",
    "rad",
    "round",
    "sgn",
    "sin",
    "sinh",
    "sort",
    "sort_desc",
    "sqrt",
    "tan",
    "tanh",
    "timestamp",
    "year",
    "absent",
];
const OVER_TIME: &[&str] = &[
    "absent_over_time",
    "avg_over_time",
    "changes",
    "count_over_time",
    "delta",
    "deriv",
    "idelta",
    "increase",
    "irate",
    "last_over_time",
    "mad_over_time",
    "max_over_time",
    "min_over_time",
    "present_over_time",
    "rate",
    "resets",
    "stddev_over_time",
    "stdvar_over_time",
    "sum_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "ts_of_last_over_time",
    "rate",
    "increase",
    "avg_over_time",
    "sum_over_time",
];
const AGGREGATIONS: &[&str] = &["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "sum", "avg"];
const ARITHMETIC: &[&str] = &["+", "-", "*", "/", "%", "^", "atan2", "+", "-", "*", "/"];
const COMPARISONS: &[&str] = &["==", "!=", "<", ">", "<=", ">="];
const SETS: &[&str] = &["and", "or", "unless"];

/// Makes expressions.
pub struct Maker<'r> {
    /// Where chance comes from.
    pub random: &'r mut Random,
}

impl Maker<'_> {
    /// An expression that a query may consist of.
    pub fn query(&mut self) -> Expr {
        let depth = 1 + self.random.below(4);
        if self.random.one_in(12) { self.scalar(depth) } else { self.vector(depth) }
    }

    fn selector(&mut self) -> String {
        let mut text = self.random.pick(METRICS).to_owned();
        if self.random.one_in(3) {
            let matcher = self.random.pick(MATCHERS);
            match text.strip_suffix('}') {
                Some(open) => text = format!("{open}, {matcher}}}"),
                None => text = format!("{text}{{{matcher}}}"),
            }
        }
        text
    }

    /// `offset` and `@`, often neither.
    fn timing(&mut self) -> String {
        let mut text = String::new();
        if self.random.one_in(8) {
            text.push_str(" @ ");
            text.push_str(self.random.pick(TIMES));
        }
        if self.random.one_in(6) {
            text.push_str(if self.random.one_in(3) { " offset -" } else { " offset " });
            text.push_str(self.random.pick(DURATIONS));
        }
        text
    }

    fn scalar(&mut self, depth: usize) -> Expr {
        if depth == 0 || self.random.one_in(2) {
            return match self.random.below(6) {
                0 => Expr::leaf(Type::Scalar, "time()"),
                1 => Expr::leaf(Type::Scalar, "pi()"),
                _ => Expr::leaf(Type::Scalar, self.random.pick(NUMBERS)),
            };
        }
        match self.random.below(4) {
            0 => Expr::with(Type::Scalar, "scalar($)", vec![self.vector(depth - 1)]),
            1 => Expr::with(Type::Scalar, "-$", vec![self.scalar(depth - 1)]),
            2 => {
                let op = self.random.pick(COMPARISONS);
                let sides = vec![self.scalar(depth - 1), self.scalar(depth - 1)];
                Expr::with(Type::Scalar, &format!("($ {op} bool $)"), sides)
            }
            _ => {
                let op = self.random.pick(ARITHMETIC);
                let sides = vec![self.scalar(depth - 1), self.scalar(depth - 1)];
                Expr::with(Type::Scalar, &format!("($ {op} $)"), sides)
            }
        }
    }

    fn matrix(&mut self, depth: usize) -> Expr {
        let range = self.random.pick(DURATIONS);
        let timing = self.timing();
        if depth == 0 || !self.random.one_in(4) {
            let selector = self.selector();
            return Expr::leaf(Type::Matrix, format!("{selector}[{range}]{timing}"));
        }
        let range = if range == "1ms" { "3m" } else { range };
        let step = self.random.pick(&["", "30s", "1m", "7s", "15s", "2m"]);
        Expr::with(Type::Matrix, &format!("($)[{range}:{step}]{timing}"), vec![self.vector(depth - 1)])
    }

    fn vector(&mut self, depth: usize) -> Expr {
        if depth == 0 {
            return match self.random.below(12) {
                0 => Expr::with(Type::Vector, "vector($)", vec![self.scalar(0)]),
                _ => {
                    let (selector, timing) = (self.selector(), self.timing());
                    Expr::leaf(Type::Vector, format!("{selector}{timing}"))
                }
            };
        }
        let depth = depth - 1;
        match self.random.below(20) {
            0..=3 => self.over_time(depth),
            4..=6 => self.aggregation(depth),
            7..=10 => self.binary(depth),
            11 | 12 => {
                let function = self.random.pick(PLAIN);
                Expr::with(Type::Vector, &format!("{function}($)"), vec![self.vector(depth)])
            }
            13 | 14 => self.histogram(depth),
            15 => self.labels(depth),
            16 => self.clamped(depth),
            17 => Expr::with(Type::Vector, "-$", vec![self.vector(depth)]),
            18 => self.vector(0),
            _ => match self.random.below(3) {
                1 => Expr::with(Type::Vector, "sort_by_label($, \"instance\", \"job\")", vec![self.vector(depth)]),
                2 => Expr::with(Type::Vector, "sort_by_label_desc($, \"job\")", vec![self.vector(depth)]),
                _ => Expr::with(Type::Vector, "vector($)", vec![self.scalar(depth)]),
            },
        }
    }

    fn over_time(&mut self, depth: usize) -> Expr {
        match self.random.below(12) {
            0 => {
                let q = Expr::leaf(Type::Scalar, self.random.pick(QUANTILES));
                Expr::with(Type::Vector, "quantile_over_time($, $)", vec![q, self.matrix(depth)])
            }
            1 => {
                let parts = vec![self.matrix(depth), self.scalar(depth)];
                Expr::with(Type::Vector, "predict_linear($, $)", parts)
            }
            2 => Expr::with(Type::Vector, "double_exponential_smoothing($, 0.3, 0.6)", vec![self.matrix(depth)]),
            _ => {
                let function = self.random.pick(OVER_TIME);
                Expr::with(Type::Vector, &format!("{function}($)"), vec![self.matrix(depth)])
            }
        }
    }

    fn grouping(&mut self) -> String {
        let labels = self.random.pick(LABELS);
        match self.random.below(3) {
            0 => String::new(),
            1 => format!(" by ({labels})"),
            _ => format!(" without ({labels})"),
        }
    }

    fn aggregation(&mut self, depth: usize) -> Expr {
        let by = self.grouping();
        match self.random.below(14) {
            0 => {
                let q = Expr::leaf(Type::Scalar, self.random.pick(QUANTILES));
                Expr::with(Type::Vector, &format!("quantile{by} ($, $)"), vec![q, self.vector(depth)])
            }
            1 | 2 => {
                let op = self.random.pick(&["topk", "bottomk", "limitk"]);
                let k = self.random.pick(&["1", "2", "3", "0", "-1", "1.9", "20"]);
                Expr::with(Type::Vector, &format!("{op}{by} ({k}, $)"), vec![self.vector(depth)])
            }
            3 => {
                let ratio = self.random.pick(&["0.5", "-0.5", "0.1", "1", "-1", "0", "2", "-0.9"]);
                Expr::with(Type::Vector, &format!("limit_ratio{by} ({ratio}, $)"), vec![self.vector(depth)])
            }
            4 => {
                let label = self.random.pick(&["v", "job", "instance"]);
                Expr::with(Type::Vector, &format!("count_values{by} (\"{label}\", $)"), vec![self.vector(depth)])
            }
            _ => {
                let op = self.random.pick(AGGREGATIONS);
                Expr::with(Type::Vector, &format!("{op}{by} ($)"), vec![self.vector(depth)])
            }
        }
    }

    fn matching(&mut self, set: bool) -> String {
        let labels = self.random.pick(&["job", "instance", "job, instance", "", "job, instance", "extra", "le"]);
        let mut text = match self.random.below(4) {
            0 | 1 => return String::new(),
            2 => format!(" on({labels})"),
            _ => format!(" ignoring({labels})"),
        };
        if !set && self.random.one_in(2) {
            let include = self.random.pick(&["", "()", "(extra)", "(version)", "(instance)", "(le)"]);
            text.push_str(self.random.pick(&[" group_left", " group_right"]));
            text.push_str(include);
        }
        text
    }

    fn binary(&mut self, depth: usize) -> Expr {
        let set = self.random.one_in(4);
        let matching = self.matching(set);
        if set {
            let op = self.random.pick(SETS);
            let sides = vec![self.vector(depth), self.vector(depth)];
            return Expr::with(Type::Vector, &format!("($ {op}{matching} $)"), sides);
        }
        let op = if self.random.one_in(3) {
            let bool = if self.random.one_in(3) { " bool" } else { "" };
            format!("{}{bool}", self.random.pick(COMPARISONS))
        } else {
            self.random.pick(ARITHMETIC).to_owned()
        };
        match self.random.below(4) {
            0 => Expr::with(Type::Vector, &format!("($ {op} $)"), vec![self.scalar(depth), self.vector(depth)]),
            1 => Expr::with(Type::Vector, &format!("($ {op} $)"), vec![self.vector(depth), self.scalar(depth)]),
            // Without parentheses, precedence decides what belongs together.
            2 if self.random.one_in(3) => {
                let sides = vec![self.vector(depth), self.vector(depth)];
                Expr::with(Type::Vector, &format!("$ {op}{matching} $"), sides)
            }
            _ => {
                let sides = vec![self.vector(depth), self.vector(depth)];
                Expr::with(Type::Vector, &format!("($ {op}{matching} $)"), sides)
            }
        }
    }

    fn buckets(&mut self, depth: usize) -> Expr {
        match self.random.below(6) {
            0 | 1 => Expr::leaf(Type::Vector, "rate(cb_bucket[5m])"),
            2 => Expr::leaf(Type::Vector, "sum by (le) (cb_bucket)"),
            3 => Expr::leaf(Type::Vector, "cb_bucket"),
            4 => Expr::leaf(Type::Vector, self.random.pick(&["h", "hc", "hx", "hg", "mix", "rate(h[5m])"])),
            _ => self.vector(depth),
        }
    }

    fn histogram(&mut self, depth: usize) -> Expr {
        let input = self.buckets(depth);
        if self.random.one_in(3) {
            let bound = |random: &mut Random| {
                Expr::leaf(Type::Scalar, random.pick(&["0", "-Inf", "1", "0.3", "5", "Inf", "-2", "NaN", "1e-4", "7"]))
            };
            let parts = vec![bound(self.random), bound(self.random), input];
            return Expr::with(Type::Vector, "histogram_fraction($, $, $)", parts);
        }
        let q = Expr::leaf(Type::Scalar, self.random.pick(QUANTILES));
        Expr::with(Type::Vector, "histogram_quantile($, $)", vec![q, input])
    }

    fn labels(&mut self, depth: usize) -> Expr {
        let pattern = self.random.pick(&[
            "label_replace($, \"job\", \"$1-x\", \"instance\", \"(.*)\")",
            "label_replace($, \"new\", \"v\", \"job\", \"a\")",
            "label_replace($, \"__name__\", \"n_$1\", \"job\", \"(.+)\")",
            "label_replace($, \"job\", \"\", \"\", \"\")",
            "label_join($, \"both\", \"/\", \"job\", \"instance\")",
            "label_join($, \"job\", \"\", \"none\")",
            "label_replace($, \"__type__\", \"counter\", \"\", \"\")",
        ]);
        // The dollar signs of the replacement are text.
        let (before, after) = pattern.split_once('$').unwrap_or_default();
        let input = self.vector(depth);
        let parts = vec![Part::Text(before.into()), Part::Expr(input), Part::Text(after.into())];
        Expr { ty: Type::Vector, parts }
    }

    fn clamped(&mut self, depth: usize) -> Expr {
        let input = self.vector(depth);
        match self.random.below(4) {
            0 => Expr::with(Type::Vector, "clamp($, $, $)", vec![input, self.scalar(depth), self.scalar(depth)]),
            1 => Expr::with(Type::Vector, "clamp_min($, $)", vec![input, self.scalar(depth)]),
            2 => Expr::with(Type::Vector, "clamp_max($, $)", vec![input, self.scalar(depth)]),
            _ => Expr::with(Type::Vector, "round($, $)", vec![input, self.scalar(depth)]),
        }
    }
}
