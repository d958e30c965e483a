//! Remote read, as Prometheus serves it: requests decoded, answers encoded as samples or as streamed chunks.

mod bits;
mod chunks;
mod histograms;
mod request;

pub use chunks::{Chunk, chunks, frame};
pub use request::{ReadQuery, ReadRequest};

use super::remote_write::encode::encode_rows;
use super::store::SampleRow;
use super::wire::WireWriter;
use crate::model::{Labels, SampleBuf, Value};

/// The media type of an answer of samples.
pub const SAMPLES: &str = "application/x-protobuf";
/// The media type of an answer of streamed chunks.
pub const CHUNKS: &str = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";

/// A series with its samples, as a part of a `prometheus.QueryResult`.
pub fn encode_series(labels: &Labels, samples: &SampleBuf) -> Vec<u8> {
    let row = |t, value| SampleRow { labels: labels.clone(), series: None, t, st: 0, value };
    let floats = samples.ts.iter().zip(&samples.vs).map(|(t, v)| row(*t, Value::Float(*v)));
    let histograms = samples.hists.iter().map(|(t, h)| row(*t, Value::Histogram(h.clone())));
    // A result has the form of a request of remote write, and its series stand one behind the other.
    encode_rows(&floats.chain(histograms).collect::<Vec<_>>())
}

/// A `prometheus.ReadResponse` of the result of each query, compressed.
pub fn encode_samples(results: &[Vec<u8>]) -> Vec<u8> {
    let mut response = WireWriter::default();
    results.iter().for_each(|result| response.bytes(1, result));
    // An answer is bounded far below the 4 GiB that snappy refuses.
    snap::raw::Encoder::new().compress_vec(&response.buf).unwrap_or_default()
}
