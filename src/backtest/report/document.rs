//! What a report says, whatever it is laid out as.

/// A report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// What follows, in order.
    pub blocks: Vec<Block>,
}

/// A part of a report.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A heading.
    Heading(String),
    /// A paragraph.
    Line(String),
    /// A table.
    Table(Table),
    /// How much of something there is in each of several places, as bars.
    Bars(Vec<Bar>),
    /// When each of several things was on: a plot, which text leaves out.
    Timeline(Timeline),
}

/// One bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What it is of.
    pub name: String,
    /// How much there is.
    pub count: u64,
}

/// When each of several things was on. Times are milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// Where it begins.
    pub from: i64,
    /// Where it ends.
    pub to: i64,
    /// The things.
    pub rows: Vec<TimelineRow>,
}

/// One of the things.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineRow {
    /// Its name.
    pub name: String,
    /// When it was on.
    pub spans: Vec<Span>,
}

/// A time in which something was on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From.
    pub from: i64,
    /// To.
    pub to: i64,
    /// Whether it fired, or only was pending.
    pub is_firing: bool,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Its columns.
    pub columns: Vec<Column>,
    /// A cell a column.
    pub rows: Vec<Vec<String>>,
    /// Rows that are left out for want of room.
    pub more: usize,
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Above the cells.
    pub title: &'static str,
    /// Whether its cells are numbers, which stand to the right.
    pub number: bool,
}

impl Column {
    /// A column of words.
    pub const fn words(title: &'static str) -> Self {
        Column { title, number: false }
    }

    /// A column of numbers.
    pub const fn numbers(title: &'static str) -> Self {
        Column { title, number: true }
    }
}

impl Document {
    /// Adds a heading.
    pub fn heading(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Heading(text.into()));
    }

    /// Adds a paragraph.
    pub fn line(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Line(text.into()));
    }

    /// Adds a table of at most `most` rows, unless it has none.
    pub fn table(&mut self, columns: &[Column], mut rows: Vec<Vec<String>>, most: usize) {
        let more = rows.len().saturating_sub(most);
        rows.truncate(most);
        if !rows.is_empty() {
            self.blocks.push(Block::Table(Table { columns: columns.to_vec(), rows, more }));
        }
    }
}

/// `1 page`, `3 alerts`.
pub fn counted(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}
