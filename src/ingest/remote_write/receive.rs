//! Receiving: from the body of `POST /api/v1/write` to stored samples.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Protocol;
use super::ingestion::{HELD_PER_BYTE, Ingestion};
use super::memo::SeriesMemo;
use super::request::{ReceiveLimits, WriteError, WriteHeaders, Written};
use crate::clock::{Clock, Stopwatch};
use crate::ingest::admission::{Admission, Admitted};
use crate::instrument::Counter;
use crate::tsdb::Tsdb;

/// Buffers kept between requests, and the bytes each may have: enough that a steady stream of requests allocates nothing.
const KEPT_BUFFERS: usize = 4;
const KEPT_BYTES: usize = 16 << 20;
/// Samples farther ahead than this are refused, as Prometheus does: one of them would shut its series until then.
const MAX_AHEAD_MS: i64 = 10 * 60_000;
/// The same trouble is logged no more often.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Receives requests for one database.
pub struct Receiver {
    tsdb: Tsdb,
    limits: ReceiveLimits,
    clock: Arc<dyn Clock>,
    memo: Mutex<SeriesMemo>,
    buffers: Mutex<Vec<Vec<u8>>>,
    pub(super) admission: Admission,
    pub(super) passed_over: Counter,
    told_last: Mutex<Option<Stopwatch>>,
}

impl Receiver {
    /// A receiver that stores into `tsdb`.
    pub fn new(tsdb: Tsdb, limits: ReceiveLimits, clock: Arc<dyn Clock>) -> Self {
        let admission = Admission::new(limits.in_flight);
        let (memo, buffers, passed_over) = (Mutex::default(), Mutex::default(), Counter::default());
        Receiver { tsdb, limits, clock, memo, buffers, admission, passed_over, told_last: Mutex::default() }
    }

    /// Its limits.
    pub fn limits(&self) -> &ReceiveLimits {
        &self.limits
    }

    /// Admits a request that is about to be read: what it holds is reserved on the way, and given back at its end.
    pub fn admit(&self) -> Admitted {
        self.admission.enter()
    }

    /// Decodes a request and stores its samples.
    ///
    /// # Errors
    /// 415 for a content type or encoding that is not accepted, 413 for a body over the limits, 400 for a damaged
    /// message and for samples that cannot be stored (the rest is, unless a 1.0 request has samples from the future: then
    /// nothing is, as in Prometheus), 503 when requests under way leave no room, 500 when the store fails.
    pub fn receive(&self, headers: WriteHeaders<'_>, body: &[u8]) -> Result<Written, WriteError> {
        let mut admitted = self.admit();
        self.reserve(&mut admitted, body.len())?;
        self.receive_admitted(headers, body, &mut admitted)
    }

    /// The same for a request whose body is reserved already.
    ///
    /// # Errors
    /// As [`Receiver::receive`].
    pub fn receive_admitted(
        &self,
        headers: WriteHeaders<'_>,
        body: &[u8],
        admitted: &mut Admitted,
    ) -> Result<Written, WriteError> {
        let protocol = accepted_protocol(headers.content_type)?;
        let (encoding, limit) = (headers.content_encoding, self.limits.body);
        if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("snappy") {
            let text =
                format!("{encoding} encoding (compression) is not accepted by this server; only snappy is acceptable");
            return Err(WriteError::new(415, text));
        }
        if body.len() > limit {
            return Err(WriteError::new(413, format!("body of {} bytes is over the limit of {limit}", body.len())));
        }
        let len = decompressed_len(body, &self.limits)?;
        self.reserve(admitted, len.saturating_mul(HELD_PER_BYTE))?;
        // Taken out while it is used, so that nothing is locked over the work.
        let mut buffer = self.buffers.lock().pop().unwrap_or_default();
        let result = decompress(body, len, &mut buffer).and_then(|message| {
            // A request that comes while another one uses the memory does without.
            let mut memo = self.memo.try_lock();
            let bound = self.clock.now().saturating_add(MAX_AHEAD_MS);
            Ingestion::new(&self.tsdb, &self.limits, memo.as_deref_mut(), bound).run(protocol, message)
        });
        if let Ok(Written { passed_over: samples @ 1.., .. }) = result {
            self.pass_over(samples);
        }
        let mut buffers = self.buffers.lock();
        if buffers.len() < KEPT_BUFFERS && buffer.capacity() <= KEPT_BYTES {
            buffers.push(buffer);
        }
        result
    }

    /// Notes samples that were passed over, which is logged once a minute at most.
    fn pass_over(&self, samples: u64) {
        self.passed_over.add(samples);
        let mut told = self.told_last.lock();
        if told.is_none_or(|last| last.elapsed() >= TELL_AGAIN) {
            *told = Some(Stopwatch::start());
            let all = self.passed_over.get();
            tracing::warn!(
                all,
                "samples of remote writes were passed over: their series have invalid labels or no name"
            );
        }
    }

    /// Reserves bytes for a request.
    ///
    /// # Errors
    /// 503, which senders take as a wish to try again: requests under way leave no room.
    pub fn reserve(&self, admitted: &mut Admitted, bytes: usize) -> Result<(), WriteError> {
        if admitted.reserve(bytes) {
            return Ok(());
        }
        let text = format!("remote writes under way hold all of the {} bytes they may hold", self.limits.in_flight);
        Err(WriteError::new(503, text))
    }
}

/// The protocol that a `Content-Type` names; 1.0 when there is none. Judged and answered as Prometheus does.
///
/// # Errors
/// 415 when it is not one of remote write.
pub fn accepted_protocol(content_type: &str) -> Result<Protocol, WriteError> {
    if content_type.is_empty() {
        return Ok(Protocol::V1);
    }
    let mut parts = content_type.split(';').map(str::trim);
    let media = parts.next().unwrap_or("");
    if media != "application/x-protobuf" {
        let text = format!("expected application/x-protobuf as the first (media) part, got {media} content-type");
        return Err(WriteError::new(415, text));
    }
    for part in parts {
        let Some((key, message)) = part.split_once('=') else {
            let text = format!(
                "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be key-values, got \
                 {part} in {content_type} content-type"
            );
            return Err(WriteError::new(415, text));
        };
        if key == "proto" {
            return Protocol::parse(message).ok_or_else(|| {
                let text = format!(
                    "got {content_type} content type; unknown remote write protobuf message {message}, supported: \
                     prometheus.WriteRequest, io.prometheus.write.v2.Request"
                );
                WriteError::new(415, text)
            });
        }
    }
    Ok(Protocol::V1)
}

/// How long the message in a body says it is, within the limits.
fn decompressed_len(body: &[u8], limits: &ReceiveLimits) -> Result<usize, WriteError> {
    let len = snap::raw::decompress_len(body).map_err(|e| WriteError::new(400, format!("snappy: {e}")))?;
    if len > limits.decompressed {
        let text = format!("message of {len} bytes is over the limit of {}", limits.decompressed);
        return Err(WriteError::new(413, text));
    }
    Ok(len)
}

fn decompress<'b>(body: &[u8], len: usize, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], WriteError> {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    let out = buffer.get_mut(..len).unwrap_or_default();
    snap::raw::Decoder::new().decompress(body, out).map_err(|e| WriteError::new(400, format!("snappy: {e}")))?;
    Ok(out)
}

#[cfg(test)]
#[path = "receive_tests.rs"]
mod tests;
