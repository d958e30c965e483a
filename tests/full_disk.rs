//! A disk that is full for a while: pages go out, nobody is told that something is stored which is not, and with room
//! again all is stored without a restart.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;

use crate::support::http::{answer, serve};
use crate::support::peers::{Peer, free_port, get, post, wait_for};

/// A namespace with a small file system, which outlives the processes in it.
struct SmallDisk {
    holder: Child,
    home: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` where this process has no right to mount.
    fn new() -> Option<SmallDisk> {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("disk")).unwrap();
        let script = "mount --make-rprivate / && mount -t tmpfs -o size=24m tmpfs \"$0\" && touch \"$0/ready\" && exec sleep 600";
        let mut command = Command::new("unshare");
        command.args(["--mount", "bash", "-c", script]).arg(home.path().join("disk"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let mut disk = SmallDisk { holder: child, home };
        let mounted = wait_for("a small disk", || match disk.holder.try_wait() {
            Ok(None) => disk.path("ready").exists().then_some(true),
            _ => Some(false),
        });
        mounted.then_some(disk)
    }

    /// A file on the disk, as it is seen from here.
    fn path(&self, name: &str) -> PathBuf {
        let inside = self.home.path().join("disk").join(name);
        PathBuf::from(format!("/proc/{}/root{}", self.holder.id(), inside.display()))
    }

    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.path("ballast")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![1; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.path("ballast")).unwrap();
    }

    fn start(&self, port: u16) -> Peer {
        let home = self.home.path();
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.holder.id().to_string(), "--mount", env!("CARGO_BIN_EXE_watchbell"), "run"])
            .arg(format!("--config.file={}", home.join("watchbell.yaml").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg(format!("--storage.tsdb.path={}", home.join("disk/data").display()));
        Peer::start(&mut command, port, "/-/healthy")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn silence(port: u16, value: &str) -> (u16, String) {
    let body = format!(
        r#"{{"matchers":[{{"name":"host","value":"{value}","isRegex":false}}],"startsAt":"2020-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z","createdBy":"t","comment":"{}"}}"#,
        "c".repeat(4000)
    );
    post(port, "/api/v2/silences", "application/json", body.as_bytes()).unwrap()
}

fn alert(port: u16, host: &str) -> u16 {
    let body = format!(r#"[{{"labels":{{"alertname":"Down","host":"{host}"}}}}]"#);
    post(port, "/api/v2/alerts", "application/json", body.as_bytes()).unwrap().0
}

#[test]
fn a_full_disk_keeps_no_page_back_and_nobody_in_the_dark() {
    let Some(disk) = SmallDisk::new() else {
        eprintln!("skipped: no right to mount a small disk");
        return;
    };
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = told.clone();
    let address = serve(false, move |request| {
        let told: Json = serde_json::from_slice(&request.body).unwrap();
        let host = |a: &Json| format!("{} {}", a["labels"]["host"], a["status"]).replace('"', "");
        seen.lock().unwrap().extend(told["alerts"].as_array().unwrap().iter().map(host));
        Some(answer(200, &[], ""))
    });
    let routing = format!(
        "route: {{receiver: hook, group_by: [host], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}}\n\
         receivers:\n  - name: hook\n    webhook_configs: [{{url: 'http://{address}/hook'}}]\n"
    );
    std::fs::write(disk.home.path().join("am.yml"), routing).unwrap();
    std::fs::write(disk.home.path().join("watchbell.yaml"), "watchbell: {alertmanager_config: am.yml}\n").unwrap();
    let paged = |host: &str| {
        let page = format!("{host} firing");
        wait_for(&page.clone(), || told.lock().unwrap().contains(&page).then_some(()));
    };
    let port = free_port();
    let mut server = disk.start(port);
    assert_eq!(alert(port, "before"), 200);
    paged("before");

    disk.fill();
    let mut stored = Vec::new();
    let mut number = 0;
    let refused = wait_for("a silence that is not stored", || {
        number += 1;
        let (status, body) = silence(port, &format!("h{number}"));
        match status {
            200 => stored.push(serde_json::from_str::<Json>(&body).unwrap()["silenceID"].clone()),
            _ => return Some((status, body)),
        }
        None
    });
    assert_eq!(refused.0, 503, "{refused:?}");
    assert!(serde_json::from_str::<String>(&refused.1).unwrap().contains("not stored"), "{refused:?}");
    assert_eq!(alert(port, "during"), 503);
    paged("during");
    let (status, body) = get(port, "/-/ready").unwrap();
    assert!(status == 503 && body.contains("state is not stored"), "{status} {body}");
    let (_, metrics) = get(port, "/metrics").unwrap();
    assert!(metrics.contains("\nwatchbell_state_store_healthy 0\n"), "{metrics}");

    disk.free();
    wait_for("a store that takes state again", || {
        let (_, metrics) = get(port, "/metrics")?;
        metrics.contains("\nwatchbell_state_store_healthy 1\n").then_some(())
    });
    let (status, body) = silence(port, "after");
    assert_eq!(status, 200, "{body}");
    stored.push(serde_json::from_str::<Json>(&body).unwrap()["silenceID"].clone());
    server.kill();

    let _server = disk.start(port);
    let (_, silences) = get(port, "/api/v2/silences").unwrap();
    for id in &stored {
        assert!(silences.contains(id.as_str().unwrap()), "{id}");
    }
    for host in ["before", "during", "last"] {
        alert(port, host);
    }
    paged("last");
    let mut pages = told.lock().unwrap().clone();
    pages.sort();
    assert_eq!(pages, ["before firing", "during firing", "last firing"], "no page twice");
}
