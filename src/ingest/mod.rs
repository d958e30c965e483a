//! Samples in and out: scraping (exposition formats, service discovery, relabelling) and remote write.

pub mod exposition;
pub mod histogram_wire;
pub mod relabel;
pub mod wire;
