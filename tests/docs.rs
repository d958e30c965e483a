//! The documents tell the truth: their files are written, their commands run, and their output is what they show.

use std::collections::BTreeMap;
use std::process::Command;

use crate::support::peers::wait_for;
use crate::support::service::Home;

/// A fenced block: what stands after its opening fence, and its text.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```").filter(|i| !i.is_empty()) {
            let body: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
            out.push((info.to_owned(), body.join("\n") + "\n"));
        }
    }
    out
}

/// Runs a console block: `$ watchbell ...`, the output, and `? N` for an exit code other than 0.
fn check_console(dir: &std::path::Path, text: &str) {
    let (command, shown) = text.split_once('\n').unwrap();
    let arguments = command.strip_prefix("$ watchbell ").unwrap_or_else(|| panic!("not our command: {command}"));
    let mut expected: Vec<&str> = shown.lines().collect();
    let code = match expected.last().and_then(|l| l.strip_prefix("? ")) {
        Some(code) => {
            expected.pop();
            code.parse().unwrap()
        }
        None => 0,
    };
    let ran = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(words(arguments))
        .current_dir(dir)
        .env_remove("GITHUB_ACTIONS")
        .env_remove("COLUMNS")
        .output()
        .unwrap();
    let got = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(got.lines().collect::<Vec<_>>(), expected, "{command}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(code), "{command}");
}

/// Words of a command, as a shell parts them at blanks outside of single quotes.
fn words(arguments: &str) -> Vec<String> {
    let (mut out, mut quoted) = (vec![String::new()], false);
    for c in arguments.chars() {
        match (c, quoted) {
            ('\'', _) => quoted = !quoted,
            (' ', false) => out.push(String::new()),
            (c, _) => out.last_mut().unwrap().push(c),
        }
    }
    out
}

/// Writes a document's files and runs its commands, of which there are so many.
fn check_document(name: &str, wanted: usize) {
    let text = std::fs::read_to_string(format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut commands = 0;
    for (info, body) in blocks(&text) {
        if let Some((_, name)) = info.split_once(" file=") {
            std::fs::write(dir.path().join(name), body).unwrap();
        } else if info == "console" {
            check_console(dir.path(), &body);
            commands += 1;
        }
    }
    assert_eq!(commands, wanted);
}

#[test]
fn the_tutorial_on_testing_rules_is_true() {
    check_document("testing.md", 7);
}

#[test]
fn the_page_on_objectives_is_true() {
    check_document("slo.md", 3);
}

#[test]
fn the_tutorial_on_queries_is_true() {
    check_document("query.md", 7);
}

#[test]
fn the_tutorial_on_backtests_is_true() {
    check_document("backtest.md", 3);
}

#[test]
fn completions_and_the_manual_page_are_made() {
    for (arguments, wanted) in [
        (vec!["completions", "bash"], "complete -F _watchbell"),
        (vec!["completions", "zsh"], "#compdef watchbell"),
        (vec!["completions", "fish"], "complete -c watchbell"),
        (vec!["man"], ".TH watchbell 1"),
        (vec!["man", "silence", "add"], ".TH watchbell-silence-add 1"),
    ] {
        let ran = Command::new(env!("CARGO_BIN_EXE_watchbell")).args(&arguments).output().unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        assert!(
            ran.status.success() && text.contains(wanted),
            "{arguments:?}: {}",
            text.chars().take(200).collect::<String>()
        );
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let dir = tempfile::tempdir().unwrap();
    let man = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_watchbell")).arg("man").args(arguments).output().unwrap().status.success()
    };
    let pages = dir.path().join("man1");
    assert!(man(&[&format!("--output-dir={}", pages.display())]));
    for command in ["", "-run", "-alertmanager", "-check-rules", "-test-rules", "-silence-expire", "-man"] {
        let page = std::fs::read_to_string(pages.join(format!("watchbell{command}.1"))).unwrap();
        assert!(page.contains(&format!(".TH watchbell{command} 1")) && page.contains(".SH SYNOPSIS"), "{command}");
    }
    assert!(!man(&["silence", "nosuch"]));
}

/// Every `watchbell ...` in a text: the words after the name, up to the end of the command.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in text.lines() {
        let starts = line.match_indices("watchbell ").map(|(at, _)| at);
        for at in starts {
            let before = line[..at].chars().next_back();
            let is_command = before.is_none_or(|c| matches!(c, ' ' | '`' | '/')) || line[..at].ends_with("$ ");
            let in_code = line.starts_with("    ")
                || line[..at].ends_with(['`', '/'])
                || line[..at].ends_with("$ ")
                || line[..at].ends_with("run: ")
                || line[..at].ends_with("- ");
            let in_address = line[..at].rsplit(' ').next().is_some_and(|word| word.contains("://"));
            if is_command && in_code && !in_address {
                let rest = line[at..].split(['`', '#', '|', ';']).next().unwrap_or("");
                found.push(rest.split_whitespace().skip(1).map(str::to_owned).collect());
            }
        }
    }
    found.retain(|words: &Vec<String>| words.first().is_some_and(|w| w.starts_with(|c: char| c.is_ascii_lowercase())));
    found
}

/// The help of a command that exists.
fn help(path: &[&str]) -> Option<String> {
    let ran = Command::new(env!("CARGO_BIN_EXE_watchbell")).arg("help").args(path).output().unwrap();
    ran.status.success().then(|| String::from_utf8(ran.stdout).unwrap())
}

#[test]
fn every_command_and_flag_that_a_document_names_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    for pattern in ["docs/*.md", "docs/*/*.md", "deploy/*/*"] {
        files.extend(
            glob::glob(root.join(pattern).to_str().unwrap()).unwrap().map(Result::unwrap).filter(|f| f.is_file()),
        );
    }
    let (mut seen, mut wrong) = (0, Vec::new());
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        for words in commands(&text) {
            seen += 1;
            let mut path: Vec<&str> = Vec::new();
            let mut known = help(&path).unwrap();
            // A word is a command while there are commands to choose from.
            for word in &words {
                let is_path = word.contains(['.', '/', '*']);
                if is_path || path.first() == Some(&"help") || !known.contains("\nCommands:") {
                    break;
                }
                path.push(word);
                match help(&path) {
                    Some(text) => known = text,
                    None => {
                        wrong.push(format!("{}: watchbell {}", file.display(), words.join(" ")));
                        break;
                    }
                }
            }
            for flag in words.iter().filter_map(|w| w.strip_prefix("--")) {
                let flag = flag.split('=').next().unwrap_or(flag);
                if !flag.is_empty() && !known.contains(&format!("--{flag}")) {
                    wrong.push(format!("{}: no --{flag} in watchbell {}", file.display(), words.join(" ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 20, "{seen}");
}

/// A document that code writes. `WATCHBELL_WRITE_DOCS=1` writes it anew.
pub fn check_generated(name: &str, wanted: &str) {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("WATCHBELL_WRITE_DOCS").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == wanted,
        "docs/{name} is not what the code says; WATCHBELL_WRITE_DOCS=1 cargo test docs:: writes it"
    );
}

#[test]
fn the_reference_of_the_configuration_is_what_the_code_reads() {
    check_generated("configuration.md", &watchbell::config::reference::markdown());
}

/// Does a little of everything, so that all of its rooms have counted something.
const BUSY: &str = "global: {scrape_interval: 1s, evaluation_interval: 1s}\n\
    scrape_configs: [{job_name: self, static_configs: [{targets: ['127.0.0.1:PORT']}]}]\n\
    rule_files: [r.yml]\nremote_write: [{url: 'http://127.0.0.1:1/write'}]\n\
    watchbell: {alertmanager_config: am.yml}\n";
const ROUTES: &str =
    "route: {receiver: r, group_wait: 0s}\nreceivers: [{name: r, webhook_configs: [{url: 'http://127.0.0.1:1/'}]}]\n";
const RULES: &str = "groups: [{name: g, rules: [{record: a:b, expr: up}, {alert: A, expr: 'vector(1)'}]}]\n";

#[test]
fn the_reference_of_metrics_is_what_a_service_exposes() {
    let home = Home::new(&[("r.yml", RULES), ("am.yml", ROUTES)]);
    home.write("watchbell.yaml", &BUSY.replace("PORT", &home.port().to_string()));
    let server = home.start();
    server.wait_for_evaluations(2);
    wait_for("an attempt to notify", || {
        let up = server.api("/api/v1/query?query=watchbell_notifications_total%20%3E%200");
        (!up["data"]["result"].as_array()?.is_empty()).then_some(())
    });
    let text = server.get("/metrics").1;
    let mut rows: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# ")) {
        let mut words = line.splitn(3, ' ');
        let (Some(what), Some(name), Some(said)) = (words.next(), words.next(), words.next()) else { continue };
        let row = rows.entry(name).or_default();
        *(if what == "TYPE" { &mut row.0 } else { &mut row.1 }) = said;
    }
    rows.retain(|name, _| name.starts_with("watchbell_"));
    assert!(rows.len() > 80, "{}", rows.len());
    let mut wanted = String::from(
        "# Metrics\n\nWhat `/metrics` has under names of our own, as a service says it (a test holds that). What means the same as a \
         metric of Prometheus or Alertmanager is there under their names too: [prometheus.md](prometheus.md#metrics).\n\n\
         | metric | type | |\n|---|---|---|\n",
    );
    for (name, (kind, help)) in rows {
        wanted += &format!("| `{name}` | {kind} | {} |\n", help.replace('|', "\\|"));
    }
    check_generated("metrics.md", &wanted);
}
