//! Request lines as Go's servers take them. Clients put queries into URLs as they are, `query=up{job="gpu"}`; the parser
//! below refuses some of their characters, so they are escaped before it sees them.
//!
//! Only what surely is a request line is touched: where a message ends is known from one plain `Content-Length` or none. A
//! connection on which anything else comes is left alone from there on, and the parser judges it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};

/// What is read at once of a head.
const CHUNK: usize = 8 << 10;

/// A stream whose request lines are escaped.
pub(super) struct Escaped<S> {
    stream: Take<S>,
    /// The longest head that is looked at, in bytes.
    longest: usize,
    state: State,
    /// What has come and is not understood yet.
    raw: Vec<u8>,
    /// Up to where no head ends.
    scanned: usize,
    /// What the reader may have, and how much of it it has.
    ready: Vec<u8>,
    given: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    /// So many bytes are left of a body.
    Body(u64),
    /// Nothing is looked at any more.
    LeftAlone,
}

impl<S: AsyncRead + Unpin> Escaped<S> {
    pub fn new(stream: S, longest: usize) -> Self {
        let stream = stream.take(u64::MAX);
        Escaped { stream, longest, state: State::Head, raw: Vec::new(), scanned: 0, ready: Vec::new(), given: 0 }
    }

    /// Gives out what is ready; whether there was anything.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let rest = self.ready.get(self.given..).unwrap_or_default();
        let part = rest.get(..buf.remaining()).unwrap_or(rest);
        if part.is_empty() {
            return false;
        }
        buf.put_slice(part);
        self.given += part.len();
        if self.given == self.ready.len() {
            self.ready.clear();
            self.given = 0;
        }
        true
    }

    /// Makes the first `n` bytes that have come ready as they are.
    fn pass(&mut self, n: usize) {
        self.ready.extend(self.raw.drain(..n.min(self.raw.len())));
        self.scanned = 0;
    }

    /// Takes a head off what has come, if there is one whole.
    fn take_head(&mut self) -> bool {
        let Some(end) = head_end(&self.raw, self.scanned) else {
            self.scanned = self.raw.len().saturating_sub(3);
            return false;
        };
        let head: Vec<u8> = self.raw.drain(..end).collect();
        self.scanned = 0;
        self.state = body_of(&head).map_or(State::LeftAlone, State::Body);
        match self.state {
            State::LeftAlone => self.ready.extend(head),
            _ => escape(&head, &mut self.ready),
        }
        true
    }

    /// Reads more of a head.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut chunk = [0; CHUNK];
        let mut buf = ReadBuf::new(&mut chunk);
        self.stream.set_limit(u64::MAX);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
        self.raw.extend_from_slice(buf.filled());
        // What ends in the middle, and what is too long, the parser judges.
        if buf.filled().is_empty() || (self.raw.len() > self.longest && head_end(&self.raw, 0).is_none()) {
            self.state = State::LeftAlone;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Escaped<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if self.give(buf) {
                return Poll::Ready(Ok(()));
            }
            match self.state {
                State::Body(0) => self.state = State::Head,
                State::Body(left) if !self.raw.is_empty() => {
                    let n = self.raw.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.pass(n);
                    self.state = State::Body(left - n as u64);
                }
                State::Body(left) => {
                    self.stream.set_limit(left);
                    ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
                    self.state = State::Body(self.stream.limit());
                    return Poll::Ready(Ok(()));
                }
                State::LeftAlone if !self.raw.is_empty() => self.pass(usize::MAX),
                State::LeftAlone => {
                    self.stream.set_limit(u64::MAX);
                    return Pin::new(&mut self.stream).poll_read(cx, buf);
                }
                State::Head => {
                    if !self.take_head() {
                        ready!(self.poll_more(cx))?;
                    }
                }
            }
        }
    }
}

/// Where the first head ends: after an empty line. None ends before `from`.
fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let ends = rest.iter().enumerate().filter(|(_, b)| **b == b'\n').find_map(|(i, _)| match rest.get(i + 1..)? {
        [b'\n', ..] => Some(i + 2),
        [b'\r', b'\n', ..] => Some(i + 3),
        _ => None,
    });
    ends.map(|end| from + end)
}

/// How long the body is that follows a head of HTTP/1; `None` when that is not plain.
fn body_of(head: &[u8]) -> Option<u64> {
    let mut lines = head.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (method, _, version) = parts(lines.next()?)?;
    if !version.starts_with(b"HTTP/1.") || method.is_empty() || method == b"CONNECT" {
        return None;
    }
    let mut length = None;
    for line in lines.take_while(|line| !line.is_empty()) {
        let colon = line.iter().position(|b| *b == b':')?;
        let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
        if !name.iter().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("transfer-encoding") || is("upgrade") || (is("content-length") && length.is_some()) {
            return None;
        }
        if is("content-length") {
            let value = std::str::from_utf8(value.trim_ascii()).ok()?;
            length = Some(value.parse().ok().filter(|_| value.bytes().all(|b| b.is_ascii_digit()))?);
        }
    }
    Some(length.unwrap_or(0))
}

/// Method, target and version.
fn parts(line: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (first, last) = (line.iter().position(|b| *b == b' ')?, line.iter().rposition(|b| *b == b' ')?);
    Some((line.get(..first)?, line.get(first + 1..last)?, line.get(last + 1..)?))
}

/// Whether the parser of targets may refuse a byte that Go takes. A `#` is part of the query there.
fn is_odd(b: u8) -> bool {
    matches!(b, b'"' | b'#' | b'<' | b'>' | b'`' | b'^' | b'{' | b'}' | b'|' | b'\\') || b >= 0x80
}

/// Appends a head with its target escaped.
fn escape(head: &[u8], out: &mut Vec<u8>) {
    let end = head.iter().position(|b| *b == b'\n').unwrap_or(head.len());
    let (line, rest) = head.split_at_checked(end).unwrap_or((head, &[]));
    let target = parts(line).map(|(_, target, _)| target).filter(|target| target.iter().any(|b| is_odd(*b)));
    let Some((target, (method, _, version))) = target.zip(parts(line)) else {
        out.extend_from_slice(head);
        return;
    };
    out.extend_from_slice(method);
    out.push(b' ');
    for b in target {
        match is_odd(*b) {
            true => out.extend_from_slice(format!("%{b:02X}").as_bytes()),
            false => out.push(*b),
        }
    }
    out.push(b' ');
    out.extend_from_slice(version);
    out.extend_from_slice(rest);
}

impl<S: AsyncWrite + AsyncRead + Unpin> AsyncWrite for Escaped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.stream.get_mut()).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.stream.get_mut()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Pieces {
        text: Vec<u8>,
        piece: usize,
    }

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let n = self.piece.min(self.text.len()).min(buf.remaining());
            buf.put_slice(&self.text.drain(..n).collect::<Vec<_>>());
            Poll::Ready(Ok(()))
        }
    }

    /// What comes out of a stream that comes in pieces of this size.
    fn escaped(text: &[u8], piece: usize) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let pieces = Pieces { text: text.to_vec(), piece: piece.max(1) };
            let mut out = Vec::new();
            Escaped::new(pieces, 1_000).read_to_end(&mut out).await.unwrap();
            out
        })
    }

    #[test]
    fn targets_are_escaped_and_nothing_else_is() {
        let get = "GET /api/v1/query?query=up{job=\"gpu\"}#<é> HTTP/1.1\r\nHost: \"x\"\r\n\r\n";
        let escaped_get =
            "GET /api/v1/query?query=up%7Bjob=%22gpu%22%7D%23%3C%C3%A9%3E HTTP/1.1\r\nHost: \"x\"\r\n\r\n";
        let post = "POST /\"a\" HTTP/1.1\nContent-Length: 25\n\nGET /\"b\" HTTP/1.1\r\n\r\nabcd";
        let escaped_post = "POST /%22a%22 HTTP/1.1\nContent-Length: 25\n\nGET /\"b\" HTTP/1.1\r\n\r\nabcd";
        let plain = "GET /x?a=%22 HTTP/1.0\r\n\r\n";
        let all = [get, post, plain, get].concat();
        let want = [escaped_get, escaped_post, plain, escaped_get].concat();
        for piece in [1, 2, 3, 7, 50, 10_000] {
            assert_eq!(String::from_utf8_lossy(&escaped(all.as_bytes(), piece)), want, "pieces of {piece}");
        }
    }

    #[test]
    fn a_message_whose_end_is_not_plain_is_left_alone_with_all_that_follows() {
        let get = "GET /\"x\" HTTP/1.1\r\n\r\n";
        for head in [
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\na",
            "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na",
            "POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\na",
            "POST / HTTP/1.1\r\nContent-Length : 1\r\n\r\na",
            "POST / HTTP/1.1\r\nX: a\r\n Content-Length: 1\r\n\r\na",
            "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
            "CONNECT x:1 HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "\r\n\r\n",
            "nonsense\r\n\r\n",
        ] {
            let all = [head, get].concat();
            assert_eq!(String::from_utf8_lossy(&escaped(all.as_bytes(), 5)), all);
        }
        let long = format!("GET /{}\" HTTP/1.1\r\n\r\n", "x".repeat(2_000));
        assert_eq!(String::from_utf8_lossy(&escaped(long.as_bytes(), 100)), long);
    }

    proptest! {
        #[test]
        fn what_has_nothing_to_escape_comes_through_as_it_is(
            parts in prop::collection::vec(prop_oneof![
                Just("GET / HTTP/1.1\r\n".to_owned()), Just("\r\n".to_owned()), Just("Content-Length: 3\r\n".to_owned()),
                "[a-z \r\n:]{0,9}",
            ], 0..12),
            piece in 1..20usize,
        ) {
            let text = parts.concat();
            prop_assert_eq!(escaped(text.as_bytes(), piece), text.as_bytes());
        }
    }
}
