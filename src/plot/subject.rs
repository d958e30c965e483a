//! What is drawn.

use chrono_tz::Tz;

/// Most lines of a plot; of more, fewer are drawn and the others counted.
pub const MOST_LINES: usize = 6;
/// Most points of a line: more than there are pixels across say nothing.
pub const MOST_POINTS: usize = 600;

/// What is drawn. Times are milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// The first line: what it is about.
    pub title: String,
    /// The second line; empty for none.
    pub subtitle: String,
    /// The earliest time.
    pub from: i64,
    /// The latest time.
    pub until: i64,
    /// The distance of points that belong together: where it is larger a line breaks.
    pub step: i64,
    /// The lines.
    pub lines: Vec<Line>,
    /// How many lines there are beyond these.
    pub more: usize,
    /// What the lines are compared with.
    pub threshold: Option<f64>,
    /// Since when and until when it fired.
    pub firing: Option<(i64, i64)>,
    /// The zone of the times that are shown.
    pub zone: Tz,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What the legend calls it; empty for a line that is alone.
    pub name: String,
    /// Its points, ascending in time. What is not finite is not drawn.
    pub points: Vec<(i64, f64)>,
}
