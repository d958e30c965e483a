//! Bodies of answers: taken piece by piece, decompressed on the way, and never longer than asked for.

use std::io::Write;

use flate2::write::MultiGzDecoder;
use reqwest::header::CONTENT_ENCODING;

use super::error::NetError;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection failed.
    #[error(transparent)]
    Net(#[from] NetError),
    /// It is longer than the limit, before or after decompression.
    #[error("body size limit exceeded")]
    TooLarge,
    /// It is not what its `Content-Encoding` says.
    #[error("gzip: {0}")]
    Gzip(std::io::Error),
}

/// Reads a body, decompressing it as it comes if its `Content-Encoding` is gzip. The limit in bytes holds for both
/// forms; what the sender says of its length counts for nothing.
pub async fn read_body(mut response: reqwest::Response, limit: u64) -> Result<Vec<u8>, BodyError> {
    let mut body = Unpacker::of(&response, limit);
    while let Some(chunk) = response.chunk().await.map_err(NetError::from)? {
        body.take(&chunk)?;
    }
    body.finish()?;
    Ok(std::mem::take(body.unpacked()))
}

/// Takes a body piece by piece.
pub struct Unpacker {
    limit: u64,
    received: u64,
    form: Form,
}

enum Form {
    Plain(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

impl Unpacker {
    /// For the body of an answer with these headers, and of so many bytes at most, as it comes and unpacked.
    pub fn of(response: &reqwest::Response, limit: u64) -> Self {
        Self::within(response, limit, limit)
    }

    /// For the body of an answer of so many bytes unpacked, and `received` as it comes.
    pub fn within(response: &reqwest::Response, limit: u64, received: u64) -> Self {
        let encoding = response.headers().get(CONTENT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or("");
        Unpacker { limit: received, ..Self::new(encoding.eq_ignore_ascii_case("gzip"), limit) }
    }

    /// For a body that is gzip, or plain.
    pub fn new(gzip: bool, limit: u64) -> Self {
        let out = Bounded { bytes: Vec::new(), total: 0, limit, full: false };
        let form = if gzip { Form::Gzip(Box::new(MultiGzDecoder::new(out))) } else { Form::Plain(out) };
        Unpacker { limit, received: 0, form }
    }

    /// Unpacks the next piece. A piece of gzip may become a thousand times its size.
    ///
    /// # Errors
    /// The body is too long, or not gzip.
    pub fn take(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        self.received = self.received.saturating_add(piece.len() as u64);
        if self.received > self.limit {
            return Err(BodyError::TooLarge);
        }
        match &mut self.form {
            Form::Plain(out) => out.write_all(piece).map_err(|_| BodyError::TooLarge),
            Form::Gzip(gz) => gz.write_all(piece).map_err(|e| why(gz.get_ref().full, e)),
        }
    }

    /// Unpacks what is left when all pieces are here.
    ///
    /// # Errors
    /// As [`Unpacker::take`]; also when the body ends too early.
    pub fn finish(&mut self) -> Result<(), BodyError> {
        match &mut self.form {
            Form::Plain(_) => Ok(()),
            Form::Gzip(gz) => gz.try_finish().map_err(|e| why(gz.get_ref().full, e)),
        }
    }

    /// What is unpacked and was not taken out.
    pub fn unpacked(&mut self) -> &mut Vec<u8> {
        match &mut self.form {
            Form::Plain(out) => &mut out.bytes,
            Form::Gzip(gz) => &mut gz.get_mut().bytes,
        }
    }

    /// How many bytes were unpacked.
    pub fn total(&self) -> u64 {
        match &self.form {
            Form::Plain(out) => out.total,
            Form::Gzip(gz) => gz.get_ref().total,
        }
    }
}

fn why(full: bool, error: std::io::Error) -> BodyError {
    if full { BodyError::TooLarge } else { BodyError::Gzip(error) }
}

/// Bytes up to a limit, which holds for all that were written, taken out or not.
struct Bounded {
    bytes: Vec<u8>,
    total: u64,
    limit: u64,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        let total = self.total.saturating_add(piece.len() as u64);
        if total > self.limit {
            self.full = true;
            return Err(std::io::ErrorKind::OutOfMemory.into());
        }
        self.total = total;
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unpacks what comes in pieces of seven bytes.
    fn gunzip(body: &[u8], limit: u64) -> Result<Vec<u8>, BodyError> {
        let mut unpacker = Unpacker::new(true, limit);
        body.chunks(7).try_for_each(|piece| unpacker.take(piece))?;
        unpacker.finish()?;
        assert_eq!(unpacker.total(), unpacker.unpacked().len() as u64);
        Ok(std::mem::take(unpacker.unpacked()))
    }

    #[test]
    fn a_body_may_not_grow_past_the_limit() {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(&[b'a'; 5000]).unwrap();
        let gz = writer.finish().unwrap();
        assert_eq!(gunzip(&gz, 5000).unwrap().len(), 5000);
        assert!(matches!(gunzip(&gz, 4999), Err(BodyError::TooLarge)));
        assert!(matches!(gunzip(b"plain, not compressed", 100), Err(BodyError::Gzip(_))));
        assert!(matches!(gunzip(&gz[..gz.len() - 9], 5000), Err(BodyError::Gzip(_))));
        // Several members are one body.
        let mut plain = Unpacker::new(false, 10);
        assert!(plain.take(b"0123456789").is_ok() && matches!(plain.take(b"x"), Err(BodyError::TooLarge)));
        assert_eq!(gunzip(&[&gz[..], &gz[..]].concat(), 10_000).unwrap().len(), 10_000);
    }

    #[test]
    fn what_was_taken_out_counts() {
        let mut plain = Unpacker::new(false, 10);
        plain.take(b"0123456").unwrap();
        plain.unpacked().clear();
        assert!(matches!(plain.take(b"789x"), Err(BodyError::TooLarge)));
        assert_eq!(plain.total(), 7);
    }
}
