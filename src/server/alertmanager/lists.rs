//! Lists as responses: gathered and written on threads that may take their time, piece by piece as the client takes them.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;

use crate::server::json::Json;

use super::answer::Refusal;

/// How much one piece holds, in alerts or silences.
const PIECE: usize = 256;
/// Pieces of an answer that are written ahead of the one being sent.
const PIECES_AHEAD: usize = 2;

/// A list that is being written.
struct List<T, W> {
    // Each piece's items.
    pieces: Vec<Vec<T>>,
    write: W,
}

/// Writes what `gather` finds. `weight` says how many alerts or silences an item holds.
pub(super) async fn list<T, W>(
    gather: impl FnOnce() -> Vec<T> + Send + 'static,
    weight: fn(&T) -> usize,
    write: W,
) -> Result<Response, Refusal>
where
    T: Send + Sync + 'static,
    W: Fn(&mut Json, &T) + Send + Sync + 'static,
{
    let begin = move || {
        let list = List { pieces: cut(gather(), weight), write };
        let first = list.piece(0);
        (list, first)
    };
    let begun = tokio::task::spawn_blocking(begin).await;
    let (list, first) = begun.map_err(|e| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    let json = [(header::CONTENT_TYPE, "application/json")];
    if list.pieces.len() <= 1 {
        return Ok((json, first).into_response());
    }
    let list = Arc::new(list);
    let rest = futures::stream::iter(1..list.pieces.len()).map(move |i| {
        let list = list.clone();
        tokio::task::spawn_blocking(move || list.piece(i))
    });
    let all = futures::stream::iter([Ok(first)]).chain(rest.buffered(PIECES_AHEAD));
    Ok((json, Body::from_stream(all)).into_response())
}

fn cut<T>(items: Vec<T>, weight: fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut pieces, mut filled) = (Vec::new(), PIECE);
    for item in items {
        if filled >= PIECE {
            pieces.push(Vec::new());
            filled = 0;
        }
        filled += weight(&item);
        if let Some(piece) = pieces.last_mut() {
            piece.push(item);
        }
    }
    pieces
}

impl<T, W: Fn(&mut Json, &T)> List<T, W> {
    fn piece(&self, i: usize) -> String {
        let mut json = Json::after(if i == 0 { "[" } else { "," });
        self.pieces.get(i).into_iter().flatten().for_each(|item| (self.write)(&mut json, item));
        let end = if i + 1 >= self.pieces.len() { "]\n" } else { "" };
        json.finish() + end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_one_array() {
        for n in [0, 1, 255, 256, 257, 1000] {
            let pieces = cut((0..n).collect(), |_| 1);
            let list = List { pieces, write: |j: &mut Json, i: &i64| j.int(*i) };
            let text: String = (0..list.pieces.len().max(1)).map(|i| list.piece(i)).collect();
            assert!(text.ends_with("]\n"), "{n}");
            assert_eq!(serde_json::from_str::<Vec<i64>>(&text).unwrap(), (0..n).collect::<Vec<_>>());
        }
    }
}
