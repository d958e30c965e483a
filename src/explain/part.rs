//! What is said of an expression at a time: a tree of its parts with what each gave, and what was found at them.

use serde::{Deserialize, Serialize};

use crate::history::{Number, Time};
use crate::model::Labels;

/// What a part of an expression does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum PartKind {
    Literal,
    Selector,
    Range,
    Subquery,
    Call,
    Aggregation,
    Negation,
    Arithmetic,
    Comparison,
    And,
    Or,
    Unless,
}

/// A part of an expression at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The part on one line, as Prometheus prints it.
    pub text: String,
    /// Its first byte in the expression.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
    /// What it does.
    pub kind: PartKind,
    /// What it gave.
    pub outcome: Outcome,
    /// Whether it gave anything, of the alert that is asked for where one is.
    pub holds: bool,
    /// Whether it is a reason why the whole expression holds, or does not.
    pub decides: bool,
    /// What there is to say of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The parts that it reads from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// What a part gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Outcome {
    /// A number.
    Scalar {
        /// The number.
        value: Number,
    },
    /// A string.
    Text {
        /// The string.
        value: String,
    },
    /// Series, each with a value.
    Series {
        /// How many.
        count: usize,
        /// How many of them the asked alert can come from; all where none is asked for.
        related: usize,
        /// The first of them, those that are related first.
        rows: Vec<Row>,
    },
    /// Series over a range: the values say how many samples each has in it.
    Samples {
        /// How many series.
        count: usize,
        /// How many of them the asked alert can come from; all where none is asked for.
        related: usize,
        /// The first of them, those that are related first.
        rows: Vec<Row>,
    },
    /// It could not be evaluated.
    Failed {
        /// Why.
        error: String,
    },
    /// It was not evaluated: the expression has too many parts.
    NotLookedAt,
}

/// A series and its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its labels.
    pub labels: Labels,
    /// Its value; nothing for a native histogram.
    pub value: Option<Number>,
}

/// A series beside what it is compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Margin {
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub value: Number,
    /// What it is compared with.
    pub threshold: Number,
    /// Whether the comparison holds.
    pub holds: bool,
    /// The value less the threshold.
    pub by: Number,
    /// That as a part of the threshold; nothing for a threshold of 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative: Option<Number>,
}

/// A side of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Side {
    Left,
    Right,
}

impl Side {
    /// In a sentence.
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Left => "left",
            Side::Right => "right",
        }
    }

    /// The other one.
    pub fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

/// A label in which two series differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The label.
    pub name: String,
    /// Its value in the series without a partner; empty where it has none.
    pub here: String,
    /// Its value in the series that is nearest on the other side; empty where it has none.
    pub there: String,
}

/// What was found at a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "type")]
pub enum Finding {
    /// A comparison, by how much each series is over it or short of it.
    Threshold {
        /// The operator, the series' value on its left.
        operator: String,
        /// Series for which it holds.
        holding: usize,
        /// All series that are compared.
        count: usize,
        /// The first of them: first those for which it holds, then those that are nearest to it.
        rows: Vec<Margin>,
    },
    /// Series of one side of an operator have no partner on the other.
    NoPartner {
        /// The side they are on.
        side: Side,
        /// How many.
        count: usize,
        /// How many series the side has.
        of: usize,
        /// By which labels partners find each other, as `on (job)`.
        by: String,
        /// One of them.
        example: Labels,
        /// The series on the other side that is most like it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nearest: Option<Labels>,
        /// Where these two differ.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        differences: Vec<Difference>,
    },
    /// `unless`: what the right side took away.
    TakenAway {
        /// How many series of the left side.
        count: usize,
        /// One of them.
        example: Labels,
        /// The series on the right that took it away.
        by: Labels,
    },
    /// `absent` and its like give nothing because what they ask for is there.
    Present {
        /// How many series are there.
        count: usize,
        /// One of them.
        example: Labels,
    },
    /// A function gave nothing of series that are there: the windows may have too few samples.
    GaveNothing {
        /// The function.
        function: String,
        /// Most samples that a window has.
        most_samples: u64,
    },
    /// A selector gave nothing.
    Missing(Missing),
}

/// Why a selector gave nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// The selector, with the labels of the alert that is asked for.
    pub selector: String,
    /// How many series have its metric name; nothing where it names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_name: Option<usize>,
    /// The condition without which there would be series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_by: Option<RemovedBy>,
    /// When there were series last, as far as was looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<LastSeen>,
    /// The targets that used to expose them, as they are now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetState>,
}

/// A condition that no series fulfils.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemovedBy {
    /// The condition.
    pub matcher: String,
    /// How many series there are without it.
    pub without: usize,
    /// Some of the values that these have, those that are most like the wanted one first.
    pub values: Vec<String>,
}

/// When a selector gave something last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastSeen {
    /// The time of the last sample.
    pub at: Time,
    /// How many series there were then.
    pub count: usize,
    /// One of them.
    pub example: Labels,
}

/// A target by what `up` says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetState {
    /// `job`
    pub job: String,
    /// `instance`
    pub instance: String,
    /// `up`; nothing where the target is scraped no longer.
    pub up: Option<Number>,
}

impl Part {
    /// The parts that decide, from left to right.
    pub fn deciding(&self) -> Vec<&Part> {
        let mut found = Vec::new();
        let mut stack = vec![self];
        while let Some(part) = stack.pop() {
            if part.decides {
                found.push(part);
            }
            stack.extend(part.parts.iter().rev());
        }
        found
    }
}
