//! Addresses that pages link to: ours, and those that alerts bring along.

use url::{Url, form_urlencoded};

use crate::model::Labels;

/// An address that may be a link: of the web, and of nothing that a browser would run (`javascript:`, `data:`).
pub(super) fn safe(url: &str) -> Option<String> {
    let parsed = Url::parse(url.trim()).ok()?;
    (matches!(parsed.scheme(), "http" | "https") && parsed.has_host()).then(|| parsed.into())
}

/// A query string of these parameters, those without a value left out.
pub(super) fn query<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    out.extend_pairs(parameters.into_iter().filter(|(_, value)| !value.is_empty()));
    out.finish()
}

/// The query page with an expression.
pub(super) fn graph(expr: &str, tab: &str) -> String {
    format!("query?{}", query([("g0.expr", expr), ("g0.tab", tab), ("g0.range_input", "1h")]))
}

/// What matches exactly these labels, as people write it.
pub(super) fn equal_to(labels: &Labels) -> String {
    let mut out = String::new();
    for (name, value) in labels {
        out.push_str(if out.is_empty() { "" } else { ", " });
        push_name(&mut out, name);
        out.push('=');
        crate::model::labels::push_quoted(&mut out, value);
    }
    out
}

/// A label's name, in quotes where it would not be read without.
fn push_name(out: &mut String, name: &str) {
    match crate::model::labels::is_legacy_label_name(name) {
        true => out.push_str(name),
        false => crate::model::labels::push_quoted(out, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::alertmanager::matchers::parse_matchers;

    #[test]
    fn only_addresses_of_the_web_are_links() {
        for (url, want) in [
            ("https://runbooks.test/a?b=c", Some("https://runbooks.test/a?b=c")),
            (" http://a.test/\"><script>", Some("http://a.test/%22%3E%3Cscript%3E")),
            ("javascript:alert(1)", None),
            ("java\nscript:alert(1)", None),
            (" JAVASCRIPT:alert(1)", None),
            ("data:text/html,<script>alert(1)</script>", None),
            ("vbscript:x", None),
            ("/relative", None),
            ("//elsewhere.test", None),
            ("http:", None),
            ("", None),
        ] {
            assert_eq!(safe(url).as_deref(), want, "{url:?}");
        }
    }

    #[test]
    fn what_matches_labels_is_read_as_it_is_written() {
        let labels = Labels::from_pairs([("alertname", "A \"quoted\"\nline"), ("a.b", "c\\d"), ("k", "ساعة")]);
        let read = parse_matchers(&equal_to(&labels)).unwrap();
        assert_eq!(read.len(), 3);
        assert!(read.iter().all(|m| m.matches(labels.value(&m.name))), "{read:?}");
        assert_eq!(graph("up == 0 & \"x\"", "0"), "query?g0.expr=up+%3D%3D+0+%26+%22x%22&g0.tab=0&g0.range_input=1h");
    }
}
