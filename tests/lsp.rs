//! `watchbell lsp`, by a client over standard input and output.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Json, json};
use watchbell::clock::{Clock as _, SystemClock};
use watchbell::ingest::remote_write::{Protocol, encode};
use watchbell::ingest::store::SampleRow;
use watchbell::model::{self, Labels};

use crate::support::peers;
use crate::support::service::Home;

/// A client and its server.
struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    last_id: i64,
    /// What came while something else was waited for.
    passed: Vec<Json>,
}

impl Client {
    fn start(arguments: &[&str]) -> Client {
        let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
        command.arg("lsp").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Client { child, input, output, last_id: 0, passed: Vec::new() }
    }

    /// One that has opened a folder, whose files are read.
    fn of(folder: &Path, arguments: &[&str]) -> Client {
        Client::able(folder, arguments, json!({})).0
    }

    /// The same of a client that can do something, and what the server can do.
    fn able(folder: &Path, arguments: &[&str], capabilities: Json) -> (Client, Json) {
        let mut client = Client::start(arguments);
        let params = json!({"processId": null, "rootUri": uri(folder), "capabilities": capabilities});
        let told = client.ask("initialize", params);
        assert_eq!(told["result"]["serverInfo"]["name"], "watchbell", "{told}");
        client.tell("initialized", json!({}));
        client.wait_for(|m| m["params"]["message"].as_str().is_some_and(|text| text.contains("files of the project")));
        (client, told["result"]["capabilities"].clone())
    }

    fn send_raw(&mut self, raw: &[u8]) {
        self.input.write_all(raw).unwrap();
        self.input.flush().unwrap();
    }

    fn send(&mut self, message: &Json) {
        let text = message.to_string();
        self.send_raw(format!("Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
    }

    fn tell(&mut self, method: &str, params: Json) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Sends a request and gives its answer.
    fn ask(&mut self, method: &str, params: Json) -> Json {
        let id = self.begin(method, params);
        self.answer_to(id)
    }

    /// Sends a request.
    fn begin(&mut self, method: &str, params: Json) -> i64 {
        self.last_id += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}));
        self.last_id
    }

    fn answer_to(&mut self, id: i64) -> Json {
        self.wait_for(|message| message["method"].is_null() && message["id"] == id)
    }

    /// The first such message of those that were passed by and those that come.
    fn wait_for(&mut self, wanted: impl Fn(&Json) -> bool) -> Json {
        if let Some(i) = self.passed.iter().position(&wanted) {
            return self.passed.remove(i);
        }
        loop {
            let told = self.receive();
            if wanted(&told) {
                return told;
            }
            self.passed.push(told);
        }
    }

    fn receive(&mut self) -> Json {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the server is gone");
            match line.trim_end().split_once(": ") {
                Some((_, value)) => length = value.parse().unwrap(),
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    /// Opens a document, and gives what is wrong with it: line, column and the first line of the message of each.
    fn open(&mut self, path: &Path, text: &str) -> Vec<String> {
        let document = json!({"uri": uri(path), "languageId": "yaml", "version": 1, "text": text});
        self.tell("textDocument/didOpen", json!({"textDocument": document}));
        self.diagnostics(path)
    }

    fn change(&mut self, path: &Path, text: &str) -> Vec<String> {
        let params = json!({"textDocument": {"uri": uri(path), "version": 2}, "contentChanges": [{"text": text}]});
        self.tell("textDocument/didChange", params);
        self.diagnostics(path)
    }

    fn diagnostics(&mut self, path: &Path) -> Vec<String> {
        let told = self.wait_for(|message| message["method"] == "textDocument/publishDiagnostics");
        assert_eq!(told["params"]["uri"], uri(path));
        let one = |d: &Json| {
            let (start, message) = (&d["range"]["start"], d["message"].as_str().unwrap());
            let code = d["code"].as_str().unwrap_or("-");
            format!("{}:{} {code} {}", start["line"], start["character"], message.lines().next().unwrap())
        };
        told["params"]["diagnostics"].as_array().unwrap().iter().map(one).collect()
    }

    /// What the server says of a notification that it could not take.
    fn complaint(&mut self) -> String {
        let told = self.wait_for(|message| message["method"] == "window/logMessage" && message["params"]["type"] == 1);
        told["params"]["message"].as_str().unwrap().to_owned()
    }

    /// Asks about the place of `§` in a text that is shown without it.
    fn ask_at(&mut self, method: &str, path: &Path, marked: &str) -> Json {
        self.change(path, &marked.replace('§', ""));
        let told = self.ask(method, place(path, marked));
        assert!(told["error"].is_null(), "{told}");
        told["result"].clone()
    }

    fn completions(&mut self, path: &Path, marked: &str) -> Vec<String> {
        let told = self.ask_at("textDocument/completion", path, marked);
        told["items"].as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect()
    }

    /// Where what is named at `§` is defined: file, line and column.
    fn places(&mut self, path: &Path, marked: &str) -> Vec<String> {
        let told = self.ask_at("textDocument/definition", path, marked);
        let one = |l: &Json| {
            let (file, start) = (l["uri"].as_str().unwrap().rsplit('/').next().unwrap(), &l["range"]["start"]);
            format!("{file} {}:{}", start["line"], start["character"])
        };
        told.as_array().unwrap().iter().map(one).collect()
    }

    /// What a word is.
    fn hover(&mut self, path: &Path, marked: &str) -> String {
        let told = self.ask_at("textDocument/hover", path, marked);
        told["contents"]["value"].as_str().unwrap_or("-").to_owned()
    }

    /// Ends its input, and gives the exit code.
    fn hang_up(self) -> i32 {
        let Client { mut child, input, .. } = self;
        drop(input);
        child.wait().unwrap().code().unwrap()
    }

    /// Ends it as the protocol says, and gives the exit code.
    fn end(mut self) -> i32 {
        assert_eq!(self.ask("shutdown", Json::Null)["result"], Json::Null);
        self.tell("exit", Json::Null);
        self.child.wait().unwrap().code().unwrap()
    }
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// The place of `§` in a text that is shown without it.
fn place(path: &Path, marked: &str) -> Json {
    let before = &marked[..marked.find('§').unwrap()];
    let (line, last) = (before.matches('\n').count(), before.rsplit('\n').next().unwrap());
    let position = json!({"line": line, "character": last.encode_utf16().count()});
    json!({"textDocument": {"uri": uri(path)}, "position": position})
}

fn code(told: &Json) -> i64 {
    told["error"]["code"].as_i64().unwrap_or_else(|| panic!("{told}"))
}

const RECORDS: &str = "groups:
  - name: g
    rules:
      - record: job:errors:rate5m
        expr: sum by (job) (rate(errors_total{code=\"500\"}[5m]))
";
const ALERT: &str = "groups:
  - name: g
    rules:
      - alert: A
        expr: EXPR
";

fn alert(expr: &str) -> String {
    ALERT.replace("EXPR", expr)
}

fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("records.yml", RECORDS),
        ("am.yml", "route: {receiver: ops}\nreceivers:\n  - name: ops\n  - name: café\n"),
        ("texts.tmpl", "{{ define \"head\" }}x{{ end }}\n  {{- define \"foot\" -}}y{{ end }}\n"),
        (".watchbell-lint.yaml", "checks: {promql/regexp: off}\n"),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

#[test]
fn defects_and_findings_are_told_as_the_text_changes() {
    let dir = project();
    let mut client = Client::of(dir.path(), &[]);
    let path = dir.path().join("a.yml");
    assert_eq!(client.open(&path, &alert("up == 0")), [""; 0]);
    assert_eq!(
        client.change(&path, &alert("up ==")),
        ["4:19 - group \"g\", rule 1, \"A\": could not parse expression: 1:6: parse error: unexpected end of input"]
    );
    assert_eq!(
        client.change(&path, &alert("up{a=\"é𝔸\"} + rate(node_load1[5m]) > 1")),
        ["4:28 promql/rate-on-gauge rate() of node_load1, which is a gauge"]
    );
    // The project's settings hold, and comments do.
    assert_eq!(client.change(&path, &alert("up{job=~\"a\"} == 0")), [""; 0]);
    let silenced = alert("rate(node_load1[5m]) > 1 # watchbell disable promql/rate-on-gauge");
    assert_eq!(client.change(&path, &silenced), [""; 0]);
    assert_eq!(client.change(&path, "groups: [\n").len(), 1);
    let routes = dir.path().join("am.yml");
    let told = client.open(&routes, "route: {receiver: nosuch}\nreceivers: [{name: ops}]\n");
    assert!(told.len() == 1 && told[0].contains("nosuch"), "{told:?}");
    client.tell("textDocument/didClose", json!({"textDocument": {"uri": uri(&routes)}}));
    assert_eq!(client.diagnostics(&routes), [""; 0]);
    assert_eq!(client.end(), 0);
}

#[test]
fn words_are_completed_told_and_found() {
    let dir = project();
    let mut client = Client::of(dir.path(), &[]);
    let path = dir.path().join("a.yml");
    client.open(&path, &alert("up"));
    let offered = client.completions(&path, &alert("ra§"));
    for name in ["rate", "sum", "job:errors:rate5m", "errors_total"] {
        assert!(offered.iter().any(|label| label == name), "{name}: {offered:?}");
    }
    assert_eq!(client.completions(&path, &alert("errors_total{c§")), ["code", "job"]);
    assert_eq!(client.completions(&path, &alert("sum by (§")), ["code", "job"]);
    assert_eq!(client.completions(&path, &alert("errors_total{code=\"5§")), [""; 0]);

    let hover = |client: &mut Client, expr: &str| client.hover(&path, &alert(expr));
    let rate = hover(&mut client, "sum(ra§te(errors_total[5m])) > 1");
    assert!(rate.starts_with("`rate(matrix) vector`\n\nHow much a counter grows a second"), "{rate}");
    assert!(hover(&mut client, "su§m(up) > 1").starts_with("`sum`: aggregation"));
    let recorded = hover(&mut client, "job:err§ors:rate5m > 1");
    assert!(recorded.contains("recorded by records.yml, line 4:\n\n```promql\nsum by (job)"), "{recorded}");
    assert!(hover(&mut client, "errors_tot§al > 1").contains("a counter, by its name"));
    assert_eq!(hover(&mut client, "errors_total > 1§2"), "-");
    assert_eq!(hover(&mut client, "up{errors_tot§al=\"a\"} > 1"), "-");

    assert_eq!(client.places(&path, &alert("job:err§ors:rate5m > 1")), ["records.yml 3:16"]);
    assert_eq!(client.places(&path, &alert("u§p > 1")), [""; 0]);
    let routes = dir.path().join("am.yml");
    client.open(&routes, "route: {receiver: ops}\nreceivers: [{name: ops}]\n");
    let text = "route:\n  receiver: ops\n  routes: [{receiver: 'caf§é', matchers: [a=b]}]\nreceivers:\n  - name: ops\n  - name: café\n";
    assert_eq!(client.places(&routes, text), ["am.yml 5:10"]);
    let text = "route: {receiver: §}\nreceivers:\n  - name: ops\n  - name: a#b\n";
    let told = client.ask_at("textDocument/completion", &routes, text);
    let texts: Vec<&Json> = told["items"].as_array().unwrap().iter().map(|i| &i["textEdit"]["newText"]).collect();
    assert_eq!(texts, ["\"a#b\"", "ops"]);
    let text = "route: {receiver: ops}\nreceivers:\n  - name: ops\n    slack_configs: [{text: '{{ template \"fo§ot\" . }}'}]\n";
    assert_eq!(client.places(&routes, text), ["texts.tmpl 1:14"]);
    assert_eq!(client.end(), 0);
}

#[test]
fn rule_files_are_laid_out() {
    let dir = project();
    let mut client = Client::of(dir.path(), &[]);
    let path = dir.path().join("a.yml");
    client.open(&path, &alert("sum(up)by(job)>1"));
    let options = json!({"tabSize": 2, "insertSpaces": true});
    let asked = json!({"textDocument": {"uri": uri(&path)}, "options": options});
    let told = client.ask("textDocument/formatting", asked.clone());
    assert_eq!(told["result"][0]["newText"], alert("sum by (job) (up) > 1"), "{told}");
    client.change(&path, &alert("sum by (job) (up) > 1"));
    assert_eq!(client.ask("textDocument/formatting", asked)["result"], json!([]));
    assert_eq!(client.end(), 0);
}

#[test]
fn a_metrics_values_are_told_where_a_server_is_named() {
    let home = Home::new(&[("watchbell.yaml", "global: {}\n")]);
    let server = home.start();
    let row = |labels: [(&str, &str); 2], value: f64| SampleRow {
        labels: Labels::from_pairs(labels),
        series: None,
        t: SystemClock.now() - 1_000,
        st: 0,
        value: model::Value::Float(value),
    };
    let errors = |job: &'static str, value: f64| row([("__name__", "errors_total"), ("job", job)], value);
    let new = row([("__name__", "new_total"), ("zone", "a")], 1.0);
    let body = encode(Protocol::V1, &[errors("a", 1.0), errors("b", 2.5), new]);
    let (status, text) = peers::post(server.0.port, "/api/v1/write", "application/x-protobuf", &body).unwrap();
    assert_eq!(status, 204, "{text}");
    let dir = project();
    let path = dir.path().join("a.yml");
    for (url, wanted) in [
        (
            format!("http://127.0.0.1:{}", server.0.port),
            "now 2 series, the largest:\n\n```\n{__name__=\"errors_total\", job=\"b\"} 2.5",
        ),
        ("http://127.0.0.1:1".to_owned(), "its values cannot be had: "),
    ] {
        let mut client = Client::of(dir.path(), &["--url", &url]);
        client.open(&path, &alert("up"));
        let told = client.hover(&path, &alert("errors_tot§al > 1"));
        assert!(told.contains(wanted), "{told}");
        assert_eq!(client.end(), 0);
    }
    // Names that no rule has yet are the server's: they come when they come.
    let mut client = Client::of(dir.path(), &["--url", &format!("http://127.0.0.1:{}", server.0.port)]);
    client.open(&path, &alert("up"));
    while !client.completions(&path, &alert("ne§")).contains(&"new_total".to_owned()) {}
    assert!(client.completions(&path, &alert("up{§")).contains(&"zone".to_owned()));
    assert!(client.hover(&path, &alert("new_t§otal > 1")).contains("now 1 series:"));
    assert_eq!(client.end(), 0);
}

#[test]
fn what_is_malformed_is_answered_by_an_error_and_the_session_goes_on() {
    let dir = project();
    let mut client = Client::start(&[]);
    assert_eq!(code(&client.ask("textDocument/hover", json!({}))), -32002);
    assert_eq!(code(&client.ask("initialize", json!({"capabilities": 1}))), -32602);
    drop(client);
    let mut client = Client::of(dir.path(), &[]);
    for (raw, wanted) in [
        ("Content-Length: 3\r\n\r\n{x}".to_owned(), -32700),
        ("Content-Length: 2\r\n\r\n[]".to_owned(), -32600),
        ("Content-Length: many\r\n\r\n".to_owned(), -32700),
        ("\r\n".to_owned(), -32700),
        (format!("Content-Length: {}\r\n\r\n{}", 17 << 20, " ".repeat(17 << 20)), -32600),
    ] {
        client.send_raw(raw.as_bytes());
        let told = client.receive();
        assert_eq!((&told["id"], code(&told)), (&Json::Null, wanted));
    }
    let nowhere = json!({"textDocument": {"uri": "file:///nosuch.yml"}, "position": {"line": 0, "character": 0}});
    assert_eq!(code(&client.ask("textDocument/hover", nowhere.clone())), -32602);
    assert_eq!(code(&client.ask("textDocument/hover", json!({"textDocument": 1}))), -32602);
    assert_eq!(code(&client.ask("textDocument/rename", nowhere)), -32601);
    assert_eq!(code(&client.ask("initialize", json!({"capabilities": {}}))), -32600);
    client.tell("textDocument/didChange", json!({"textDocument": 1}));
    assert!(client.complaint().starts_with("textDocument/didChange: invalid type"));
    // What has an id is answered, though the id is none of the protocol's.
    client.send(&json!({"jsonrpc": "2.0", "id": 99_999_999_999_u64, "method": "shutdown"}));
    let told = client.receive();
    assert_eq!((&told["id"], code(&told)), (&json!(99_999_999_999_u64), -32600));
    // A document that is changed before it is open, in a part, or closed twice.
    let path = dir.path().join("a.yml");
    let document = json!({"uri": uri(&path), "version": 2});
    let whole = json!({"textDocument": document, "contentChanges": [{"text": "x"}]});
    let start = json!({"line": 0, "character": 0});
    let part = json!({"range": {"start": start, "end": start}, "text": "x"});
    client.tell("textDocument/didChange", whole);
    assert_eq!(client.complaint(), format!("textDocument/didChange: {} is not open", uri(&path)));
    client.open(&path, &alert("up"));
    client.tell("textDocument/didChange", json!({"textDocument": document, "contentChanges": [part]}));
    assert_eq!(client.complaint(), "textDocument/didChange: expected the whole text, found a range of it");
    client.tell("textDocument/didClose", json!({"textDocument": document}));
    assert_eq!(client.diagnostics(&path), [""; 0]);
    client.tell("textDocument/didClose", json!({"textDocument": document}));
    assert_eq!(client.complaint(), format!("textDocument/didClose: {} is not open", uri(&path)));
    // A place beyond the text is its end.
    client.open(&path, &alert("up"));
    let beyond = json!({"textDocument": {"uri": uri(&path)}, "position": {"line": 99, "character": 4_000_000_000_u32}});
    assert!(client.ask("textDocument/hover", beyond)["error"].is_null());
    assert_eq!(client.end(), 0);
    let mut client = Client::of(dir.path(), &[]);
    client.ask("shutdown", Json::Null);
    assert_eq!(code(&client.ask("textDocument/hover", json!({}))), -32600);
    assert_eq!(client.hang_up(), 0);
    // A client that goes away without a word.
    let mut client = Client::of(dir.path(), &[]);
    client.tell("exit", Json::Null);
    assert_eq!(client.child.wait().unwrap().code(), Some(1));
    assert_eq!(Client::of(dir.path(), &[]).hang_up(), 1);
}

#[test]
fn a_server_that_hangs_keeps_back_no_other_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let dir = project();
    let mut client = Client::of(dir.path(), &["--url", &url]);
    let path = dir.path().join("a.yml");
    let marked = alert("errors_tot§al > 1");
    client.open(&path, &marked.replace('§', ""));
    let asked: Vec<i64> = (0..3).map(|_| client.begin("textDocument/hover", place(&path, &marked))).collect();
    assert!(client.completions(&path, &alert("errors_total{c§")).contains(&"code".to_owned()));
    client.tell("$/cancelRequest", json!({"id": asked[0]}));
    assert_eq!(code(&client.answer_to(asked[0])), -32800);
    client.tell("$/cancelRequest", json!({"id": 12_345}));
    // What is told late of a text that is on the screen no more is of no use.
    drop(listener);
    assert_eq!(code(&client.answer_to(asked[1])), -32801);
    assert_eq!(code(&client.answer_to(asked[2])), -32801);
    assert_eq!(client.end(), 0);
}

#[test]
fn a_session_ends_though_answers_are_owed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let dir = project();
    let mut client = Client::of(dir.path(), &["--url", &url, "--stdio"]);
    let path = dir.path().join("a.yml");
    let marked = alert("errors_tot§al > 1");
    client.open(&path, &marked.replace('§', ""));
    let asked: Vec<i64> = (0..20).map(|_| client.begin("textDocument/hover", place(&path, &marked))).collect();
    // More do not wait: they are told without values.
    let told = client.answer_to(asked[19])["result"]["contents"]["value"].to_string();
    assert!(told.contains("a counter, by its name"), "{told}");
    let end = client.begin("shutdown", Json::Null);
    assert_eq!(code(&client.answer_to(asked[0])), -32800);
    assert_eq!(client.answer_to(end)["result"], Json::Null);
    client.tell("exit", Json::Null);
    assert_eq!(client.child.wait().unwrap().code(), Some(0));
}

#[test]
fn columns_are_bytes_where_the_client_can_count_them() {
    let dir = project();
    let text = alert("up{a=\"é𝔸\"} + rate(node_load1[5m]) > 1");
    for (offered, chosen, found) in [
        (json!({"general": {"positionEncodings": ["utf-16", "utf-8"]}}), "utf-8", "4:31 promql"),
        (json!({"general": {"positionEncodings": ["utf-32", "utf-16"]}}), "utf-16", "4:28 promql"),
    ] {
        let (mut client, can) = Client::able(dir.path(), &[], offered);
        assert_eq!(can["positionEncoding"], chosen);
        let told = client.open(&dir.path().join("a.yml"), &text);
        assert!(told.len() == 1 && told[0].starts_with(found), "{told:?}");
        assert_eq!(client.end(), 0);
    }
}

#[test]
fn files_that_change_beside_the_editor_are_read_again() {
    let dir = project();
    let able = json!({"workspace": {"didChangeWatchedFiles": {"dynamicRegistration": true}}});
    let mut client = Client::able(dir.path(), &[], able).0;
    let asked = client.wait_for(|message| message["method"] == "client/registerCapability");
    assert_eq!(asked["params"]["registrations"][0]["method"], "workspace/didChangeWatchedFiles");
    client.send(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": null}));
    let path = dir.path().join("a.yml");
    client.open(&path, &alert("up"));
    let records = dir.path().join("records.yml");
    std::fs::write(&records, RECORDS.replace("job:errors:rate5m", "job:errors:rate1h")).unwrap();
    let changed = |client: &mut Client, path: &Path| {
        let changes = json!({"changes": [{"uri": uri(path), "type": 2}]});
        client.tell("workspace/didChangeWatchedFiles", changes);
    };
    changed(&mut client, &records);
    // It is read beside what is asked.
    while !client.completions(&path, &alert("jo§")).contains(&"job:errors:rate1h".to_owned()) {}
    assert!(!client.completions(&path, &alert("jo§")).contains(&"job:errors:rate5m".to_owned()));
    // Settings, too: what is open is looked at anew.
    let regexp = alert("up{job=~\"a\"} == 0");
    assert_eq!(client.change(&path, &regexp), [""; 0]);
    let settings = dir.path().join(".watchbell-lint.yaml");
    std::fs::write(&settings, "checks: {}\n").unwrap();
    changed(&mut client, &settings);
    let told = client.diagnostics(&path);
    assert!(told.len() == 1 && told[0].contains("promql/regexp"), "{told:?}");
    // A file elsewhere is known while it is open.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = elsewhere.path().join("b.yml");
    client.open(&other, &RECORDS.replace("job:", "elsewhere:"));
    let is_known =
        |client: &mut Client| client.completions(&path, &alert("el§")).contains(&"elsewhere:errors:rate5m".to_owned());
    assert!(is_known(&mut client));
    client.tell("textDocument/didClose", json!({"textDocument": {"uri": uri(&other)}}));
    client.diagnostics(&other);
    assert!(!is_known(&mut client));
    assert_eq!(client.end(), 0);
}

#[test]
fn objects_carry_receivers_and_templates() {
    let dir = project();
    let mut client = Client::of(dir.path(), &[]);
    let path = dir.path().join("secret.yml");
    let text = "apiVersion: v1\nkind: Secret\nstringData:\n  alertmanager.yaml: |\n    route:\n      receiver: pag§er\n    \
        receivers:\n      - name: pager\n        slack_configs: [{channel: a, api_url: 'http://a', text: '{{ template \"own\" . }}'}]\n  \
        own.tmpl: |\n    {{ define \"own\" }}x{{ end }}\n";
    client.open(&path, &text.replace('§', ""));
    assert_eq!(client.places(&path, text), ["secret.yml 7:14"]);
    let marked = text.replace('§', "").replace("\"own\" .", "\"o§wn\" .");
    assert_eq!(client.places(&path, &marked), ["secret.yml 10:15"]);
    assert!(client.completions(&path, text).contains(&"pager".to_owned()));
    assert_eq!(client.end(), 0);
}

#[test]
fn every_kind_of_file_is_looked_at() {
    let dir = project();
    let mut client = Client::of(dir.path(), &[]);
    for (name, text, wanted) in [
        ("prometheus.yml", "scrape_configs:\n  - job_name: a\n    scrape_intervall: 1m\n", "2:4 - "),
        ("web.yml", "tls_server_config:\n  cert_fil: a\n", "1:2 - "),
        ("tests.yml", "tests:\n  - interval: x\n", "1:14 - "),
        ("a.tmpl", "{{ define \"a\" }}\n{{ if }}{{ end }}{{ end }}\n", "1:0 - "),
    ] {
        let told = client.open(&dir.path().join(name), text);
        assert!(told.first().is_some_and(|first| first.starts_with(wanted)), "{name}: {told:?}");
    }
    assert_eq!(client.open(&dir.path().join("compose.yml"), "services: {}\n"), [""; 0]);
    assert_eq!(client.end(), 0);
}

#[test]
fn a_text_that_is_half_written_is_answered_at_every_character() {
    let dir = project();
    let mut client = Client::of(dir.path(), &[]);
    let path = dir.path().join("a.yml");
    let text = alert("'sum by (job) (errors_total{code=\"é\"}) > 1'\r\n\tx: {receiver: \"𝔸")
        .replace("- name: g", "- {name: g,");
    client.open(&path, "");
    for (end, _) in text.char_indices() {
        let written = &text[..end];
        let document = json!({"uri": uri(&path), "version": end});
        client.tell("textDocument/didChange", json!({"textDocument": document, "contentChanges": [{"text": written}]}));
        for method in ["completion", "hover", "definition"] {
            let told = client.ask(&format!("textDocument/{method}"), place(&path, &format!("{written}§")));
            assert!(told["error"].is_null(), "{written:?}: {told}");
        }
    }
    assert_eq!(client.end(), 0);
}
