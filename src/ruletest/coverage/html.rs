//! Coverage as one HTML page that needs nothing else: the source of rules and templates, and under each line what of it was reached.

use std::fmt::Write as _;
use std::path::Path;

use crate::config::read_text;
use crate::template::escape;

use super::item::{Coverage, Item, Kind};
use super::report::{by_file, by_kind, share};

/// Colours by the reader's choice of dark or light; what is not reached has a sign, not only a colour.
const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --faint: #6a737d; --line: #d8dee4; --good: #1a6b35; --bad: #b3202a; --wash: #fff1f0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --faint: #8b949e; --line: #30363d; --good: #6fcf8d; --bad: #ff8a8f; --wash: #2b1517; } }
body { color: var(--ink); background: var(--paper); font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; } h2 small { color: var(--faint); font-weight: normal; }
.source { font: 13px/1.5 ui-monospace, monospace; border: 1px solid var(--line); border-radius: 6px; overflow-x: auto; padding: .5rem 0; }
.source div { white-space: pre; padding: 0 1rem 0 0; min-width: max-content; }
.source i { display: inline-block; width: 4ch; margin-right: 1.5ch; text-align: end; color: var(--faint); font-style: normal; user-select: none; }
.missed { background: var(--wash); }
ul { list-style: none; margin: 0; padding: 0 0 0 6ch; font: 13px/1.5 system-ui, sans-serif; } h2 + ul { padding: 0; }
.yes { color: var(--good); } .no { color: var(--bad); font-weight: 600; }
.yes::before { content: '\\2713\\00a0'; } .no::before { content: '\\2717\\00a0'; }
";

/// Coverage as a page.
pub fn html(coverage: &Coverage) -> String {
    let (reached, all) = coverage.count(None);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Coverage of rules</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Coverage of rules: {}</h1>\n<p>{reached} of {all} reached: {}</p>\n",
        share(coverage),
        by_kind(coverage),
    );
    for (file, items) in by_file(coverage) {
        let hit = items.iter().filter(|(_, reached)| *reached).count();
        let _ = writeln!(out, "<h2>{} <small>{hit} of {}</small></h2>", escape::html(file), items.len());
        let source = source(file, &items);
        push_source(&mut out, &source, &items);
        let lines = u32::try_from(source.lines().count()).unwrap_or(u32::MAX);
        push_items(&mut out, items.iter().filter(|(item, _)| item.line == 0 || item.line > lines), true);
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// The text of a file that is shown. Configurations of receivers hold secrets and are not; a file that is gone meanwhile
/// leaves its items.
fn source(file: &str, items: &[(&Item, bool)]) -> String {
    let is_of_routing = |kind: Kind| matches!(kind, Kind::Route | Kind::Receiver | Kind::Inhibition);
    if items.iter().any(|(item, _)| is_of_routing(item.kind)) {
        return String::new();
    }
    read_text(Path::new(file)).ok().filter(|text| !text.contains("kind: Secret")).unwrap_or_default()
}

fn push_source(out: &mut String, source: &str, items: &[(&Item, bool)]) {
    if source.is_empty() {
        return;
    }
    out.push_str("<div class=\"source\">\n");
    for (line, text) in (1u32..).zip(source.lines()) {
        let here = || items.iter().filter(|(item, _)| item.line == line);
        let class = if here().any(|(_, reached)| !reached) { " class=\"missed\"" } else { "" };
        let _ = writeln!(out, "<div{class}><i>{line}</i>{}</div>", escape::html(text));
        push_items(out, here(), false);
    }
    out.push_str("</div>\n");
}

fn push_items<'i>(out: &mut String, items: impl Iterator<Item = &'i (&'i Item, bool)>, with_line: bool) {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return;
    }
    out.push_str("<ul>");
    for (item, reached) in items {
        let class = if *reached { "yes" } else { "no" };
        let line = if with_line && item.line > 0 { format!("line {}: ", item.line) } else { String::new() };
        let _ = write!(out, "<li class=\"{class}\">{line}{}</li>", escape::html(&item.what));
    }
    out.push_str("</ul>\n");
}
