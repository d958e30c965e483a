//! What series are worth at the time of a tick, for all rules that read them, whichever selectors lead there: a series'
//! window is read and its function applied once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

/// What is read of each series of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LeafKey {
    /// The metric all series have: by it values are forgotten when it is written.
    pub metric: String,
    /// The range function, `""` for the latest sample.
    pub function: &'static str,
    /// Its scalar arguments, bit by bit.
    pub args: Vec<u64>,
    /// The time of evaluation.
    pub at: i64,
    /// Where the window ends, and how long it is.
    pub window: (i64, i64),
}

/// Series of a page: those whose ids have the same upper bits. Series of one target were created one after the other.
pub(crate) const PAGE: u64 = 64;
/// Pages that all leaves of a tick may have: some 37 MB.
const MAX_PAGES: usize = 1 << 16;

/// What some neighbouring series are worth.
#[derive(Debug)]
pub(crate) struct Page {
    /// Which of them have been read.
    known: u64,
    /// Which of them have a value.
    present: u64,
    values: [f64; PAGE as usize],
}

impl Page {
    /// The value of a series; the outer `None` when it has not been read.
    #[inline]
    pub fn get(&self, id: u64) -> Option<Option<f64>> {
        let (slot, bit) = ((id % PAGE) as usize, 1u64 << (id % PAGE));
        let value = || self.values.get(slot).copied().filter(|_| self.present & bit != 0);
        (self.known & bit != 0).then(value)
    }

    pub fn put(&mut self, id: u64, value: Option<f64>) {
        let bit = 1u64 << (id % PAGE);
        self.known |= bit;
        if let (Some(v), Some(slot)) = (value, self.values.get_mut((id % PAGE) as usize)) {
            self.present |= bit;
            *slot = v;
        }
    }
}

/// The values of one leaf, by series.
#[derive(Debug, Default)]
pub(crate) struct LeafValues {
    pages: Mutex<FxHashMap<u64, Arc<Mutex<Page>>>>,
    /// Not all of it can be kept: there are histograms, or something to say of the reading.
    unfit: AtomicBool,
    /// Pages of the whole tick.
    taken: Arc<AtomicUsize>,
}

impl LeafValues {
    /// The page of a series; `None` when there is no room for another. Whoever holds it locked reads what is missing,
    /// and others wait for that.
    pub fn page(&self, id: u64) -> Option<Arc<Mutex<Page>>> {
        let mut pages = self.pages.lock();
        if let Some(page) = pages.get(&(id / PAGE)) {
            return Some(page.clone());
        }
        if self.taken.fetch_add(1, Ordering::Relaxed) >= MAX_PAGES {
            return None;
        }
        let page = Arc::new(Mutex::new(Page { known: 0, present: 0, values: [0.0; PAGE as usize] }));
        pages.insert(id / PAGE, page.clone());
        Some(page)
    }

    /// From now on everybody reads for himself.
    pub fn set_unfit(&self) {
        self.unfit.store(true, Ordering::Relaxed);
    }

    pub fn is_unfit(&self) -> bool {
        self.unfit.load(Ordering::Relaxed)
    }
}

/// All leaves of a tick.
#[derive(Debug, Default)]
pub(crate) struct Leaves {
    leaves: Mutex<FxHashMap<LeafKey, Arc<LeafValues>>>,
    taken: Arc<AtomicUsize>,
}

impl Leaves {
    pub fn get(&self, key: LeafKey) -> Arc<LeafValues> {
        let fresh = || Arc::new(LeafValues { taken: self.taken.clone(), ..LeafValues::default() });
        self.leaves.lock().entry(key).or_insert_with(fresh).clone()
    }

    /// Forgets what was read of a metric.
    pub fn written(&self, metric: &str) {
        self.leaves.lock().retain(|key, _| key.metric != metric);
    }
}
