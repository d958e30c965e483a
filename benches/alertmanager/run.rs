//! What is done to a server, and what is measured of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::http::Client;
use crate::server::{Kind, Server, start};
use crate::{Options, generate, sink};

/// A figure; of all but `better_high` less is better.
pub struct Figure {
    name: String,
    value: f64,
    better_high: bool,
}

/// A list: what it is called here, its path, its query parameters.
type List = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Lists that are asked for.
const LISTS: [List; 8] = [
    ("alerts", "/api/v2/alerts", &[]),
    ("alerts, not muted", "/api/v2/alerts", &[("silenced", "false"), ("inhibited", "false")]),
    ("alerts of a name", "/api/v2/alerts", &[("filter", "alertname=\"Alert07\"")]),
    ("alerts by a pattern", "/api/v2/alerts", &[("filter", "pod=~\"pod-0001.*\"")]),
    ("groups", "/api/v2/alerts/groups", &[]),
    ("groups of a cluster", "/api/v2/alerts/groups", &[("filter", "cluster=\"cluster-7\"")]),
    ("silences", "/api/v2/silences", &[]),
    ("silences of an instance", "/api/v2/silences", &[("filter", "instance=\"10.0.0.20:9100\"")]),
];

pub fn measure(kind: Kind, o: &Options) -> Vec<Figure> {
    let client = Client::new();
    let (sink, pages) = sink::start(o.dead);
    let server = start(kind, &generate::routing(o, &sink), o, &client);
    println!("{}", kind.name());
    let mut figures = Figures(Vec::new());
    let posts = generate::posts(o);
    let begin = Instant::now();
    for i in 0..o.silences {
        let body = serde_json::to_vec(&generate::silence(i)).unwrap();
        let answer = client.post_json(&format!("{}/api/v2/silences", server.url), body).unwrap();
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }
    figures.add("silences set, ms each", begin.elapsed().as_secs_f64() * 1e3 / o.silences as f64);
    let rate = |took: Duration| o.alerts as f64 / took.as_secs_f64();
    for name in ["first push, alerts/s", "same again, alerts/s", "once more, alerts/s"] {
        let cpu = server.cpu_seconds();
        let took = push(&server, &client, &posts);
        figures.high(name, rate(took));
        figures.add(&format!("{}, CPU s", name.split(',').next().unwrap_or(name)), server.cpu_seconds() - cpu);
    }
    metrics(&server, &client, &mut figures, "after the push");
    // Groups are flushed for the first time, and again.
    std::thread::sleep(Duration::from_secs(30));
    for (name, path, query) in LISTS {
        let query: Vec<(&str, String)> = query.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        let mut took: Vec<f64> = Vec::new();
        let mut bytes = 0;
        for _ in 0..3 {
            let answer = client.get(&format!("{}{path}", server.url), &query).unwrap();
            assert_eq!(answer.status, 200, "{name}");
            bytes = answer.body.len();
            took.push(answer.took.as_secs_f64() * 1e3);
        }
        took.sort_by(f64::total_cmp);
        figures.add(&format!("list {name}, ms"), took[1]);
        println!("    {bytes} bytes");
    }
    figures.add("resident, MB", server.resident());
    let cpu = server.cpu_seconds();
    std::thread::sleep(Duration::from_secs(o.idle));
    figures.add(&format!("idle for {} s, CPU s", o.idle), server.cpu_seconds() - cpu);
    while_listing(&server, &posts, &mut figures);
    metrics(&server, &client, &mut figures, "at the end");
    if kind == Kind::Watchbell {
        let text = client.get(&format!("{}/metrics", server.url), &[]).unwrap().body;
        for line in String::from_utf8_lossy(&text).lines().filter(|l| l.contains("iterations") && !l.contains('#')) {
            println!("  {line}");
        }
    }
    figures.add("resident at the end, MB", server.resident());
    println!("  pages taken: {}", pages.load(Ordering::Relaxed));
    figures.0
}

fn push(server: &Server, client: &Client, posts: &[Vec<u8>]) -> Duration {
    let begin = Instant::now();
    for body in posts {
        let answer = client.post_json(&format!("{}/api/v2/alerts", server.url), body.clone()).unwrap();
        assert_eq!(answer.status, 200);
    }
    begin.elapsed()
}

/// How long posts take while two clients list all alerts over and over.
fn while_listing(server: &Server, posts: &[Vec<u8>], figures: &mut Figures) {
    let done = AtomicBool::new(false);
    let mut took: Vec<f64> = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let client = Client::new();
                while !done.load(Ordering::Relaxed) {
                    let _ = client.get(&format!("{}/api/v2/alerts", server.url), &[]);
                }
            });
        }
        let client = Client::new();
        for body in posts.iter().take(60) {
            let answer = client.post_json(&format!("{}/api/v2/alerts", server.url), body.clone()).unwrap();
            took.push(answer.took.as_secs_f64() * 1e3);
        }
        metrics(server, &client, figures, "while two list");
        done.store(true, Ordering::Relaxed);
    });
    took.sort_by(f64::total_cmp);
    figures.add("post while two list, median ms", took[took.len() / 2]);
    figures.add("post while two list, most ms", took[took.len() - 1]);
}

fn metrics(server: &Server, client: &Client, figures: &mut Figures, when: &str) {
    let answer = client.get(&format!("{}/metrics", server.url), &[]).unwrap();
    figures.add(&format!("/metrics {when}, ms"), answer.took.as_secs_f64() * 1e3);
}

struct Figures(Vec<Figure>);

impl Figures {
    fn add(&mut self, name: &str, value: f64) {
        println!("  {name}: {value:.3}");
        self.0.push(Figure { name: name.into(), value, better_high: false });
    }

    fn high(&mut self, name: &str, value: f64) {
        self.add(name, value);
        self.0.last_mut().unwrap().better_high = true;
    }
}

/// Prints both servers' figures, and how many times better Watchbell is.
pub fn compare(peer: Option<&[Figure]>, ours: Option<&[Figure]>) {
    let (Some(peer), Some(ours)) = (peer, ours) else { return };
    println!("\n| figure | Alertmanager | Watchbell | times better |\n|---|---|---|---|");
    for (p, w) in peer.iter().zip(ours) {
        let ratio = if p.better_high { w.value / p.value } else { p.value / w.value };
        println!("| {} | {:.2} | {:.2} | {ratio:.2} |", p.name, p.value, w.value);
    }
}
