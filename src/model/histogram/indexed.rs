//! Buckets by their indices.

use super::schema::Span;

/// The buckets of one side as `(index, count)`, ascending by index; from the back, descending. A layout whose spans and
/// counts do not fit ends where one of the two ends.
#[derive(Clone, Debug)]
pub struct Indexed<'a, T> {
    spans: &'a [Span],
    counts: &'a [T],
    /// Buckets of the first span that are behind us, and the index of the next.
    front: (u32, i32),
    /// Buckets of the last span that are behind us coming from the back, and one past the index of the next.
    back: (u32, i32),
}

impl<'a, T: Copy> Indexed<'a, T> {
    pub(super) fn new(spans: &'a [Span], counts: &'a [T]) -> Self {
        let start = spans.first().map_or(0, |s| s.offset);
        let end = spans.iter().fold(0i32, |i, s| i.saturating_add(s.offset).saturating_add_unsigned(s.length));
        Indexed { spans, counts, front: (0, start), back: (0, end) }
    }

    /// The indices alone matter: whether the front and back meet is decided by `counts`.
    fn skip_finished_spans(&mut self) -> Option<()> {
        loop {
            let (first, rest) = self.spans.split_first()?;
            if self.front.0 < first.length {
                return Some(());
            }
            self.front = (0, self.front.1.saturating_add(rest.first()?.offset));
            self.spans = rest;
        }
    }

    fn skip_finished_spans_back(&mut self) -> Option<()> {
        loop {
            let (last, rest) = self.spans.split_last()?;
            if self.back.0 < last.length {
                return Some(());
            }
            self.back = (0, self.back.1.saturating_sub(last.offset));
            self.spans = rest;
        }
    }
}

impl<T: Copy> Iterator for Indexed<'_, T> {
    type Item = (i32, T);

    #[inline]
    fn next(&mut self) -> Option<(i32, T)> {
        let (count, rest) = self.counts.split_first()?;
        self.skip_finished_spans()?;
        let index = self.front.1;
        self.front = (self.front.0 + 1, index.saturating_add(1));
        self.counts = rest;
        Some((index, *count))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.counts.len(), Some(self.counts.len()))
    }
}

impl<T: Copy> DoubleEndedIterator for Indexed<'_, T> {
    #[inline]
    fn next_back(&mut self) -> Option<(i32, T)> {
        let (count, rest) = self.counts.split_last()?;
        self.skip_finished_spans_back()?;
        let index = self.back.1.saturating_sub(1);
        self.back = (self.back.0 + 1, index);
        self.counts = rest;
        Some((index, *count))
    }
}
