//! What a request may be, and what it is answered.

/// Bounds of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveLimits {
    /// Bytes of the body.
    pub body: usize,
    /// Bytes after decompression.
    pub decompressed: usize,
    /// Series in a request.
    pub series: usize,
    /// Labels of a series.
    pub labels: usize,
    /// Bytes of a label's name.
    pub label_name: usize,
    /// Bytes of a label's value.
    pub label_value: usize,
    /// Bytes that all requests under way may hold together: bodies, messages, and samples on their way into the store.
    pub in_flight: usize,
}

impl Default for ReceiveLimits {
    fn default() -> Self {
        ReceiveLimits {
            body: 32 << 20,
            decompressed: 128 << 20,
            series: 500_000,
            labels: 256,
            label_name: 1 << 10,
            label_value: 64 << 10,
            in_flight: 512 << 20,
        }
    }
}

/// What the headers of a request say; empty when absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteHeaders<'a> {
    /// `Content-Type`
    pub content_type: &'a str,
    /// `Content-Encoding`
    pub content_encoding: &'a str,
}

/// What was stored: the values of the `X-Prometheus-Remote-Write-*-Written` headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Float samples.
    pub samples: u64,
    /// Native histograms.
    pub histograms: u64,
    /// Exemplars.
    pub exemplars: u64,
    /// Samples of a 1.0 request that were passed over because their series have no name, or labels that are none.
    pub passed_over: u64,
}

/// Headers by which an answer to a 2.0 request says how many samples, histograms and exemplars were written.
pub const WRITTEN_HEADERS: [&str; 3] = [
    "X-Prometheus-Remote-Write-Samples-Written",
    "X-Prometheus-Remote-Write-Histograms-Written",
    "X-Prometheus-Remote-Write-Exemplars-Written",
];

impl Written {
    /// The headers of an answer to a 2.0 request.
    pub fn headers(&self) -> [(&'static str, u64); 3] {
        let [samples, histograms, exemplars] = WRITTEN_HEADERS;
        [(samples, self.samples), (histograms, self.histograms), (exemplars, self.exemplars)]
    }
}

/// A request that is refused, or of which a part is. What else was in it is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WriteError {
    /// The HTTP status: 400 makes senders drop the request, 500 and 503 make them send it again.
    pub status: u16,
    /// The first thing that is wrong.
    pub message: String,
    /// What was stored nevertheless.
    pub written: Written,
}

impl WriteError {
    pub(in crate::ingest) fn new(status: u16, message: impl Into<String>) -> Self {
        WriteError { status, message: message.into(), written: Written::default() }
    }
}
