//! Chunks cut in two at a time.

use crate::model::SampleBuf;

use super::bits::Reader;
use super::chunk::{Chunk, ChunkEncoder, ChunkView};
use super::histogram_encode;

/// Chunks one behind the other as those up to a time and those after; one that holds both becomes two. `None` on damage.
pub(super) fn cut(bytes: &[u8], at: i64, encoder: &mut ChunkEncoder) -> Option<(Vec<Chunk>, Vec<Chunk>)> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut r = Reader::new(bytes);
    while !r.is_empty() {
        let start = r.rest();
        let view = ChunkView::parse(&mut r)?;
        if view.maxt <= at || view.mint > at {
            let bytes = start.get(..start.len() - r.rest().len())?;
            let chunk = Chunk { mint: view.mint, maxt: view.maxt, bytes: bytes.into() };
            if view.maxt <= at { before.push(chunk) } else { after.push(chunk) }
        } else {
            before.extend(reencoded(&view, i64::MIN, at, encoder)?);
            after.extend(reencoded(&view, at.saturating_add(1), i64::MAX, encoder)?);
        }
    }
    Some((before, after))
}

/// The samples of a chunk in an interval as a chunk; the outer `None` is damage.
fn reencoded(view: &ChunkView<'_>, mint: i64, maxt: i64, encoder: &mut ChunkEncoder) -> Option<Option<Chunk>> {
    let mut buf = SampleBuf::default();
    view.read(mint, maxt, true, &mut buf)?;
    let known = |st: Vec<i64>| if st.iter().all(|t| *t == 0) { Vec::new() } else { st };
    Some(match (view.is_histograms(), buf.ts.is_empty()) {
        (true, _) => histogram_encode::encode(encoder, &buf.hists, &known(buf.hist_st)),
        (false, false) => Some(encoder.floats(&buf.ts, &buf.vs, &known(buf.float_st))),
        (false, true) => None,
    })
}
