//! The page of a test file, which rules link to.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::server::api::Params;
use crate::server::app::App;
use crate::server::rule_tests::RuleTests;

use super::frame::{Page, unhurried};
use super::links;

/// Most lines that are shown, and most files that a rule links to.
const MOST_LINES: usize = 20_000;
const MOST_LINKS: usize = 3;

const PAGE: Page = Page { is_live: false, ..Page::new("rules", "rule_test.html") };

/// `GET /rule-test`
pub(super) async fn page(State(app): State<Arc<App>>, params: Params) -> Response {
    unhurried(move || {
        let (now, file) = (app.engine.now(), params.get("file").unwrap_or(""));
        match app.config.load().tests.text(file) {
            Ok(text) => {
                let lines: Vec<&str> = text.lines().take(MOST_LINES).collect();
                let more = text.lines().count() - lines.len();
                PAGE.show(now, json!({ "file": file, "lines": lines, "more": more }))
            }
            Err(why) => PAGE.missing(now, "No such test", &why),
        }
    })
    .await
}

/// The way to the tests of a rule, for a template; nothing where the configuration names no test files.
pub(super) fn links(tests: &RuleTests, is_alert: bool, name: &str) -> Value {
    if !tests.are_named {
        return Value::Null;
    }
    let all: Vec<(&str, u32)> = tests.of(is_alert, name).collect();
    let link = |(file, line): &(&str, u32)| {
        let short = file.rsplit('/').next().unwrap_or(file);
        json!({ "name": format!("{short}:{line}"), "query": links::query([("file", *file)]), "line": line })
    };
    let shown: Vec<Value> = all.iter().take(MOST_LINKS).map(link).collect();
    json!({ "more": all.len() - shown.len(), "links": shown })
}
