//! Samples in and out: scraping (exposition formats, service discovery, relabelling) and remote write.

pub mod admission;
pub mod discovery;
pub mod exposition;
pub mod histogram_wire;
pub mod otlp;
pub mod relabel;
pub mod remote_read;
pub mod remote_write;
pub mod scrape;
pub mod store;
pub mod wire;
