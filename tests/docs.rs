//! The documents tell the truth: their files are written, their commands run, and their output is what they show.

use std::process::Command;

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
    check_document("testing.md", 3);
}

#[test]
fn the_tutorial_on_queries_is_true() {
    check_document("query.md", 7);
}

#[test]
fn completions_and_the_manual_page_are_made() {
    for (arguments, wanted) in [
        (vec!["completions", "bash"], "complete -F _watchbell"),
        (vec!["completions", "zsh"], "#compdef watchbell"),
        (vec!["completions", "fish"], "complete -c watchbell"),
        (vec!["man"], ".TH watchbell 1"),
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
