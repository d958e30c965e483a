//! The envelope of Prometheus' answers: `{"status":"success","data":...,"warnings":[...],"infos":[...]}`.

use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::server::json::Json;

/// What goes with an answer's data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Warnings.
    pub warnings: Vec<String>,
    /// Infos.
    pub infos: Vec<String>,
}

/// The most annotations of a kind that an answer lists, as in Prometheus.
const MAX_NOTES: usize = 10;

impl Notes {
    /// Nothing to say.
    pub fn none() -> Self {
        Notes::default()
    }

    /// One warning.
    pub fn warning(text: &str) -> Self {
        Notes { warnings: vec![text.to_owned()], infos: Vec::new() }
    }
}

/// Writes an answer; `data` writes its data.
pub fn success(notes: &Notes, data: impl FnOnce(&mut Json)) -> String {
    let mut json = Json::new();
    json.object(|j| {
        j.key("status").string("success");
        j.key("data");
        data(j);
        for (name, texts, plural) in [("warnings", &notes.warnings, "warning"), ("infos", &notes.infos, "info")] {
            if texts.is_empty() {
                continue;
            }
            j.key(name).array(|j| {
                texts.iter().take(MAX_NOTES).for_each(|t| j.string(t));
                if let Some(more) = texts.len().checked_sub(MAX_NOTES).filter(|n| *n > 0) {
                    j.string(&format!("{more} more {plural} annotations omitted"));
                }
            });
        }
    });
    json.finish()
}

/// A JSON text as an answer.
pub fn respond(json: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}
