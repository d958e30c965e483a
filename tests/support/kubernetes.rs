//! A small API server of Kubernetes: lists in pages, watches with versions and bookmarks, forgets old versions, drops
//! watches, and takes one token at a time.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// Objects of a page, whatever is asked for.
const PAGE: usize = 2;

struct State {
    version: u64,
    /// Versions before this one are forgotten.
    oldest: u64,
    /// By kind (plural), namespace and name.
    objects: BTreeMap<(String, String, String), Value>,
    events: Vec<(u64, String, Value)>,
    /// Lists whose first page was given, with their versions: what happens meanwhile is in no later page.
    lists: Vec<(u64, Vec<Value>)>,
    /// What `Authorization` has to be; anything when empty.
    authorization: String,
    /// Watches that began before this round end.
    round: u64,
    /// Request lines with the status of their answers.
    requests: Vec<(String, u16)>,
}

/// The server.
#[derive(Clone)]
pub struct ApiServer {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl ApiServer {
    /// Serves until the process ends.
    pub fn start(objects: &Value) -> ApiServer {
        let state = State {
            version: 100,
            oldest: 0,
            objects: BTreeMap::new(),
            events: Vec::new(),
            lists: Vec::new(),
            authorization: String::new(),
            round: 0,
            requests: Vec::new(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = ApiServer { url, state: Arc::new((Mutex::new(state), Condvar::new())) };
        for (kind, all) in objects.as_object().unwrap() {
            all.as_array().unwrap().iter().for_each(|object| server.put(kind, object.clone()));
        }
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = serving.clone();
                std::thread::spawn(move || server.connection(stream));
            }
        });
        server
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.0.lock().unwrap());
        self.state.1.notify_all();
    }

    /// An object comes or changes.
    pub fn put(&self, kind: &str, mut object: Value) {
        self.change(|s| {
            s.version += 1;
            object["metadata"]["resourceVersion"] = json!(s.version.to_string());
            let known = s.objects.insert(key(kind, &object), object.clone()).is_some();
            let event = if known { "MODIFIED" } else { "ADDED" };
            s.events.push((s.version, kind.into(), json!({"type": event, "object": object})));
        });
    }

    /// An object goes.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) {
        self.change(|s| {
            s.version += 1;
            let mut object = s.objects.remove(&(kind.into(), namespace.into(), name.into())).unwrap();
            object["metadata"]["resourceVersion"] = json!(s.version.to_string());
            s.events.push((s.version, kind.into(), json!({"type": "DELETED", "object": object})));
        });
    }

    /// Watches under way end in the midst.
    pub fn drop_watches(&self) {
        self.change(|s| s.round += 1);
    }

    /// Everything up to now is forgotten, as after a compaction: watches from before are answered with 410.
    pub fn forget(&self) {
        self.change(|s| {
            s.version += 1;
            s.oldest = s.version;
            s.events.clear();
        });
    }

    /// A bookmark goes out to the watches of a kind.
    pub fn bookmark(&self, kind: &str) {
        self.change(|s| {
            s.version += 1;
            let object = json!({"metadata": {"resourceVersion": s.version.to_string()}});
            s.events.push((s.version, kind.into(), json!({"type": "BOOKMARK", "object": object})));
        });
    }

    /// From now on only this is taken.
    pub fn set_authorization(&self, value: &str) {
        self.change(|s| s.authorization = value.into());
    }

    /// Request lines and the status of their answers.
    pub fn requests(&self) -> Vec<(String, u16)> {
        self.state.0.lock().unwrap().requests.clone()
    }

    fn connection(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let mut authorization = String::new();
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).ok()?;
                let Some((name, value)) = header.trim().split_once(": ") else { break };
                if name.eq_ignore_ascii_case("authorization") {
                    authorization = value.to_owned();
                }
            }
            let path = line.split(' ').nth(1)?.to_owned();
            self.answer(reader.get_mut(), &path, &authorization)?;
        }
    }

    fn answer(&self, out: &mut TcpStream, path: &str, authorization: &str) -> Option<()> {
        let url = url::Url::parse(&format!("http://x{path}")).ok()?;
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let parts: Vec<&str> = url.path().trim_matches('/').split('/').collect();
        let kind = (*parts.last()?).to_owned();
        let namespace =
            parts.iter().position(|p| *p == "namespaces").and_then(|i| parts.get(i + 1)).map(|n| (*n).to_owned());
        let namespace = namespace.filter(|n| *n != kind);
        let mut state = self.state.0.lock().unwrap();
        let refuse = |state: &mut State, out: &mut TcpStream, code: u16| {
            state.requests.push((path.to_owned(), code));
            let reason = if code == 422 { "Invalid" } else { "Other" };
            let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": "no"});
            whole(out, code, &body)
        };
        if !state.authorization.is_empty() && state.authorization != authorization {
            return refuse(&mut state, out, 401);
        }
        let selected = |object: &Value| {
            let label = query.get("labelSelector").and_then(|s| s.split_once('='));
            let here = namespace.as_deref().is_none_or(|n| object["metadata"]["namespace"] == n);
            here && label.is_none_or(|(name, value)| object["metadata"]["labels"][name] == value)
        };
        if !query.contains_key("watch") {
            let (of_list, skip) = match query.get("continue").and_then(|token| token.split_once('.')) {
                Some((list, skip)) => (list.parse().unwrap(), skip.parse().unwrap()),
                None => {
                    let of_kind = state.objects.iter().filter(|((k, ..), o)| *k == kind && selected(o));
                    let list = (state.version, of_kind.map(|(_, o)| o.clone()).collect());
                    state.lists.push(list);
                    (state.lists.len() - 1, 0)
                }
            };
            let (version, all): &(u64, Vec<Value>) = &state.lists[of_list];
            if *version < state.oldest {
                return refuse(&mut state, out, 410);
            }
            let mut meta = json!({"resourceVersion": version.to_string()});
            if all.len() > skip + PAGE {
                meta["continue"] = json!(format!("{of_list}.{}", skip + PAGE));
            }
            let items: Vec<Value> = all.iter().skip(skip).take(PAGE).cloned().collect();
            state.requests.push((path.to_owned(), 200));
            let kind = list_kind(&kind);
            let body = json!({"kind": kind.0, "apiVersion": kind.1, "metadata": meta, "items": items});
            drop(state);
            return whole(out, 200, &body);
        }
        // Lists by watching are newer than many clusters: they say so, and their clients list.
        if query.contains_key("sendInitialEvents") {
            return refuse(&mut state, out, 422);
        }
        let mut from: u64 = query.get("resourceVersion").and_then(|v| v.parse().ok()).unwrap_or(0);
        // An odd version is told so by the status of the answer, an even one by an event.
        if from < state.oldest && from % 2 == 1 {
            return refuse(&mut state, out, 410);
        }
        state.requests.push((path.to_owned(), 200));
        let round = state.round;
        out.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            .ok()?;
        loop {
            if state.round != round {
                // Without the last chunk: the client sees a connection that broke.
                return None;
            }
            let mut lines = String::new();
            if from < state.oldest {
                let status = json!({"kind": "Status", "apiVersion": "v1", "code": 410, "reason": "Expired", "message": "too old"});
                lines.push_str(&format!("{}\n", json!({"type": "ERROR", "object": status})));
            } else {
                let since = from;
                for (version, _, event) in state.events.iter().filter(|(v, k, _)| *v > since && *k == kind) {
                    let is_bookmark = event["type"] == "BOOKMARK";
                    if is_bookmark || selected(&event["object"]) {
                        let mut event = event.clone();
                        let (name, group) = list_kind(&kind);
                        event["object"]["kind"] = json!(name.trim_end_matches("List"));
                        event["object"]["apiVersion"] = json!(group);
                        lines.push_str(&format!("{event}\n"));
                    }
                    from = *version;
                }
            }
            if !lines.is_empty() {
                write!(out, "{:x}\r\n{lines}\r\n", lines.len()).ok()?;
                out.flush().ok()?;
            }
            if from < state.oldest {
                return out.write_all(b"0\r\n\r\n").ok();
            }
            (state, _) = self.state.1.wait_timeout(state, Duration::from_secs(60)).unwrap();
        }
    }
}

fn list_kind(plural: &str) -> (&'static str, &'static str) {
    match plural {
        "nodes" => ("NodeList", "v1"),
        "pods" => ("PodList", "v1"),
        "services" => ("ServiceList", "v1"),
        "endpoints" => ("EndpointsList", "v1"),
        "namespaces" => ("NamespaceList", "v1"),
        "endpointslices" => ("EndpointSliceList", "discovery.k8s.io/v1"),
        "replicasets" => ("ReplicaSetList", "apps/v1"),
        "jobs" => ("JobList", "batch/v1"),
        _ => ("IngressList", "networking.k8s.io/v1"),
    }
}

fn key(kind: &str, object: &Value) -> (String, String, String) {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or("").to_owned();
    (kind.to_owned(), text("namespace"), text("name"))
}

fn whole(out: &mut TcpStream, status: u16, body: &Value) -> Option<()> {
    let body = body.to_string();
    let length = body.len();
    write!(out, "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .ok()?;
    out.flush().ok()
}
