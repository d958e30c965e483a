//! Styles and scripts, as `ui/` builds them: embedded, served compressed under a name that says their content, and so kept
//! by browsers for ever.

use std::io::Write as _;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// A file of `ui/dist`.
struct Asset {
    /// What templates call it.
    key: &'static str,
    /// What it is asked for by: its name with its content's hash in it.
    name: String,
    kind: &'static str,
    plain: &'static [u8],
    packed: Bytes,
}

impl Asset {
    fn new(key: &'static str, extension: &str, kind: &'static str, plain: &'static [u8]) -> Self {
        let digest = Sha256::digest(plain);
        let hash: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to memory does not fail; if it did, the file would go out as it is.
        let packed = packer.write_all(plain).and_then(|()| packer.finish()).unwrap_or_default();
        Asset { key, name: format!("{key}.{hash}.{extension}"), kind, plain, packed: packed.into() }
    }
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let (css, js) = ("text/css; charset=utf-8", "text/javascript; charset=utf-8");
    let text = "text/plain; charset=utf-8";
    vec![
        Asset::new("pages", "css", css, include_bytes!("../../../ui/dist/pages.css")),
        Asset::new("live", "js", js, include_bytes!("../../../ui/dist/live.js")),
        Asset::new("silence", "js", js, include_bytes!("../../../ui/dist/silence.js")),
        Asset::new("query", "js", js, include_bytes!("../../../ui/dist/query.js")),
        Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../../../ui/icon.svg")),
        Asset::new("licenses", "txt", text, include_bytes!("../../../ui/dist/LICENSES.txt")),
        Asset::new("query_css", "css", css, include_bytes!("../../../ui/dist/query.css")),
    ]
});

/// The names under which the files are asked for, by what templates call them.
pub(super) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    ASSETS.iter().map(|asset| (asset.key, asset.name.as_str()))
}

/// `GET /assets/<name>`
pub(super) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "404 page not found\n").into_response();
    };
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or("");
    let takes_gzip = accepts.split(',').any(|coding| coding.split(';').next().is_some_and(|c| c.trim() == "gzip"));
    let is_packed = takes_gzip && !asset.packed.is_empty();
    let body = if is_packed { asset.packed.clone() } else { Bytes::from_static(asset.plain) };
    let mut response = ([(header::CONTENT_TYPE, asset.kind)], body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if is_packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
