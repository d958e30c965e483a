//! Files that are damaged: whatever they hold, reading them ends, and what can be read is read.

use std::path::Path;

use proptest::prelude::*;

use super::block::whole;
use super::*;
use crate::model::{SampleBuf, crc32c};

/// Two floats in Prometheus' encoding: 1 at 1000, and 1 at 1010.
const FLOATS: [u8; 14] = [0, 2, 0xd0, 0x0f, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 10, 0];

/// A segment with one series of the reference 1, and a sample.
fn segment() -> Vec<u8> {
    let series = [&[1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 8][..], b"__name__", &[1], b"m"].concat();
    let sample = [&[2][..], &1_u64.to_be_bytes(), &5_000_u64.to_be_bytes(), &[0, 0], &2.5_f64.to_be_bytes()].concat();
    let page = |data: &[u8]| [&[1][..], &(data.len() as u16).to_be_bytes(), &crc32c(data).to_be_bytes(), data].concat();
    [page(&series), page(&sample)].concat()
}

fn directory(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    dir
}

/// Rules that read everything.
fn groups() -> Vec<Arc<GroupSpec>> {
    let rules = "groups: [{name: g, rules: [{alert: A, expr: '{__name__=~\".+\"} > 1'}]}]";
    let loaded = crate::rules::load_str("r", rules, &Default::default()).unwrap();
    loaded.iter().map(|g| Arc::new(GroupSpec::of(g, &Default::default()))).collect()
}

fn read_all(dir: &Path) -> Result<Loaded, String> {
    read(dir, None, None, &groups())
}

#[test]
fn a_chunk_and_a_log_of_one_sample_are_read() {
    let mut samples = SampleBuf::default();
    whole(1, &FLOATS, &mut samples).unwrap();
    assert_eq!((samples.ts, samples.vs), (vec![1_000, 1_010], vec![1.0, 1.0]));
    let dir = directory(&[("wal/00000000", &segment())]);
    let loaded = read_all(dir.path()).unwrap();
    assert_eq!((loaded.samples, loaded.damaged, loaded.window), (1, 0, Window { from: 5_000, to: 5_000 }));
}

#[test]
fn what_is_no_data_directory_is_told() {
    let dir = directory(&[("x", b"")]);
    let error = |dir: &Path| read_all(dir).err().unwrap();
    assert!(error(dir.path()).contains("expected Prometheus' data directory"), "{}", error(dir.path()));
    assert!(error(&dir.path().join("absent")).contains("No such file"));
    let empty = directory(&[("wal/00000000", b"")]);
    assert!(error(empty.path()).contains("holds no sample that the rules read"));
    let meta = br#"{"minTime": 0, "maxTime": 10, "version": 1}"#;
    for (files, want) in [
        (&[("A/meta.json", &meta[..]), ("A/index", b"")][..], "index: is empty"),
        (&[("A/meta.json", meta), ("A/index", b"0123456789")], "expected an index, found something else"),
        (&[("A/meta.json", meta), ("A/index", b"\xba\xaa\xd7\x00\x01")], "version 2, found 1"),
        (&[("A/meta.json", b"{}")], "A/meta.json: missing field"),
    ] {
        let dir = directory(files);
        assert!(error(dir.path()).contains(want), "{} {want}", error(dir.path()));
    }
    // Compressed with what is not read here.
    let mut zstd = segment();
    zstd[0] |= 0b1_0000;
    let dir = directory(&[("wal/00000000", &zstd)]);
    assert!(error(dir.path()).contains("zstd"));
}

proptest! {
    #[test]
    fn bytes_that_are_no_chunk_are_none(encoding in 0_u8..6, data in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut samples = SampleBuf::default();
        let read = whole(encoding, &data, &mut samples);
        prop_assert!(read.is_some() || samples.is_empty());
    }

    #[test]
    fn a_damaged_log_is_read_as_far_as_it_goes(at in 0..60_usize, byte in any::<u8>(), cut in 0..60_usize) {
        let mut bytes = segment();
        if let Some(b) = bytes.get_mut(at) {
            *b = byte;
        }
        let dir = directory(&[("wal/00000000", &bytes), ("wal/00000001", bytes.get(..cut).unwrap_or(&bytes))]);
        if let Ok(loaded) = read_all(dir.path()) {
            prop_assert!(loaded.samples <= 2);
        }
    }

    #[test]
    fn a_damaged_index_gives_what_can_be_read(data in prop::collection::vec(any::<u8>(), 0..300)) {
        // The places of sections are random bytes with their checksum.
        let toc_at = data.len().saturating_sub(48);
        let toc = data.get(toc_at..).unwrap_or_default().to_vec();
        let bytes = [&[0xba, 0xaa, 0xd7, 0, 2][..], &data, &crc32c(&toc).to_be_bytes()].concat();
        if let Ok(index) = index::Index::open(&bytes) {
            index.series(|_| true);
        }
    }
}

/// Floats and histograms of a series, a few layouts among them.
fn any_samples() -> impl Strategy<Value = SampleBuf> {
    use crate::model::FloatHistogram;
    use crate::model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Span};
    let number = prop_oneof![Just(0.0), any::<u32>().prop_map(f64::from), -1e9..1e9, Just(f64::INFINITY)];
    let threshold = prop_oneof![
        Just(0.0),
        (-250_i32..14).prop_map(|power| 2_f64.powi(power)),
        0.0..1.0_f64,
        Just(f64::MIN_POSITIVE / 4.0)
    ];
    let bound = prop_oneof![(0_u32..40_000_000).prop_map(|n| f64::from(n) / 1_000.0), -10.0..1e12_f64];
    let layout =
        (threshold, -4..9_i32, prop::collection::vec(bound, 0..3), -2_000..2_000_i32, any::<bool>(), any::<bool>());
    let layouts = prop::collection::vec(layout, 1..3);
    let sample = (1..100_000_i64, 0..4_usize, prop::collection::vec(number, 6));
    (layouts, any::<i32>(), prop::collection::vec(sample, 0..400)).prop_map(|(layouts, start, samples)| {
        let (mut out, mut t) = (SampleBuf::default(), i64::from(start));
        for (step, kind, numbers) in samples {
            t += step;
            let &[count, zero_count, sum, a, b, c] = &numbers[..] else { unreachable!("six numbers") };
            let Some((zero_threshold, schema, bounds, offset, custom, gauge)) = layouts.get(kind / 2) else {
                out.push(t, sum);
                continue;
            };
            let hint = if *gauge { CounterResetHint::Gauge } else { CounterResetHint::Unknown };
            let histogram = FloatHistogram {
                counter_reset_hint: hint,
                schema: if *custom { CUSTOM_BUCKETS_SCHEMA } else { *schema },
                zero_threshold: *zero_threshold,
                zero_count,
                count,
                sum,
                positive_spans: vec![Span { offset: *offset, length: 1 }, Span { offset: 3, length: 1 }],
                positive_buckets: vec![a, b],
                negative_spans: vec![Span { offset: -*offset, length: 1 }],
                negative_buckets: vec![c],
                custom_values: if *custom { bounds.clone() } else { Vec::new() },
            };
            out.push_histogram(t, Arc::new(if step == 1 { FloatHistogram::stale_marker() } else { histogram }));
        }
        out
    })
}

proptest! {
    /// What `/api/v1/read` streams is read as Prometheus' own chunks are.
    #[test]
    fn chunks_that_are_written_are_read(samples in any_samples()) {
        let mut read = SampleBuf::default();
        for chunk in crate::ingest::remote_read::chunks(&samples) {
            super::chunk::read(u8::try_from(chunk.encoding).unwrap(), &chunk.bytes, &mut read).unwrap();
        }
        prop_assert_eq!(&read.ts, &samples.ts);
        let told = |hists: &[(i64, Arc<crate::model::FloatHistogram>)]| format!("{hists:?}");
        let bits = |vs: &[f64]| vs.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&read.vs), bits(&samples.vs));
        prop_assert_eq!(told(&read.hists), told(&samples.hists));
    }
}

#[test]
fn the_default_threshold_of_zero_is_read_as_it_was_written() {
    // Of a real Prometheus: 116 stands for 2^-128.
    let chunk = [0, 1, 0, 116, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut read = SampleBuf::default();
    super::chunk::read(3, &chunk, &mut read).unwrap();
    assert_eq!(read.hists[0].1.zero_threshold, 2_f64.powi(-128));
}
