//! Any message as a remote write request.

use std::collections::BTreeMap;
use std::sync::Arc;

use watchbell::clock::VirtualClock;
use watchbell::ingest::remote_write::{Protocol, ReceiveLimits, Receiver, WriteHeaders, encode};
use watchbell::ingest::store::SampleRow;
use watchbell::model::{Labels, SampleBuf, Value};
use watchbell::tsdb::{Queryable, Tsdb};

/// The clock of the receiver: samples up to ten minutes later are taken.
const NOW: i64 = 1_700_000_000_000;

/// What is said to be stored is there, once; and it can be sent on, as either version, and is there again. The first byte
/// chooses the version, the rest is the message.
pub fn run(data: &[u8]) {
    let Some((first, message)) = data.split_first() else { return };
    let protocol = if first % 2 == 0 { Protocol::V1 } else { Protocol::V2 };
    let Ok(body) = snap::raw::Encoder::new().compress_vec(message) else { return };
    let (db, written) = receive(protocol, &body);
    let stored = contents(&db);
    let samples: u64 = stored.values().map(|s| s.len() as u64).sum();
    assert!(samples <= written, "{samples} of {written} samples");
    assert_eq!(samples == 0, written == 0);
    let rows: Vec<SampleRow> = stored.iter().flat_map(|(labels, samples)| rows(labels, samples)).collect();
    for protocol in [Protocol::V1, Protocol::V2] {
        if rows.is_empty() {
            break;
        }
        let (db, written) = receive(protocol, &encode(protocol, &rows));
        assert_eq!(written, samples, "sent on as {protocol:?}: {stored:?}");
        assert_eq!(contents(&db), stored, "sent on as {protocol:?}");
    }
}

/// A database with what a request brought, and how many samples it is said to have brought.
fn receive(protocol: Protocol, body: &[u8]) -> (Tsdb, u64) {
    let db = Tsdb::in_memory();
    let receiver = Receiver::new(db.clone(), ReceiveLimits::default(), Arc::new(VirtualClock::at(NOW)));
    let headers = WriteHeaders { content_type: protocol.content_type(), content_encoding: "snappy" };
    let written = receiver.receive(headers, body).unwrap_or_else(|e| e.written);
    (db, written.samples + written.histograms)
}

/// A sample whose floats are compared by their bits.
#[derive(Clone, Debug)]
struct Stored(i64, Value);

impl PartialEq for Stored {
    fn eq(&self, other: &Stored) -> bool {
        self.0 == other.0
            && match (&self.1, &other.1) {
                (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
                (Value::Histogram(a), Value::Histogram(b)) => a == b,
                _ => false,
            }
    }
}

fn contents(db: &Tsdb) -> BTreeMap<Labels, Vec<Stored>> {
    let mut all = BTreeMap::new();
    for series in db.select(&[], i64::MIN, i64::MAX).unwrap() {
        let mut buf = SampleBuf::default();
        series.read(i64::MIN, i64::MAX, false, &mut buf).unwrap();
        let floats = buf.ts.iter().zip(&buf.vs).map(|(t, v)| (*t, Value::Float(*v)));
        let histograms = buf.hists.iter().map(|(t, h)| (*t, Value::Histogram(h.clone())));
        let mut samples: Vec<Stored> = floats.chain(histograms).map(|(t, v)| Stored(t, v)).collect();
        samples.sort_by_key(|s| s.0);
        assert!(samples.windows(2).all(|w| w[0].0 < w[1].0), "two samples at one time");
        if !samples.is_empty() {
            all.insert(series.labels().clone(), samples);
        }
    }
    all
}

fn rows<'a>(labels: &'a Labels, samples: &'a [Stored]) -> impl Iterator<Item = SampleRow> {
    let row = |Stored(t, value): &Stored| SampleRow {
        labels: labels.clone(),
        series: None,
        t: *t,
        st: 0,
        value: value.clone(),
    };
    samples.iter().map(row)
}
