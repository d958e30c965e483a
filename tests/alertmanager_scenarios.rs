//! The same posts, silences and reloads to a real Alertmanager and to `watchbell alertmanager`: the same receivers hear of
//! the same alerts in the same groups, with the same fields, at the same times.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::{Value as Json, json};
use watchbell::clock::{Clock as _, Stopwatch, WallClock};

use crate::support::http::{self, Answer};
use crate::support::peers::{self, wait_for};

/// A machine that was busy may be asked again.
const TRIES: usize = 3;

/// What is done to a program.
#[derive(Clone)]
enum Step {
    /// Alerts are posted: `name` or `name/instance`, with the beginning and the end in milliseconds from now.
    Post(&'static str, Option<i64>, Option<i64>),
    /// A silence of an alert name is made, from and to milliseconds from now.
    Silence(&'static str, i64, i64),
    /// The silence that was made last is ended.
    Expire,
    /// The configuration is written anew, with one text replaced by another, and read again.
    Reload(&'static str, &'static str),
}

use Step::{Expire, Post, Reload, Silence};

struct Scenario {
    name: &'static str,
    config: &'static str,
    flags: &'static [&'static str],
    steps: &'static [(u64, Step)],
    /// When it is over, milliseconds.
    end: u64,
    /// Receivers whose paths contain this refuse their first request so.
    refuses: Option<(&'static str, u16)>,
    /// How far apart the two may say the same, milliseconds.
    apart: u64,
}

const SCENARIO: Scenario = Scenario { name: "", config: "", flags: &[], steps: &[], end: 0, refuses: None, apart: 150 };

const ONE_GROUP: &str = "route: {receiver: a, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}\n\
    receivers: [{name: a, webhook_configs: [{url: 'http://ADDRESS/a'}]}]\n";
const LONG_INTERVAL: &str = "route: {receiver: a, group_by: [alertname], group_wait: 1s, group_interval: 3s, repeat_interval: 1h}\n\
    receivers: [{name: a, webhook_configs: [{url: 'http://ADDRESS/a'}]}, {name: b, webhook_configs: [{url: 'http://ADDRESS/b'}]}]\n";

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a group waits for company, then for its interval",
        config: ONE_GROUP,
        steps: &[
            (0, Post("A/1", None, None)),
            (300, Post("A/2", None, None)),
            (500, Post("B/1", None, None)),
            (1500, Post("A/3", None, None)),
        ],
        end: 5500,
        ..SCENARIO
    },
    Scenario {
        name: "an alert that fires for long already waits for nobody",
        config: "route: {receiver: a, group_by: [alertname], group_wait: 4s, group_interval: 2s}\n\
            receivers: [{name: a, webhook_configs: [{url: 'http://ADDRESS/a'}]}]\n",
        steps: &[
            (0, Post("A/1", Some(-10_000), None)),
            (500, Post("B/1", None, None)),
            (1500, Post("B/2", Some(-60_000), None)),
        ],
        end: 5000,
        ..SCENARIO
    },
    Scenario {
        name: "what has not changed is said again after the repeat interval",
        config: "route: {receiver: a, group_wait: 500ms, group_interval: 1s, repeat_interval: 1500ms}\n\
            receivers: [{name: a, webhook_configs: [{url: 'http://ADDRESS/a'}]}]\n",
        steps: &[(0, Post("A/1", None, None))],
        end: 6200,
        ..SCENARIO
    },
    Scenario {
        name: "a resolve is told to who wants it, and what fires again is new",
        config: "route: {receiver: a, group_by: [alertname], group_wait: 500ms, group_interval: 1s, repeat_interval: 1h,\n\
            routes: [{receiver: b, continue: true}, {receiver: a}]}\n\
            receivers: [{name: a, webhook_configs: [{url: 'http://ADDRESS/a'}]},\n\
            {name: b, webhook_configs: [{url: 'http://ADDRESS/b', send_resolved: false}]}]\n",
        steps: &[
            (0, Post("A/1", None, None)),
            (0, Post("A/2", None, None)),
            (800, Post("A/1", Some(-100), Some(-1))),
            (1800, Post("A/2", Some(-100), Some(-1))),
            (3300, Post("A/1", None, None)),
        ],
        end: 5500,
        ..SCENARIO
    },
    Scenario {
        name: "an end that was announced comes, and one that nobody spoke of",
        config: "global: {resolve_timeout: 2s}\n\
            route: {receiver: a, group_by: [alertname], group_wait: 500ms, group_interval: 1s, repeat_interval: 1h}\n\
            receivers: [{name: a, webhook_configs: [{url: 'http://ADDRESS/a'}]}]\n",
        steps: &[
            (0, Post("A/1", None, Some(1_200))),
            (0, Post("B/1", None, None)),
            (200, Post("C/1", None, Some(250))),
        ],
        end: 4200,
        ..SCENARIO
    },
    Scenario {
        name: "a silence holds back, and its end lets go",
        config: ONE_GROUP,
        steps: &[
            (0, Silence("A", 0, 60_000)),
            (100, Post("A/1", None, None)),
            (100, Post("B/1", None, None)),
            (2000, Expire),
            (2100, Silence("B", 100, 60_000)),
            (2500, Post("B/2", None, None)),
        ],
        end: 6000,
        ..SCENARIO
    },
    Scenario {
        name: "one alert inhibits another while it fires",
        config: "route: {receiver: a, group_by: [alertname], group_wait: 500ms, group_interval: 1s, repeat_interval: 1h}\n\
            receivers: [{name: a, webhook_configs: [{url: 'http://ADDRESS/a'}]}]\n\
            inhibit_rules: [{source_matchers: [alertname=A], target_matchers: [alertname=~'B|A'], equal: [instance]}]\n",
        steps: &[
            (0, Post("A/1", None, None)),
            (100, Post("B/1", None, None)),
            (100, Post("B/2", None, None)),
            (1800, Post("A/1", Some(-100), Some(-1))),
        ],
        end: 4200,
        ..SCENARIO
    },
    Scenario {
        name: "routes go on, group and have receivers of their own",
        config: "route:\n  receiver: a\n  group_wait: 500ms\n  group_interval: 1s\n  routes:\n\
            \x20 - {receiver: b, matchers: [alertname=~'A|B'], continue: true, group_by: ['...']}\n\
            \x20 - {receiver: c, matchers: ['alertname!=\"C\"'], group_by: [instance], group_wait: 1s}\n\
            receivers:\n- {name: a, webhook_configs: [{url: 'http://ADDRESS/a', max_alerts: 1}]}\n\
            - {name: b, webhook_configs: [{url: 'http://ADDRESS/b'}, {url: 'http://ADDRESS/b2'}]}\n\
            - {name: c, webhook_configs: [{url: 'http://ADDRESS/c'}]}\n",
        steps: &[
            (0, Post("A/1", None, None)),
            (0, Post("B/1", None, None)),
            (0, Post("C/1", None, None)),
            (0, Post("C/2", None, None)),
            (100, Post("D/2", None, None)),
        ],
        end: 2500,
        ..SCENARIO
    },
    Scenario {
        name: "a dot is no newline",
        config: "route:\n  receiver: a\n  group_wait: 500ms\n  group_interval: 1s\n  group_by: [alertname]\n  routes:\n\
            \x20 - {receiver: b, matchers: ['instance=~\".*error.*\"']}\n\
            \x20 - {receiver: b, match_re: {instance: '.+error'}}\n\
            \x20 - {receiver: b, match_re: {instance: '(?s:.+)rest'}}\n\
            receivers:\n- {name: a, webhook_configs: [{url: 'http://ADDRESS/a'}]}\n\
            - {name: b, webhook_configs: [{url: 'http://ADDRESS/b'}]}\n\
            inhibit_rules: [{source_matchers: ['instance=~\"one.*\"'], target_matchers: [alertname=B], equal: [job]}]\n",
        steps: &[
            (0, Post("A/one\nerror", None, None)),
            (100, Post("B/1", None, None)),
            (100, Post("C/an error", None, None)),
            (100, Post("D/the\nrest", None, None)),
        ],
        end: 1800,
        ..SCENARIO
    },
    Scenario {
        name: "a route is mute in its intervals",
        config: "route:\n  receiver: a\n  group_wait: 500ms\n  group_interval: 1s\n  group_by: [alertname]\n  routes:\n\
            \x20 - {receiver: b, matchers: [alertname=A], mute_time_intervals: [always]}\n\
            \x20 - {receiver: b, matchers: [alertname=B], active_time_intervals: [always]}\n\
            \x20 - {receiver: b, matchers: [alertname=C], active_time_intervals: [never]}\n\
            receivers:\n- {name: a, webhook_configs: [{url: 'http://ADDRESS/a'}]}\n\
            - {name: b, webhook_configs: [{url: 'http://ADDRESS/b'}]}\n\
            time_intervals:\n- {name: always, time_intervals: [{years: ['2000:2999']}]}\n\
            - {name: never, time_intervals: [{years: ['2000']}]}\n",
        steps: &[(0, Post("A/1", None, None)), (0, Post("B/1", None, None)), (0, Post("C/1", None, None))],
        end: 1800,
        ..SCENARIO
    },
    Scenario {
        name: "nothing is told before the start delay is over",
        config: ONE_GROUP,
        flags: &["--dispatch.start-delay=3s"],
        // It counts from the start, of which one sees only when it is over.
        apart: 1000,
        steps: &[(0, Post("A/1", None, None)), (1500, Post("A/2", None, None)), (2300, Post("B/1", None, None))],
        end: 4200,
        ..SCENARIO
    },
    Scenario {
        name: "a reload restarts the timers of groups",
        config: LONG_INTERVAL,
        steps: &[(0, Post("A/1", None, None)), (2500, Reload("", "")), (3000, Post("A/2", None, None))],
        end: 6500,
        ..SCENARIO
    },
    Scenario {
        name: "a reload makes a group that waits for company wait anew",
        config: LONG_INTERVAL,
        steps: &[(0, Post("A/1", None, None)), (700, Reload("repeat_interval: 1h", "repeat_interval: 2h"))],
        end: 2500,
        ..SCENARIO
    },
    Scenario {
        name: "after a reload another receiver is told at once",
        config: LONG_INTERVAL,
        steps: &[(0, Post("A/1", None, None)), (2000, Reload("receiver: a", "receiver: b"))],
        end: 3500,
        ..SCENARIO
    },
    Scenario {
        name: "a reload tells at once what came since",
        config: LONG_INTERVAL,
        steps: &[(0, Post("A/1", None, None)), (1500, Post("A/2", None, None)), (2600, Reload("", ""))],
        end: 3500,
        ..SCENARIO
    },
    Scenario {
        name: "what a receiver refused is said again at the next flush",
        config: ONE_GROUP,
        steps: &[(0, Post("A/1", None, None))],
        refuses: Some(("/a", 400)),
        end: 4000,
        ..SCENARIO
    },
];

/// One thing a receiver heard.
#[derive(Clone, Debug)]
struct Heard {
    at: u64,
    path: String,
    body: Json,
}

impl Heard {
    /// What does not depend on where and when it was said.
    fn said(&self) -> Json {
        let mut said = self.body.clone();
        said["externalURL"] = Json::Null;
        for alert in said["alerts"].as_array_mut().into_iter().flatten() {
            let ended = alert["endsAt"] != "0001-01-01T00:00:00Z";
            alert["endsAt"] = Json::from(ended);
            alert["startsAt"] = Json::Null;
        }
        json!([self.path, said])
    }

    fn line(&self) -> String {
        let alerts = self.body["alerts"].as_array().into_iter().flatten();
        let alert = |a: &Json| format!("{}/{} {}", a["labels"]["alertname"], a["labels"]["instance"], a["status"]);
        format!("{:>5} {} {:?}", self.at, self.path, alerts.map(alert).collect::<Vec<_>>())
    }
}

/// A program under test, ended with the test.
struct Program {
    child: Child,
    port: u16,
    home: tempfile::TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Which program is played to.
#[derive(Clone, Copy)]
enum Which<'a> {
    Alertmanager(&'a Path),
    Watchbell,
}

impl Program {
    fn start(which: Which<'_>, config: &str, flags: &[&str]) -> Program {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("alertmanager.yml"), config).unwrap();
        let mut command = match which {
            Which::Alertmanager(path) => Command::new(path),
            Which::Watchbell => Command::new(env!("CARGO_BIN_EXE_watchbell")),
        };
        if let Which::Watchbell = which {
            command.arg("alertmanager");
        }
        command.current_dir(home.path()).args(["--config.file=alertmanager.yml", "--storage.path=data"]);
        command.args(["--cluster.listen-address=", "--web.listen-address=127.0.0.1:0"]).args(flags);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let listens = lines.find_map(|line| {
            let (_, address) = line.split_once("msg=\"Listening on\" address=127.0.0.1:")?;
            address.trim().parse().ok()
        });
        // Nobody is to wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let port = listens.expect("it ended before it listened");
        let program = Program { child, port, home };
        wait_for("a program to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
        program
    }

    fn post(&self, path: &str, body: &Json) -> Json {
        let (status, text) = peers::post(self.port, path, "application/json", body.to_string().as_bytes()).unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap_or(Json::Null)
    }

    fn perform(&self, step: &Step, silence: &mut String) {
        let now = WallClock::start().now();
        let time = |from_now: i64| {
            let at = chrono::DateTime::from_timestamp_millis(now + from_now).unwrap();
            at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
        };
        match step {
            Post(alert, starts, ends) => {
                let (name, instance) = alert.split_once('/').unwrap();
                let mut alert = json!({
                    "labels": {"alertname": name, "instance": instance, "job": "j"},
                    "annotations": {"summary": name}, "generatorURL": "http://prometheus.test/graph",
                });
                alert["startsAt"] = Json::from(starts.map(time));
                alert["endsAt"] = Json::from(ends.map(time));
                alert.as_object_mut().unwrap().retain(|_, value| !value.is_null());
                self.post("/api/v2/alerts", &json!([alert]));
            }
            Silence(name, from, to) => {
                let matchers = json!([{"name": "alertname", "value": name, "isRegex": false}]);
                let (starts, ends) = (time(*from), time(*to));
                let new = json!({"matchers": matchers, "startsAt": starts, "endsAt": ends, "createdBy": "me", "comment": "c"});
                *silence = self.post("/api/v2/silences", &new)["silenceID"].as_str().unwrap().to_owned();
            }
            Expire => assert_eq!(peers::delete(self.port, &format!("/api/v2/silence/{silence}")).unwrap().0, 200),
            Reload(from, to) => {
                let file = self.home.path().join("alertmanager.yml");
                let text = std::fs::read_to_string(&file).unwrap();
                std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
                assert_eq!(peers::post(self.port, "/-/reload", "text/plain", b"").unwrap().0, 200);
            }
        }
    }
}

/// Waits until a time of a scenario has come.
fn wait_until(watch: Stopwatch, at: u64) {
    while let Some(rest) = Duration::from_millis(at).checked_sub(watch.elapsed()).filter(|r| !r.is_zero()) {
        std::thread::park_timeout(rest);
    }
}

/// Plays a scenario to a program; what its receivers heard, ordered by receiver and time.
fn play(scenario: &Scenario, which: Which<'_>) -> Vec<Heard> {
    let (sender, receiver) = mpsc::channel();
    let (sender, begun) = (Mutex::new(sender), Arc::new(Mutex::new(None::<Stopwatch>)));
    let (clock, refuses) = (begun.clone(), Mutex::new(scenario.refuses));
    let address = http::serve(false, move |request| -> Option<Answer> {
        let at = clock.lock().unwrap().map_or(0, |watch| watch.elapsed().as_millis() as u64);
        let path = request.line.split(' ').nth(1).unwrap_or("").to_owned();
        let mut refuses = refuses.lock().unwrap();
        let status = refuses.take_if(|(what, _)| path.contains(*what)).map_or(200, |(_, status)| status);
        let body = serde_json::from_slice(&request.body).unwrap_or(Json::Null);
        let _ = sender.lock().unwrap().send(Heard { at, path, body });
        Some(http::answer(status, &[], ""))
    });
    let program = Program::start(which, &scenario.config.replace("ADDRESS", &address), scenario.flags);
    let watch = Stopwatch::start();
    *begun.lock().unwrap() = Some(watch);
    let mut silence = String::new();
    for (at, step) in scenario.steps {
        wait_until(watch, *at);
        program.perform(step, &mut silence);
    }
    wait_until(watch, scenario.end);
    drop(program);
    let mut heard: Vec<Heard> = receiver.try_iter().collect();
    heard.sort_by(|a, b| {
        (&a.path, &a.body["groupKey"].as_str(), a.at).cmp(&(&b.path, &b.body["groupKey"].as_str(), b.at))
    });
    heard
}

/// What two programs do not agree on; nothing, if they do.
fn disagreement(scenario: &Scenario, theirs: &[Heard], ours: &[Heard]) -> Option<String> {
    let same = |(a, b): (&Heard, &Heard)| a.said() == b.said() && a.at.abs_diff(b.at) <= scenario.apart;
    if theirs.len() == ours.len() && theirs.iter().zip(ours).all(same) {
        return None;
    }
    let lines = |all: &[Heard]| all.iter().map(|h| format!("  {}\n", h.line())).collect::<String>();
    let mut text = format!("{}:\n Alertmanager:\n{} Watchbell:\n{}", scenario.name, lines(theirs), lines(ours));
    for (a, b) in theirs.iter().zip(ours).filter(|(a, b)| a.said() != b.said()) {
        text.push_str(&format!(" said: {}\n   not {}\n", a.said(), b.said()));
    }
    Some(text)
}

#[test]
fn receivers_hear_what_alertmanagers_receivers_hear_when_they_hear_it() {
    let Some(alertmanager) = peers::find("alertmanager") else { return };
    let compare = |scenario: &Scenario| {
        let (theirs, ours) = std::thread::scope(|threads| {
            let theirs = threads.spawn(|| play(scenario, Which::Alertmanager(&alertmanager)));
            let ours = threads.spawn(|| play(scenario, Which::Watchbell));
            (theirs.join().unwrap(), ours.join().unwrap())
        });
        assert!(!theirs.is_empty(), "{}: nothing was heard", scenario.name);
        disagreement(scenario, &theirs, &ours)
    };
    let mut left: Vec<&Scenario> = SCENARIOS.iter().collect();
    for attempt in 1..=TRIES {
        let told: Vec<Option<String>> = std::thread::scope(|threads| {
            let running: Vec<_> = left.iter().map(|scenario| threads.spawn(|| compare(scenario))).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let texts: Vec<String> = told.iter().flatten().cloned().collect();
        assert!(attempt < TRIES || texts.is_empty(), "{}", texts.join("\n"));
        left = left.into_iter().zip(told).filter(|(_, told)| told.is_some()).map(|(scenario, _)| scenario).collect();
        if left.is_empty() {
            return;
        }
        eprintln!("attempt {attempt}: {}", texts.join("\n"));
    }
}
