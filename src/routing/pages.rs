//! A table whose copies are cheap: rows stand in pages, and copies share every page until a row of it changes. What is
//! shown to readers after each turn costs as much as the turn changed.

use std::sync::Arc;

/// Rows of a page. What came together stands together, so a post that comes again touches few pages.
const PAGE: usize = 64;

/// Rows by their places.
#[derive(Debug)]
pub struct Pages<T> {
    pages: Arc<Vec<Arc<Page<T>>>>,
    len: usize,
}

type Page<T> = [Option<Arc<T>>; PAGE];

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Pages { pages: Arc::default(), len: 0 }
    }
}

impl<T> Clone for Pages<T> {
    fn clone(&self) -> Self {
        Pages { pages: self.pages.clone(), len: self.len }
    }
}

impl<T> Pages<T> {
    /// Puts a row in its place, or takes it away. Places are to be given out again, so that they stay dense.
    pub fn set(&mut self, place: usize, row: Option<Arc<T>>) {
        let pages = Arc::make_mut(&mut self.pages);
        while pages.len() <= place / PAGE {
            pages.push(Arc::new(std::array::from_fn(|_| None)));
        }
        let Some(slot) = pages.get_mut(place / PAGE).and_then(|p| Arc::make_mut(p).get_mut(place % PAGE)) else {
            return;
        };
        self.len = self.len + usize::from(row.is_some()) - usize::from(slot.is_some());
        *slot = row;
    }

    /// The row at a place.
    pub fn get(&self, place: usize) -> Option<&Arc<T>> {
        self.pages.get(place / PAGE)?.get(place % PAGE)?.as_ref()
    }

    /// All rows, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.pages.iter().flat_map(|page| page.iter().flatten())
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Gives out places, those that became free first.
#[derive(Debug, Default)]
pub struct Places {
    free: Vec<usize>,
    next: usize,
}

impl Places {
    /// A place that nobody has.
    pub fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// A place that is no longer needed.
    pub fn give_back(&mut self, place: usize) {
        self.free.push(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_stays_as_it_was_and_shares_what_did_not_change() {
        let (mut pages, mut places) = (Pages::default(), Places::default());
        for i in 0..200 {
            pages.set(places.take(), Some(Arc::new(i)));
        }
        let copy = pages.clone();
        pages.set(70, None);
        places.give_back(70);
        pages.set(places.take(), Some(Arc::new(1000)));
        pages.set(0, None);
        assert_eq!((copy.len(), pages.len()), (200, 199));
        assert_eq!((copy.get(70).map(|v| **v), pages.get(70).map(|v| **v)), (Some(70), Some(1000)));
        assert!(copy.iter().map(|v| **v).eq(0..200));
        let shared = copy.pages.iter().zip(&*pages.pages).filter(|(a, b)| Arc::ptr_eq(a, b)).count();
        assert_eq!(shared, 2, "of four pages, two changed");
        assert!(pages.get(4000).is_none());
    }
}
