//! Families in tables: a row a family, with how its value is read from what it is about.

use super::exposition::{Exposition, Kind};

/// A family whose samples are read from a subject each.
pub struct Figure<T: ?Sized> {
    /// The family's name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it says.
    pub help: &'static str,
    /// How it is read.
    pub read: fn(&T) -> f64,
}

/// A row of something that only grows.
pub const fn counter<T: ?Sized>(name: &'static str, help: &'static str, read: fn(&T) -> f64) -> Figure<T> {
    Figure { name, kind: Kind::Counter, help, read }
}

/// A row of something that goes up and down.
pub const fn gauge<T: ?Sized>(name: &'static str, help: &'static str, read: fn(&T) -> f64) -> Figure<T> {
    Figure { name, kind: Kind::Gauge, help, read }
}

/// A subject of a table, with the labels that tell it from others.
pub type Labelled<'a, T> = (Vec<(&'a str, &'a str)>, &'a T);

impl Exposition {
    /// Writes a table's families about one subject, without labels.
    pub fn figures<T: ?Sized>(&mut self, table: &[Figure<T>], subject: &T) {
        for figure in table {
            self.single(figure.name, figure.kind, figure.help, (figure.read)(subject));
        }
    }

    /// Writes a table's families, each with a sample a subject.
    pub fn figures_by<T>(&mut self, table: &[Figure<T>], subjects: &[Labelled<'_, T>]) {
        for figure in table {
            self.family(figure.name, figure.kind, figure.help, |f| {
                subjects.iter().for_each(|(labels, subject)| f.sample(labels, (figure.read)(subject)));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;

    #[test]
    fn a_table_writes_a_family_a_row() {
        const TABLE: [Figure<(u32, f64)>; 2] = [counter("a_total", "A.", |s| s.0.into()), gauge("b", "B.", |s| s.1)];
        let mut out = Exposition::new(Format::Text);
        out.figures(&TABLE, &(1, f64::INFINITY));
        out.figures_by(&TABLE[1..], &[(vec![("of", "x")], &(0, 0.25)), (vec![("of", "y")], &(0, 1e21))]);
        let text = "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n# HELP b B.\n# TYPE b gauge\nb +Inf\n\
                    # HELP b B.\n# TYPE b gauge\nb{of=\"x\"} 0.25\nb{of=\"y\"} 1000000000000000000000\n";
        assert_eq!(out.finish(), text);
    }
}
