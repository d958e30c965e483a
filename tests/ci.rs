//! `deploy/ci` and the pre-commit hooks: their commands, run as they are written on a project in a git repository, against a
//! server with history and one that takes comments.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use parking_lot::Mutex;
use regex::Regex;
use serde_json::Value as Json;
use serde_yaml::Value;
use watchbell::clock::{Clock as _, SystemClock};
use watchbell::ingest::remote_write::{Protocol, encode};
use watchbell::ingest::store::SampleRow;
use watchbell::model::{self, Labels};

use crate::support::http::{Request, answer, serve};
use crate::support::peers;
use crate::support::service::{Home, Server};

const RULES: &str = "\
groups:
  - name: gpu
    rules:
      - alert: Hot
        expr: gpu_celsius > 85
        for: 5m
        labels:
          severity: page
        annotations:
          summary: GPU {{ $labels.gpu }} is hot
";
const TESTS: &str = "
rule_files: [../rules/gpu.yaml]
tests:
  - interval: 1m
    input_series: [{series: 'gpu_celsius{gpu=\"0\"}', values: 90x10}]
    alert_rule_test:
      - {eval_time: 4m, alertname: Hot, exp_alerts: []}
      - eval_time: 5m
        alertname: Hot
        exp_alerts: [{exp_labels: {gpu: 0, severity: page}, exp_annotations: {summary: GPU 0 is hot}}]
";
const ROUTES: &str = "\
route: {receiver: ops}
receivers:
  - name: ops
    webhook_configs: [{url: 'http://127.0.0.1:9/'}]
";

/// A project in a git repository, whose `origin/main` is as it stands; the branch is one commit ahead, with another `for`.
struct Project(tempfile::TempDir);

impl Project {
    fn new() -> Project {
        let project = Project(tempfile::tempdir().unwrap());
        project.write("rules/gpu.yaml", RULES);
        project.write("tests/gpu_test.yaml", TESTS);
        project.write("alertmanager.yml", ROUTES);
        project.git(&["init", "--quiet", "--initial-branch", "main"]);
        project.commit("as it was");
        project.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
        project
    }

    /// The branch says `for: 1m`, and its test agrees.
    fn changed() -> Project {
        let project = Project::new();
        project.write("rules/gpu.yaml", &RULES.replace("for: 5m", "for: 1m"));
        project.write("tests/gpu_test.yaml", &TESTS.replace("4m", "0m").replace("5m", "1m"));
        project.commit("sooner");
        project
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.path().join(path)).unwrap()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let who = ["-c", "user.name=me", "-c", "user.email=me@example.com", "-c", "commit.gpgsign=false"];
        let ran = Command::new("git").args(who).args(arguments).current_dir(self.0.path()).output().unwrap();
        assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
    }

    /// Runs a command as a runner does: by a shell, with the program on the path.
    fn run(&self, command: &str, variables: &[(&str, &str)]) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_watchbell")).parent().unwrap().to_owned();
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(program).chain(std::env::split_paths(&rest))).unwrap();
        let mut shell = Command::new("bash");
        shell.args(["-e", "-o", "pipefail", "-c", command]).current_dir(self.0.path()).env("PATH", path);
        shell.env("GITHUB_ACTIONS", "true").envs(variables.iter().copied()).output().unwrap()
    }

    fn succeeds(&self, command: &str, variables: &[(&str, &str)]) {
        let ran = self.run(command, variables);
        let told = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "{command}: {told:?}");
    }
}

fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The commands of the steps whose names are these.
fn github(names: &[&str]) -> Vec<String> {
    let action = read("deploy/ci/github-action.yml");
    let steps = action["jobs"]["rules"]["steps"].as_sequence().unwrap();
    let named = |name: &&str| steps.iter().find(|step| step["name"] == **name).unwrap_or_else(|| panic!("no {name}"));
    names.iter().map(|name| named(name)["run"].as_str().unwrap().to_owned()).collect()
}

fn gitlab(job: &str) -> Vec<String> {
    let script = &read("deploy/ci/gitlab-ci.yml")[job]["script"];
    script.as_sequence().unwrap().iter().map(|command| command.as_str().unwrap().to_owned()).collect()
}

/// What both do on every change.
fn every_change() -> [(&'static str, Vec<String>); 2] {
    [("github", github(&["Check rules, tests and routes", "Test the rules"])), ("gitlab", gitlab("alert-rules"))]
}

#[test]
fn both_jobs_pass_on_a_project_that_is_well() {
    for (who, commands) in every_change() {
        let project = Project::new();
        assert_eq!(commands.len(), 2, "{who}: {commands:?}");
        commands.iter().for_each(|command| project.succeeds(command, &[]));
        let report = project.read("rule-tests.xml");
        assert!(report.contains("<testsuite"), "{report}");
    }
}

#[test]
fn both_jobs_fail_at_a_rule_that_lost_its_test_and_at_one_that_is_broken() {
    for (who, commands) in every_change() {
        for (was, is, fails) in [("> 85", "> 95", [false, true]), ("> 85", "> ", [true, true])] {
            let project = Project::new();
            project.write("rules/gpu.yaml", &RULES.replace(was, is));
            let failed: Vec<bool> = commands.iter().map(|c| !project.run(c, &[]).status.success()).collect();
            assert_eq!(failed, fails, "{who}: {was} -> {is}");
        }
    }
}

/// A server with two hours of a GPU that is hot for three minutes of every half hour.
fn history() -> (Home, Server) {
    let home = Home::new(&[("watchbell.yaml", "global: {}\n")]);
    let server = home.start();
    let now = SystemClock.now() / 60_000 * 60_000;
    let row = |minute: i64| SampleRow {
        labels: Labels::from_pairs([("__name__", "gpu_celsius"), ("gpu", "0")]),
        series: None,
        t: now - (120 - minute) * 60_000,
        st: 0,
        value: model::Value::Float(if minute % 30 < 3 { 90.0 } else { 60.0 }),
    };
    let body = encode(Protocol::V1, &(0..120).map(row).collect::<Vec<_>>());
    let (status, text) = peers::post(server.0.port, "/api/v1/write", "application/x-protobuf", &body).unwrap();
    assert_eq!(status, 204, "{text}");
    (home, server)
}

/// A server that keeps what it was asked, and answers a question for comments with these, in which `SERVER` is its address.
fn comments(there: &'static str) -> (String, Arc<Mutex<Vec<Request>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = asked.clone();
    let address = serve(false, move |request| {
        let own = there.replace("SERVER", &format!("http://{}", request.header("host")));
        let body = if request.line.starts_with("GET") { own } else { "{}".to_owned() };
        kept.lock().push(request);
        Some(answer(200, &[], body))
    });
    (format!("http://{address}"), asked)
}

/// That a comment tells what the change does: the alert was too short for five minutes.
fn tells_the_change(comment: &str) {
    assert!(comment.contains("Before 0 pages, after 4"), "{comment}");
}

#[test]
fn the_action_comments_on_a_pull_request_once_and_then_changes_its_comment() {
    if peers::find("jq").is_none() || peers::find("curl").is_none() {
        return;
    }
    let ((_home, server), project) = (history(), Project::changed());
    let prometheus = format!("http://127.0.0.1:{}", server.0.port);
    let commands = github(&["Backtest the change", "Comment on the pull request"]);
    let said = r#"[{"body": "thanks", "url": "/none"}]"#;
    let ours =
        r#"[{"body": "thanks", "url": "/none"}, {"body": "<!-- watchbell-backtest -->\nold", "url": "SERVER/3"}]"#;
    for (there, request) in [(said, "POST /repos/me/rules/issues/7/comments"), (ours, "PATCH /3")] {
        let (api, asked) = comments(there);
        let variables = [
            ("GITHUB_BASE_REF", "main"),
            ("GITHUB_API_URL", api.as_str()),
            ("GITHUB_REPOSITORY", "me/rules"),
            ("GITHUB_TOKEN", "s3cret"),
            ("PULL_REQUEST", "7"),
            ("PROMETHEUS_URL", prometheus.as_str()),
        ];
        commands.iter().for_each(|command| project.succeeds(command, &variables));
        let asked = asked.lock();
        let lines: Vec<&str> = asked.iter().map(|r| r.line.trim_end_matches(" HTTP/1.1")).collect();
        assert_eq!(lines, ["GET /repos/me/rules/issues/7/comments?per_page=100", request]);
        assert!(asked.iter().all(|r| r.header("authorization") == "Bearer s3cret"));
        let body: Json = serde_json::from_slice(&asked[1].body).unwrap();
        let comment = body["body"].as_str().unwrap();
        assert!(comment.starts_with("<!-- watchbell-backtest -->\n"), "{comment}");
        tells_the_change(comment);
    }
}

#[test]
fn the_gitlab_job_writes_a_note_on_a_merge_request() {
    if peers::find("curl").is_none() {
        return;
    }
    let ((_home, server), project) = (history(), Project::changed());
    // What the job fetches from is the project as it was.
    let place = project.0.path().to_str().unwrap().to_owned();
    project.git(&["remote", "add", "origin", &place]);
    let base = project.git(&["rev-parse", "origin/main"]);
    let (api, asked) = comments("[]");
    let variables = [
        ("CI_MERGE_REQUEST_DIFF_BASE_SHA", base.as_str()),
        ("CI_API_V4_URL", api.as_str()),
        ("CI_MERGE_REQUEST_PROJECT_ID", "12"),
        ("CI_MERGE_REQUEST_IID", "7"),
        ("WATCHBELL_NOTE_TOKEN", "s3cret"),
        ("PROMETHEUS_URL", &format!("http://127.0.0.1:{}", server.0.port)),
    ];
    gitlab("alert-backtest").iter().for_each(|command| project.succeeds(command, &variables));
    let asked = asked.lock();
    let [note] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(note.line, "POST /projects/12/merge_requests/7/notes HTTP/1.1");
    assert_eq!(note.header("private-token"), "s3cret");
    tells_the_change(&String::from_utf8_lossy(&note.body));
}

/// Runs a hook as pre-commit does: its entry, with the files that changed and match behind it.
fn hook(project: &Project, id: &str) -> Output {
    let hooks = read(".pre-commit-hooks.yaml");
    let hook = hooks.as_sequence().unwrap().iter().find(|hook| hook["id"] == id).unwrap();
    let files = Regex::new(hook["files"].as_str().unwrap()).unwrap();
    let staged = project.git(&["ls-files"]);
    let mut command = hook["entry"].as_str().unwrap().to_owned();
    if hook["pass_filenames"] != false {
        for file in staged.lines().filter(|file| files.is_match(file)) {
            command.push(' ');
            command.push_str(file);
        }
    }
    project.run(&command, &[])
}

#[test]
fn the_hooks_check_test_and_lay_out() {
    let project = Project::new();
    for id in ["watchbell-check", "watchbell-test", "watchbell-fmt"] {
        let ran = hook(&project, id);
        assert!(ran.status.success(), "{id}: {ran:?}");
    }
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    project.write("rules/gpu.yaml", &RULES.replace("gpu_celsius > 85", "gpu_celsius>95"));
    assert!(!hook(&project, "watchbell-test").status.success());
    // pre-commit fails where a hook changed a file.
    assert!(hook(&project, "watchbell-fmt").status.success());
    assert!(project.read("rules/gpu.yaml").contains("expr: gpu_celsius > 95"), "{}", project.read("rules/gpu.yaml"));
    project.write("rules/gpu.yaml", &RULES.replace("> 85", "> "));
    assert!(!hook(&project, "watchbell-check").status.success());
}
