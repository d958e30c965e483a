//! What all pages have in common: templates, the frame around their content, the headers that keep foreign code out.

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Map, Value, json};
use tera::{Context, Tera};

use crate::server::app::App;

use super::{assets, zone};

/// Scripts, styles and requests are our own, forms go nowhere else, and nobody puts our pages into theirs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

macro_rules! templates {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("templates/", $name)))),*] };
}

static TEMPLATES: LazyLock<Result<Tera, String>> = LazyLock::new(|| {
    let mut tera = Tera::default();
    let pages = templates![
        "layout.html",
        "parts.html",
        "now.html",
        "alert.html",
        "query.html",
        "rules.html",
        "rule_test.html",
        "history.html",
        "notification.html",
        "routes.html",
        "receivers.html",
        "silences.html",
        "silence_form.html",
        "preview.html",
        "missing.html",
        "targets.html",
        "discovery.html",
        "status.html",
        "tsdb.html",
    ];
    tera.add_raw_templates(pages).map_err(|e| e.to_string())?;
    Ok(tera)
});

/// The menu, and what of it there is where Alertmanager's half of the service is alone.
const SECTIONS: [&str; 9] =
    ["alerts", "silences", "history", "query", "rules", "routes", "receivers", "targets", "status"];
const SECTIONS_ALONE: [&str; 6] = ["alerts", "silences", "history", "routes", "receivers", "status"];

tokio::task_local! {
    /// Whether Alertmanager's half of the service is alone.
    static ALONE: bool;
}

fn is_alone() -> bool {
    ALONE.try_with(|alone| *alone).unwrap_or(false)
}

/// A page: what stands around its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    /// Which entry of the menu it belongs to.
    pub section: &'static str,
    /// Its template.
    pub template: &'static str,
    /// The way from it to where the pages begin: nothing, or `../`. Links are relative, because whatever stands before us
    /// may have put a path in front.
    pub up: &'static str,
    /// Whether it changes while it is looked at.
    pub is_live: bool,
}

impl Page {
    /// A page at the top that is live.
    pub const fn new(section: &'static str, template: &'static str) -> Page {
        Page { section, template, up: "", is_live: true }
    }

    /// A page with this content, an object, at `now`.
    pub fn show(self, now: i64, content: Value) -> Response {
        match self.render(now, content) {
            Ok(html) => Html(html).into_response(),
            Err(e) => {
                tracing::error!(page = self.template, error = %e, "a page could not be rendered");
                (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be rendered\n").into_response()
            }
        }
    }

    /// In its place, that something is not there or was not done, and why.
    pub fn missing(self, now: i64, title: &str, why: &str) -> Response {
        let page = Page { template: "missing.html", is_live: false, ..self };
        let mut response = page.show(now, json!({ "title": title, "why": why }));
        if response.status() == StatusCode::OK {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        response
    }

    /// Its HTML.
    pub fn render(self, now: i64, content: Value) -> Result<String, String> {
        let assets: Map<String, Value> = assets::names()
            .map(|(key, name)| (key.to_owned(), Value::from(format!("{}assets/{name}", self.up))))
            .collect();
        let mut context = Context::from_value(content).map_err(|e| e.to_string())?;
        let sections: &[&str] = if is_alone() { &SECTIONS_ALONE } else { &SECTIONS };
        let frame = json!({
            "section": self.section, "sections": sections, "up": self.up, "is_live": self.is_live, "assets": assets,
        });
        context.insert("frame", &frame);
        context.insert("up", self.up);
        context.insert("clock", &zone::clock(now));
        let tera = TEMPLATES.as_ref().map_err(Clone::clone)?;
        tera.render(self.template, &context).map_err(|e| format!("{e:?}"))
    }
}

/// Makes an answer on a thread that may take its time: there may be many alerts.
pub(super) async fn unhurried(make: impl FnOnce() -> Response + Send + 'static) -> Response {
    let alone = is_alone();
    match tokio::task::spawn_blocking(move || ALONE.sync_scope(alone, make)).await {
        Ok(response) => response,
        Err(e) => {
            tracing::error!(error = %e, "a page could not be made");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made\n").into_response()
        }
    }
}

/// Sets the headers of everything that people look at, and what the menu has.
pub(super) async fn secure(State(app): State<Arc<App>>, request: axum::extract::Request, next: Next) -> Response {
    let mut response = ALONE.scope(app.service.alertmanager_alone, next.run(request)).await;
    let set = |headers: &mut HeaderMap, name, value| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    let headers = response.headers_mut();
    set(headers, header::CONTENT_SECURITY_POLICY, POLICY);
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::REFERRER_POLICY, "same-origin");
    // What a page shows is true when it is asked for, and may be secret.
    set(headers, header::CACHE_CONTROL, "no-store");
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_compile() {
        TEMPLATES.as_ref().unwrap();
    }
}
