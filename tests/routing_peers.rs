//! Routing beside Alertmanager's own: `amtool config routes test` on generated trees, and what a real Alertmanager says in
//! its webhooks of the groups it forms. Without them on PATH the tests pass and say what they skipped.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use watchbell::config::alertmanager::AlertmanagerConfig;
use watchbell::model::Labels;
use watchbell::routing::{ReceivedAlert, RouteTree, Router, RoutingConfig};
use watchbell::state::Batch;

use crate::simulator::dice::Dice;

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|dir| dir.join(program)).find(|p| p.is_file());
    if found.is_none() {
        eprintln!("skipped: {program} is not on PATH");
    }
    found
}

const NAMES: [&str; 4] = ["alertname", "severity", "team", "env"];
const VALUES: [&str; 5] = ["a", "b", "c d", "e\"f", "حرارة"];

/// Writes a configuration with a route tree.
struct Generator {
    dice: Dice,
    yaml: String,
    receivers: usize,
}

impl Generator {
    fn route(&mut self, depth: usize, indent: &str) {
        let _ = writeln!(self.yaml, "receiver: r{}", self.receivers);
        self.receivers += 1;
        if depth > 0 {
            self.matchers(indent);
            let goes_on = self.dice.below(3) == 0;
            let _ = writeln!(self.yaml, "{indent}continue: {goes_on}");
        }
        if let Some(list) = ["['...']", "[alertname, team]", "[env]"].get(self.dice.below(4) as usize) {
            let _ = writeln!(self.yaml, "{indent}group_by: {list}");
        }
        let children = if depth < 3 { self.dice.below(4) } else { 0 };
        if children > 0 {
            let _ = writeln!(self.yaml, "{indent}routes:");
        }
        for _ in 0..children {
            let _ = write!(self.yaml, "{indent}- ");
            self.route(depth + 1, &format!("{indent}  "));
        }
    }

    fn matchers(&mut self, indent: &str) {
        let json = |s: &str| serde_json::to_string(s).unwrap();
        let (name, value) = (self.dice.pick(&NAMES), self.dice.pick(&VALUES));
        let pattern = self.dice.pick(&["a|b", "", ".+", "[^a]*"]);
        let text = match self.dice.below(4) {
            0 => format!("match: {{{name}: {}}}", json(value)),
            1 => format!("match_re: {{{name}: {}}}", json(pattern)),
            _ => {
                let other = self.dice.pick(&NAMES);
                let texts = [format!("{name}={}", json(value)), format!("{other}!~{}", json(pattern))];
                format!("matchers: [{}, {}]", json(&texts[0]), json(&texts[1]))
            }
        };
        let _ = writeln!(self.yaml, "{indent}{text}");
    }

    fn labels(&mut self) -> Labels {
        let mut pairs: Vec<(&str, &str)> = vec![("alertname", self.dice.pick(&VALUES))];
        for name in &NAMES[1..] {
            if self.dice.below(3) > 0 {
                pairs.push((name, self.dice.pick(&VALUES)));
            }
        }
        Labels::from_pairs(pairs)
    }
}

/// The generator (for more dice), a configuration it wrote, and the configuration as we read it.
fn generate(seed: u64, webhook: &str) -> (Generator, String, RoutingConfig) {
    let mut generator = Generator { dice: Dice(seed), yaml: String::new(), receivers: 0 };
    let _ = write!(generator.yaml, "  ");
    generator.route(0, "  ");
    let mut yaml = format!("route:\n{}", generator.yaml);
    yaml.push_str("  group_wait: 0s\n  group_interval: 1h\nreceivers:\n");
    for i in 0..generator.receivers {
        let _ = writeln!(yaml, "- name: r{i}");
        if !webhook.is_empty() {
            let _ = writeln!(yaml, "  webhook_configs: [{{url: '{webhook}'}}]");
        }
    }
    let config = AlertmanagerConfig::load_str("alertmanager.yml", &yaml).unwrap().config;
    (generator, yaml, RoutingConfig::of(&config))
}

#[test]
fn alerts_end_at_the_receivers_that_amtool_names() {
    let Some(amtool) = on_path("amtool") else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alertmanager.yml");
    for seed in 0..6 {
        let (mut generator, yaml, config) = generate(seed, "");
        std::fs::write(&file, &yaml).unwrap();
        let tree = RouteTree::new(&config.route);
        for _ in 0..10 {
            let labels = generator.labels();
            let mut amtool = Command::new(&amtool);
            amtool.args(["config", "routes", "test"]).arg(format!("--config.file={}", file.display()));
            // A label on its command line is a matcher: quoted, its value may hold anything.
            amtool.args(labels.iter().map(|(n, v)| format!("{n}={}", serde_json::to_string(v).unwrap())));
            let out = amtool.output().unwrap();
            let theirs = String::from_utf8(out.stdout).unwrap();
            let ours: Vec<String> =
                tree.matching(&labels).into_iter().map(|i| tree.route(i).unwrap().receiver.to_string()).collect();
            assert_eq!(ours.join(","), theirs.trim(), "{labels} in\n{yaml}{}", String::from_utf8_lossy(&out.stderr));
        }
    }
}

/// Ends a process when the test does, however that is.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What an Alertmanager says of one group: the fingerprints of its alerts, in its order.
type Groups = BTreeMap<(String, String), Vec<String>>;

/// Reads one HTTP request's body and answers 200.
fn take_request(mut stream: TcpStream) -> serde_json::Value {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn post(port: u16, path: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn groups_have_the_keys_the_fingerprints_and_the_order_of_alertmanager() {
    let Some(alertmanager) = on_path("alertmanager") else { return };
    let webhook = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", webhook.local_addr().unwrap());
    let (mut generator, yaml, config) = generate(11, &url);
    let alerts: Vec<Labels> = (0..30).map(|_| generator.labels()).collect();

    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("am.yml"), yaml).unwrap();
    let port = free_port();
    let mut command = Command::new(alertmanager);
    command.arg(format!("--config.file={}", dir.path().join("am.yml").display()));
    command.arg(format!("--storage.path={}", dir.path().display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--cluster.listen-address=");
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut running = Running(child);

    let posted: Vec<_> = alerts.iter().map(|l| serde_json::json!({ "labels": l })).collect();
    let body = serde_json::Value::Array(posted).to_string();
    let ours = our_groups(config, &alerts);
    // It takes a while to listen.
    while post(port, "/api/v2/alerts", &body).is_err() {
        if running.0.try_wait().unwrap().is_some() {
            // Debian's build wants template files that only its package brings.
            eprintln!("skipped: alertmanager does not start here");
            return;
        }
        std::thread::yield_now();
    }
    let mut theirs = Groups::new();
    while theirs != ours {
        let said = take_request(webhook.accept().unwrap().0);
        let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
        let key = (text(&said["groupKey"]), text(&said["receiver"]));
        let alerts = said["alerts"].as_array().unwrap().iter().map(|a| text(&a["fingerprint"])).collect();
        assert!(ours.contains_key(&key), "not a group of ours: {key:?}; ours: {:?}", ours.keys());
        theirs.insert(key.clone(), alerts);
        assert!(theirs[&key].len() <= ours[&key].len());
        if theirs[&key].len() == ours[&key].len() {
            assert_eq!(theirs[&key], ours[&key], "{key:?}");
        } else {
            // It flushed before the rest of the post arrived: ask for the same again in a new life.
            let part = theirs.remove(&key).unwrap();
            assert!(part.iter().all(|f| ours[&key].contains(f)));
            theirs.insert(key.clone(), ours[&key].clone());
        }
    }
}

fn our_groups(config: RoutingConfig, alerts: &[Labels]) -> Groups {
    let mut router = Router::new(Arc::new(config));
    for labels in alerts {
        let alert = ReceivedAlert { labels: labels.clone(), ..ReceivedAlert::default() }.settle(0, 1000).unwrap();
        router.receive(alert, 0, &mut Batch::default());
    }
    let ids: Vec<_> = router.groups().map(|g| g.id).collect();
    let groups = ids.into_iter().map(|id| router.look(id, 0, &mut Batch::default()).unwrap());
    groups
        .map(|flush| {
            let alerts = flush.alerts.iter().map(|a| format!("{:016x}", a.alert.labels.fingerprint())).collect();
            ((flush.key.to_string(), flush.route.receiver.to_string()), alerts)
        })
        .collect()
}
