//! Remote write 1.0 on the sending side: protobuf by hand, snappy by its crate.

/// One series of a request: its labels (sorted, metric name included) and its samples.
pub struct Series<'a> {
    pub labels: &'a [(String, String)],
    pub samples: &'a [(i64, f64)],
}

/// A compressed `prometheus.WriteRequest`.
pub fn write_request<'a>(series: impl Iterator<Item = Series<'a>>) -> Vec<u8> {
    let mut request = Vec::with_capacity(1 << 20);
    let (mut one, mut part) = (Vec::new(), Vec::new());
    for s in series {
        one.clear();
        for (name, value) in s.labels {
            part.clear();
            bytes_field(&mut part, 1, name.as_bytes());
            bytes_field(&mut part, 2, value.as_bytes());
            bytes_field(&mut one, 1, &part);
        }
        for (t, v) in s.samples {
            part.clear();
            part.push(1 << 3 | 1);
            part.extend_from_slice(&v.to_le_bytes());
            part.push(2 << 3);
            varint(&mut part, *t as u64);
            bytes_field(&mut one, 2, &part);
        }
        bytes_field(&mut request, 1, &one);
    }
    snap::raw::Encoder::new().compress_vec(&request).expect("snappy")
}

fn bytes_field(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}
