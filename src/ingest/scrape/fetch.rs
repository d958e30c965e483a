//! One scrape over HTTP: request, limits, format, and the body as it comes.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE};
use tokio::sync::SemaphorePermit;

use super::client::PoolClient;
use super::reading::Opening;
use super::settings;
use super::settings::{ScrapeSettings, accept_header};
use super::target::Target;
use crate::config::ScrapeProtocol;
use crate::ingest::admission::Admitted;
use crate::ingest::exposition::Format;
use crate::net::descriptors;
use crate::net::{NetError, Unpacker, redact_url};

/// Why a target gave nothing to read. The texts are Prometheus' where it has one.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("Get {url:?}: {source}")]
    Net { url: String, source: NetError },
    #[error("{0}")]
    Broken(NetError),
    #[error("{0}")]
    Impossible(String),
    #[error("the HTTP client cannot be built: {0}")]
    Client(NetError),
    #[error("too many open files: those that are left are kept for notifications and state")]
    Descriptors,
    #[error("server returned HTTP status {0}")]
    Status(reqwest::StatusCode),
    #[error(
        "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target"
    )]
    NoContentType,
    #[error("received unsupported Content-Type {0:?} and no fallback_scrape_protocol specified for target")]
    ContentType(String),
}

/// Bytes of a body that are handed on at once.
const PIECES: usize = 64 << 10;

/// An answer whose body is on its way.
pub(super) struct Answer {
    response: reqwest::Response,
    _place: SemaphorePermit<'static>,
}

/// Some of a body.
pub(super) struct Pieces {
    pub bytes: Vec<Bytes>,
    /// Whether the body ends with them.
    pub last: bool,
}

impl Answer {
    /// The next pieces of the body, as many as are worth the way to another thread.
    pub async fn pieces(&mut self) -> Result<Pieces, FetchError> {
        let (mut bytes, mut len) = (Vec::new(), 0usize);
        while len < PIECES {
            match self.response.chunk().await.map_err(|e| FetchError::Broken(NetError::from(e)))? {
                None => return Ok(Pieces { bytes, last: true }),
                Some(piece) => {
                    len = len.saturating_add(piece.len());
                    bytes.push(piece);
                }
            }
        }
        Ok(Pieces { bytes, last: false })
    }
}

/// Asks a target for its metrics. What its answer takes is `admitted`.
pub(super) async fn fetch(
    client: &PoolClient,
    settings: &ScrapeSettings,
    target: &Target,
    admitted: Admitted,
) -> Result<(Answer, Opening), FetchError> {
    if let Some(reason) = &target.impossible {
        return Err(FetchError::Impossible(reason.clone()));
    }
    let net = |source: NetError| FetchError::Net { url: redact_url(&target.url), source };
    let timeout = std::time::Duration::from_millis(target.timeout.unsigned_abs());
    // Descriptors are few: what is left when they are scarce is for pages.
    let place = tokio::time::timeout(timeout, descriptors::scrapes().acquire()).await;
    let place = place.ok().and_then(Result::ok).ok_or_else(|| net(NetError::Timeout))?;
    if descriptors::scarce() {
        return Err(FetchError::Descriptors);
    }
    let client = client.get().map_err(FetchError::Client)?;
    let mut request = client
        .request(Method::GET, &target.url)
        .map_err(net)?
        .timeout(timeout)
        .header(ACCEPT, accept_header(&settings.protocols, &settings.escaping))
        .header(ACCEPT_ENCODING, if settings.enable_compression { "gzip" } else { "identity" })
        .header("X-Prometheus-Scrape-Timeout-Seconds", (target.timeout as f64 / 1000.0).to_string());
    if descriptors::crowded() {
        request = request.header(CONNECTION, "close");
    }
    let response = client.send(request).await.map_err(net)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let format = format_of(&header(CONTENT_TYPE), settings.fallback_protocol)?;
    // As in Prometheus a body of just so many bytes is too long. How long it is on its way does not count.
    let limit = match settings.limits.body_size {
        0 => settings::MOST_BODY,
        limit => limit - 1,
    };
    let opening =
        Opening { format, body: Unpacker::within(&response, limit, settings::MOST_BODY.max(limit)), admitted };
    Ok((Answer { response, _place: place }, opening))
}

fn format_of(content_type: &str, fallback: Option<ScrapeProtocol>) -> Result<Format, FetchError> {
    match (Format::from_content_type(content_type), fallback) {
        (Some(format), _) => Ok(format),
        (None, Some(fallback)) => Ok(settings::format_of(fallback)),
        (None, None) if content_type.is_empty() => Err(FetchError::NoContentType),
        (None, None) => Err(FetchError::ContentType(content_type.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_format_needs_a_fallback() {
        let fallback = Some(ScrapeProtocol::PrometheusText004);
        assert!(matches!(format_of("text/html", fallback), Ok(Format::Text)));
        assert!(matches!(format_of("", None), Err(FetchError::NoContentType)));
        let error = format_of("text/html", None).err().unwrap();
        assert!(error.to_string().starts_with("received unsupported Content-Type \"text/html\""));
    }
}
