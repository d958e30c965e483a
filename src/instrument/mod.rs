//! Our own metrics: instruments with which every room counts its own, and the exposition that writes them.
//!
//! Names are Prometheus' with our prefix where the thing is the same, and such families are written under its own names
//! too. A room says what it counts ([`Collect`]), most of it in tables ([`Figure`]); the server only writes them out.

mod exposition;
mod instruments;
pub mod log_file;
mod process;
mod shared_names;
pub mod spans;
mod summary;
mod table;
mod trouble;

pub use exposition::{Exposition, Family, Format, Kind};
pub use instruments::{Counter, CounterVec, Gauge, Histogram, HistogramVec, MAX_CHILDREN};
pub use log_file::{LogFile, LogWriter};
pub use process::Process;
pub use summary::{Summary, SummaryVec};
pub use table::{Figure, counter, gauge};
pub use trouble::{Fails, Trouble, WorksAgain};

/// Something that writes metric families.
pub trait Collect: Send + Sync {
    /// Writes the families as they stand now.
    fn collect(&self, out: &mut Exposition);
}

/// Everything that is exposed, in the order of registration.
#[derive(Default)]
pub struct Registry {
    collectors: parking_lot::RwLock<Vec<std::sync::Arc<dyn Collect>>>,
    as_prometheus: bool,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Registry::default()
    }

    /// An empty registry, which exposes what Prometheus has too under its names as well.
    pub fn as_prometheus() -> Self {
        Registry { as_prometheus: true, ..Registry::default() }
    }

    /// Exposes what `collector` writes, too.
    pub fn register(&self, collector: std::sync::Arc<dyn Collect>) {
        self.collectors.write().push(collector);
    }

    /// The exposition of everything.
    pub fn expose(&self, format: Format) -> String {
        let collectors = self.collectors.read().clone();
        let mut out = Exposition::new(format);
        if self.as_prometheus {
            out = out.as_prometheus();
        }
        for collector in collectors {
            collector.collect(&mut out);
        }
        out.write_uncounted();
        out.finish()
    }
}
