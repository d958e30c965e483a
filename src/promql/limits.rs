//! What an evaluation may use and how it is stopped.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::error::EvalError;
use crate::clock::Stopwatch;
use crate::model::Labels;

/// Bounds of one evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most samples held in memory at once (`--query.max-samples`). Bytes of labels that a query makes count too, as many
    /// to a sample as one takes.
    pub max_samples: usize,
    /// Most steps of a range query (Prometheus' API allows 11,000 points a series; the API checks that, this only
    /// keeps an evaluation finite).
    pub max_steps: usize,
}

impl Limits {
    /// Most places for values that the columns of a query may have at once, whether or not there are values: samples are
    /// counted as they are, but columns have room for all steps. At eight bytes each they take no more than the samples.
    fn max_places(&self) -> usize {
        self.max_samples.saturating_mul(2).max(FREE_PLACES)
    }
}

/// Places that every query may have: 80 MB.
const FREE_PLACES: usize = 10_000_000;

impl Default for Limits {
    fn default() -> Self {
        Limits { max_samples: 50_000_000, max_steps: 10_000_000 }
    }
}

/// Stops an evaluation from outside: by hand or by a deadline. Clones share one flag.
#[derive(Clone, Debug, Default)]
pub struct CancelToken {
    canceled: Arc<AtomicBool>,
    deadline: Option<(Stopwatch, Duration)>,
}

impl CancelToken {
    /// Never stops by itself.
    pub fn new() -> Self {
        CancelToken::default()
    }

    /// Stops after `timeout` from now.
    pub fn with_timeout(timeout: Duration) -> Self {
        CancelToken { canceled: Arc::default(), deadline: Some((Stopwatch::start(), timeout)) }
    }

    /// Stops the evaluations that hold a clone of this.
    pub fn cancel(&self) {
        self.canceled.store(true, Ordering::Relaxed);
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// [`EvalError::Canceled`] or [`EvalError::Timeout`].
    pub fn check(&self) -> Result<(), EvalError> {
        if self.canceled.load(Ordering::Relaxed) {
            return Err(EvalError::Canceled);
        }
        match &self.deadline {
            Some((since, timeout)) if since.elapsed() > *timeout => Err(EvalError::Timeout),
            _ => Ok(()),
        }
    }
}

/// Threads that evaluations may use beside their own, however many there are at once.
#[derive(Debug)]
pub struct Helpers(AtomicUsize);

impl Helpers {
    /// So many threads.
    pub fn new(threads: usize) -> Self {
        Helpers(AtomicUsize::new(threads))
    }

    /// As many threads as there are processors beside the caller's own.
    pub fn of_this_machine() -> Self {
        Helpers::new(std::thread::available_parallelism().map_or(0, |n| n.get() - 1))
    }

    /// Takes one, when there is one.
    pub(crate) fn take(&self) -> Option<Helper<'_>> {
        let less = |free: usize| free.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).ok().map(|_| Helper(self))
    }
}

/// A thread that was taken; others may have it when this goes.
pub(crate) struct Helper<'a>(&'a Helpers);

impl Drop for Helper<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts the samples an evaluation holds, against the limit, and looks at the cancel token now and then.
#[derive(Debug)]
pub(crate) struct Budget {
    held: Cell<usize>,
    peak: Cell<usize>,
    read: Cell<u64>,
    max: usize,
    places: Cell<usize>,
    max_places: usize,
    cancel: CancelToken,
    until_check: Cell<u32>,
    /// Samples looked at since the cancel token was.
    worked: Cell<usize>,
}

/// Cancellation is looked at once in so many calls of [`Budget::tick`].
const CHECK_EVERY: u32 = 64;
/// And once in so many samples of [`Budget::work`]: less than a millisecond.
pub(crate) const WORK_UNCHECKED: usize = 1 << 18;
/// What a sample takes: a time and a value.
const SAMPLE_BYTES: usize = 16;

impl Budget {
    pub fn new(limits: &Limits, cancel: CancelToken) -> Self {
        Budget {
            held: Cell::new(0),
            peak: Cell::new(0),
            read: Cell::new(0),
            max: limits.max_samples,
            places: Cell::new(0),
            max_places: limits.max_places(),
            cancel,
            until_check: Cell::new(0),
            worked: Cell::new(0),
        }
    }

    /// Takes room for `n` more samples.
    pub fn take(&self, n: usize) -> Result<(), EvalError> {
        let held = self.held.get().saturating_add(n);
        self.held.set(held);
        self.peak.set(self.peak.get().max(held));
        if held > self.max { Err(EvalError::TooManySamples) } else { Ok(()) }
    }

    /// Takes places in columns, which need not have values.
    fn take_places(&self, n: usize) -> Result<(), EvalError> {
        let places = self.places.get().saturating_add(n);
        self.places.set(places);
        match places > self.max_places {
            true => Err(EvalError::TooManyPlaces(self.max_places)),
            false => Ok(()),
        }
    }

    /// Takes room for bytes of text a query makes, until it ends: where they are held in the end nobody knows.
    pub fn take_bytes(&self, bytes: usize) -> Result<(), EvalError> {
        if bytes == 0 { Ok(()) } else { self.take(bytes.div_ceil(SAMPLE_BYTES)) }
    }

    /// Takes room for what labels have grown from others by.
    pub fn take_growth(&self, made: &Labels, from: &Labels) -> Result<(), EvalError> {
        self.take_bytes(made.as_bytes().len().saturating_sub(from.as_bytes().len()))
    }

    /// How many bytes of text there is room for.
    pub fn room_for_bytes(&self) -> usize {
        self.max.saturating_sub(self.held.get()).saturating_mul(SAMPLE_BYTES)
    }

    /// Gives room for `n` samples back.
    pub fn give_back(&self, n: usize) {
        self.held.set(self.held.get().saturating_sub(n));
    }

    /// Counts samples read from storage. Those passed over on the way to a step's value are not held.
    pub fn read(&self, n: usize) {
        self.read.set(self.read.get().saturating_add(n as u64));
    }

    /// Sets back how many samples were read: those that came since will be read again.
    pub fn count_from(&self, read: u64) {
        self.read.set(read);
    }

    /// Whether `n` more samples may be held for a moment: a window, or what a subquery gives.
    pub fn allow(&self, n: usize) -> Result<(), EvalError> {
        let held = self.held.get().saturating_add(n);
        self.peak.set(self.peak.get().max(held));
        if held > self.max { Err(EvalError::TooManySamples) } else { Ok(()) }
    }

    /// A unit of work was done: looks at the cancel token now and then.
    #[inline]
    pub fn tick(&self) -> Result<(), EvalError> {
        let left = self.until_check.get();
        if left > 0 {
            self.until_check.set(left - 1);
            return Ok(());
        }
        self.until_check.set(CHECK_EVERY);
        self.cancel.check()
    }

    /// Looks at the cancel token now: for work of which a little may be long.
    pub fn check(&self) -> Result<(), EvalError> {
        self.cancel.check()
    }

    /// So many samples were looked at.
    #[inline]
    pub fn work(&self, samples: usize) -> Result<(), EvalError> {
        let worked = self.worked.get().saturating_add(samples);
        if worked < WORK_UNCHECKED {
            self.worked.set(worked);
            return Ok(());
        }
        self.worked.set(0);
        self.cancel.check()
    }

    pub fn samples_read(&self) -> u64 {
        self.read.get()
    }

    pub fn samples_peak(&self) -> usize {
        self.peak.get()
    }

    /// Samples read, and the most held at once, since the last call: what a helper reports.
    pub fn report(&self) -> (u64, usize) {
        (self.read.take(), self.peak.take())
    }

    /// Takes over what a helper reports.
    pub fn take_report(&self, (read, peak): (u64, usize)) -> Result<(), EvalError> {
        self.read.set(self.read.get().saturating_add(read));
        self.allow(peak)
    }
}

/// What an operator holds of a budget: samples, and the places of its columns. All goes back when this goes.
#[derive(Debug)]
pub(crate) struct Holding {
    budget: Rc<Budget>,
    samples: usize,
    places: usize,
}

impl Holding {
    pub fn of(budget: &Rc<Budget>) -> Self {
        Holding { budget: budget.clone(), samples: 0, places: 0 }
    }

    /// Holds `n` more samples.
    pub fn samples(&mut self, n: usize) -> Result<(), EvalError> {
        self.samples += n;
        self.budget.take(n)
    }

    /// Has a column of `n` more places.
    pub fn column(&mut self, n: usize) -> Result<(), EvalError> {
        self.places += n;
        self.budget.take_places(n)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.budget.give_back(self.samples);
        self.budget.places.set(self.budget.places.get().saturating_sub(self.places));
    }
}
