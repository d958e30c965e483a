//! `watchbell alert`, `silence`, `route`, `template` and `config`: what amtool says, said by us.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::alertmanager_program::start;
use crate::support::peers::{self, wait_for};

const ROUTES: &str = "route:\n  receiver: default\n  group_by: [alertname]\n  routes:\n\
    \x20 - {receiver: x, matchers: [team=x, 'sev=~\"a|b\"'], continue: true, group_by: [team]}\n\
    \x20 - receiver: y\n    match: {a: b}\n    routes: [{receiver: z, match_re: {c: d.*}}]\n\
    receivers: [{name: default}, {name: x}, {name: y}, {name: z}]\n";

/// Exit code and standard output.
fn run(program: &Path, home: &Path, arguments: &[&str], stdin: &str) -> (i32, String, String) {
    let mut command = Command::new(program);
    command.current_dir(home).env("HOME", home).env("USER", "tester").args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const ADD_FOO: [&str; 7] =
    ["alert", "add", "foo", "team=x", "node=b c", "--annotation=summary=the sum", "--start=2026-01-02T03:04:05Z"];

/// A service with a file of routes, and a way to ask it by our command; `amtool` too where it is.
struct Desk {
    program: crate::alertmanager_program::Program,
    url: String,
}

impl Desk {
    fn open() -> Desk {
        let program = start(ROUTES, &["--web.listen-address=127.0.0.1:0"]);
        let port = program.port();
        wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
        Desk { program, url: format!("--alertmanager.url=http://127.0.0.1:{port}") }
    }

    fn home(&self) -> &Path {
        self.program.home.path()
    }

    fn ours(&self, arguments: &[&str], stdin: &str) -> (i32, String, String) {
        let all: Vec<&str> = arguments.iter().copied().chain([self.url.as_str()]).collect();
        run(Path::new(env!("CARGO_BIN_EXE_watchbell")), self.home(), &all, stdin)
    }

    fn good(&self, arguments: &[&str]) -> String {
        let (code, out, errors) = self.ours(arguments, "");
        assert_eq!(code, 0, "{arguments:?}: {errors}");
        out
    }
}

#[test]
fn alerts_and_silences_are_made_changed_ended_and_written_out() {
    let desk = Desk::open();
    desk.good(&ADD_FOO);
    desk.good(&["alert", "add", "alertname=bar", "--generator-url=http://g/", "--end=2126-01-02T03:04:05Z"]);
    let simple = desk.good(&["alert", "query"]);
    assert!(simple.contains("foo        2026-01-02 03:04:05 UTC  the sum  active  \n"), "{simple}");
    assert_eq!(desk.good(&["alert", "query", "team=y"]), "Alertname  Starts At  Summary  State  \n");

    let id =
        desk.good(&["silence", "add", "foo", "node=~b.*", "-c", "c m", "-a", "me", "-d", "2h", "--annotation=k=v"]);
    let id = id.trim();
    assert_eq!(desk.good(&["silence", "query", "-q", "foo"]), format!("{id}\n"));
    assert_eq!(desk.good(&["silence", "query", "-q", "--within=1h"]), "");
    assert_eq!(desk.good(&["silence", "query", "-q", "--created-by=you"]), "");
    assert!(!desk.good(&["alert", "query"]).contains("foo"), "it is silenced");
    assert!(desk.good(&["alert", "query", "--silenced"]).contains("foo"));
    let changed = desk.good(&["silence", "update", "-d", "3h", "-c", "longer", id]);
    assert!(changed.contains("longer") && changed.contains(id), "{changed}");
    let exported = desk.good(&["silence", "query", "-o", "json"]);
    assert!(exported.contains(r#""annotations":{"k":"v"}"#), "{exported}");
    desk.good(&["silence", "expire", id]);
    assert_eq!(desk.good(&["silence", "query", "-q"]), "");
    assert_eq!(desk.good(&["silence", "query", "-q", "--expired", "--within=1h"]), format!("{id}\n"));
    let (code, made, _) = desk.ours(&["silence", "import"], &exported);
    assert_eq!((code, made.trim().len()), (0, 36));
    assert_eq!(desk.good(&["silence", "query", "-q", "foo"]), made);
    assert!(desk.good(&["config", "show"]).contains("receiver: default"));

    for (arguments, said) in [
        (&["silence", "add", "foo"][..], "comment required by config"),
        (&["silence", "add", "-c", "x"][..], "no matchers specified"),
        (&["silence", "expire"][..], "no silence IDs specified"),
        (&["silence", "expire", "zz"][..], "HTTP status 422"),
        (&["silence", "update"][..], "no silence IDs specified"),
        (&["alert", "add", "a=~b"][..], "labels must be specified as key=value pairs"),
        (&["silence", "import", "nosuch"][..], "nosuch"),
    ] {
        let (code, _, errors) = desk.ours(arguments, "");
        assert!(code == 1 && errors.contains(said), "{arguments:?}: {errors}");
    }
}

#[test]
fn what_is_written_is_what_amtool_writes() {
    let Some(amtool) = peers::find("amtool") else { return };
    let desk = Desk::open();
    desk.good(&ADD_FOO);
    desk.good(&["alert", "add", "alertname=حرارة", "--generator-url=http://g/", "--end=2126-01-02T03:04:05Z"]);
    desk.good(&["silence", "add", "q", "env!=prod", "-c", "c m", "-a", "me", "-d", "2h"]);
    std::fs::write(desk.home().join("t.tmpl"), r#"{{ define "t" }}{{ .CommonLabels.commonlabelkey1 }} {{ range .Alerts }}{{ .Labels }} {{ .Annotations.aaa }} {{ .Status }};{{ end }}{{ end }}"#).unwrap();
    std::fs::write(
        desk.home().join("data.json"),
        r#"{"alerts":[{"labels":{"instance":"i1"}}],"commonLabels":{"commonlabelkey1":"Q"}}"#,
    )
    .unwrap();
    let file = "--config.file=alertmanager.yml";
    let text = r#"--template.text={{ template "t" . }}"#;
    for arguments in [
        &["alert", "query"][..],
        &["alert", "query", "-o", "extended", "team=x"],
        &["alert", "query", "-o", "json"],
        &["alert", "query", "nosuch"],
        &["alert", "query", "--receiver=x"],
        &["silence", "query"],
        &["silence", "query", "-o", "extended"],
        &["silence", "query", "-o", "json"],
        &["silence", "query", "-q"],
        &["silence", "query", "--expired"],
        &["config", "show"],
        &["route", "show"],
        &["route", "show", file],
        &["route", "test", "team=x", "sev=a"],
        &["route", "test", "--tree", "team=x", "sev=a"],
        &["route", "test", "--tree", "a=b", "c=d"],
        &["route", "test", file, "--verify.receivers=x", "team=x", "sev=a"],
        &["route", "test", file, "--verify.receivers=z", "team=x"],
        &["template", "render", "--template.glob=*.tmpl", text],
        &["template", "render", "--template.glob=*.tmpl", text, "--template.data=data.json"],
        &["template", "render", "--template.glob=*.tmpl", r#"--template.text={{ template "nosuch" . }}"#],
        &[
            "template",
            "render",
            "--template.glob=*.tmpl",
            "--template.type=html",
            "--template.text=<b>{{ .Status }} {{ .CommonLabels }}</b>",
        ],
    ] {
        let theirs: Vec<&str> = match arguments.split_first() {
            Some((&"route", rest)) => ["config", "routes"].into_iter().chain(rest.iter().copied()).collect(),
            _ => arguments.to_vec(),
        };
        let theirs: Vec<&str> = theirs.into_iter().chain([desk.url.as_str()]).collect();
        let (their_code, theirs, _) = run(&amtool, desk.home(), &theirs, "");
        let (code, ours, errors) = desk.ours(arguments, "");
        assert_eq!((code, ours), (their_code, theirs), "{arguments:?}: {errors}");
    }
}
