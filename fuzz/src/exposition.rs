//! Any body as each of the exposition formats.

use watchbell::ingest::exposition::{Carried, Event, Format, ParseOptions, ParsedValue, Parser, Part};

/// The first byte chooses the format and the options, the second the size of parts, the rest is the body. A parser that is
/// told which key is next reads the same as one that is not, and a body in parts says the same as the whole.
pub fn run(data: &[u8]) {
    let Some((&[first, size], body)) = data.split_first_chunk::<2>() else { return };
    let format = match first & 3 {
        0 => Format::Protobuf,
        1 => Format::OpenMetrics,
        _ => Format::Text,
    };
    let options = ParseOptions {
        start_timestamps: first & 4 != 0,
        type_and_unit_labels: first & 8 != 0,
        always_classic_histograms: first & 16 != 0,
        ignore_native_histograms: first & 32 != 0,
        classic_to_custom_buckets: first & 64 != 0,
    };
    let plain = read(format, &[body], options, &[]);
    let keys: Vec<Vec<u8>> = plain.iter().filter_map(|e| e.key.clone()).collect();
    assert_eq!(read(format, &[body], options, &keys), plain);
    if format == Format::OpenMetrics && options.start_timestamps {
        // Where a family's metadata stands among its samples, created timestamps behind it are not seen.
        return;
    }
    let parts: Vec<&[u8]> = body.chunks(usize::from(size) + 1).collect();
    assert_eq!(read(format, &parts, options, &keys), plain);
}

/// What was read, in a form that can be compared.
#[derive(Debug, Default, PartialEq)]
struct Read {
    key: Option<Vec<u8>>,
    text: String,
    failed: bool,
}

/// Everything up to the end or the first error. `keys` are those expected, one a sample.
fn read(format: Format, parts: &[&[u8]], options: ParseOptions, keys: &[Vec<u8>]) -> Vec<Read> {
    let (mut out, mut keys) = (Vec::new(), keys.iter().map(Vec::as_slice));
    let (mut window, mut carried, mut expected) = (Vec::new(), Carried::default(), keys.next());
    for i in 0..parts.len().max(1) {
        window.extend_from_slice(parts.get(i).copied().unwrap_or_default());
        let part = Part { bytes: &window, last: i + 1 >= parts.len() };
        let mut parser = Parser::of_part(format, part, options, std::mem::take(&mut carried));
        while let Some(one) = next(&mut parser, expected) {
            if one.key.is_some() {
                expected = keys.next();
            }
            let failed = one.failed;
            out.push(one);
            if failed {
                return out;
            }
        }
        let (read, then) = parser.end();
        carried = then;
        window.drain(..read);
    }
    out
}

/// The next event. What an error says is left out: a part that ends within a quoted name, or a message of protobuf, names
/// another place than the whole.
fn next(parser: &mut Parser<'_>, expected: Option<&[u8]>) -> Option<Read> {
    let mut one = Read::default();
    match parser.next(expected) {
        Ok(None) => return None,
        Err(_) => return Some(Read { failed: true, ..one }),
        Ok(Some(Event::Metadata(m))) => one.text = format!("{m:?}"),
        Ok(Some(Event::Sample(s))) => {
            one.key = Some(s.key.to_vec());
            one.text = match &s.value {
                ParsedValue::Float(v) => format!("{:x} {:?}", v.to_bits(), s.timestamp),
                ParsedValue::Histogram(h) => format!("{h:?} {:?}", s.timestamp),
                ParsedValue::Defective(defect) => format!("{defect} {:?}", s.timestamp),
            };
            match parser.labels() {
                Ok(labels) => one.text += &format!(" {labels} {:?}", parser.start_timestamp(&labels)),
                // A scrape ends here: what stands behind it is nobody's.
                Err(e) => (one.text, one.failed) = (e.expected.into_owned(), true),
            }
        }
    }
    Some(one)
}
