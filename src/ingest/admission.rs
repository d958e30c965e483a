//! How much memory the requests or scrapes under way may hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::instrument::Counter;

/// A budget of bytes that requests, or scrapes, share. Clones share it too.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    limit: usize,
    held: AtomicUsize,
    turned_away: Counter,
}

impl Admission {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Admission(Arc::new(Budget { limit, held: AtomicUsize::new(0), turned_away: Counter::default() }))
    }

    /// A request, which holds nothing yet.
    pub fn enter(&self) -> Admitted {
        Admitted { budget: self.0.clone(), bytes: 0 }
    }

    /// Bytes that are held now.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// How often there was no room.
    pub fn turned_away(&self) -> u64 {
        self.0.turned_away.get()
    }
}

/// What one request holds; given back when it is dropped.
#[derive(Debug)]
pub struct Admitted {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Admitted {
    /// Takes more bytes; whether they were there to be taken.
    pub fn reserve(&mut self, bytes: usize) -> bool {
        let fits = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.budget.limit);
        let taken = self.budget.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if taken {
            self.bytes += bytes;
        } else {
            self.budget.turned_away.inc();
        }
        taken
    }

    /// Holds so many bytes from now on, more than before or fewer; whether there is room for more.
    pub fn hold(&mut self, bytes: usize) -> bool {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.reserve(more),
            None => {
                self.budget.held.fetch_sub(self.bytes.saturating_sub(bytes), Ordering::Relaxed);
                self.bytes = bytes;
                true
            }
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_request_holds_another_cannot_have_until_it_ends() {
        let admission = Admission::new(100);
        let (mut one, mut two) = (admission.enter(), admission.enter());
        assert!(one.reserve(40) && two.reserve(50) && one.reserve(10));
        assert!(!two.reserve(1) && !one.reserve(usize::MAX));
        assert_eq!((admission.held(), admission.turned_away()), (100, 2));
        drop(one);
        assert!(two.reserve(50) && two.hold(20) && !two.hold(101) && two.hold(100));
        drop(two);
        assert_eq!(admission.held(), 0);
    }
}
