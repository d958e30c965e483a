//! Our own metrics: instruments that count, and the exposition that writes them.
//!
//! Names are Prometheus' with our prefix where the thing is the same. What a room counts in its own structures is read
//! when someone scrapes ([`Collect`]); instruments are only for what nobody else counts.

mod exposition;
mod instrument;
mod process;

pub use exposition::{Exposition, Family, Format, Kind};
pub use instrument::{Counter, CounterVec, Gauge, Histogram, HistogramVec};
pub use process::Process;

/// Something that writes metric families.
pub trait Collect: Send + Sync {
    /// Writes the families as they stand now.
    fn collect(&self, out: &mut Exposition);
}

/// Everything that is exposed, in the order of registration.
#[derive(Default)]
pub struct Registry {
    collectors: parking_lot::RwLock<Vec<std::sync::Arc<dyn Collect>>>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Registry::default()
    }

    /// Exposes what `collector` writes, too.
    pub fn register(&self, collector: std::sync::Arc<dyn Collect>) {
        self.collectors.write().push(collector);
    }

    /// The exposition of everything.
    pub fn expose(&self, format: Format) -> String {
        let collectors = self.collectors.read().clone();
        let mut out = Exposition::new(format);
        for collector in collectors {
            collector.collect(&mut out);
        }
        out.finish()
    }
}
