//! `--web.config.file` and `--web.systemd-socket`: TLS and users as Prometheus' servers have them, and sockets of systemd.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::alertmanager_program::{CONFIG, start_in};
use crate::support::http::tls_file;
use crate::support::peers::{self, wait_for};

const LISTEN: &str = "--web.listen-address=127.0.0.1:0";

/// Asks over TLS as a user; what went wrong, if anything did.
fn ask(home: &Path, port: u16, scheme: &str, password: &str) -> Option<String> {
    let settings = format!(
        "basic_auth: {{username: alice, password: {password}}}\ntls_config: {{ca_file: {}, server_name: exporter.internal}}\n",
        tls_file("ca.pem").display()
    );
    std::fs::write(home.join("client.yml"), settings).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command.current_dir(home).env("HOME", home).args(["alert", "query", "--http.config.file=client.yml"]);
    let output = command.arg(format!("--alertmanager.url={scheme}://127.0.0.1:{port}")).output().unwrap();
    (!output.status.success()).then(|| String::from_utf8(output.stderr).unwrap())
}

fn web(password: &str) -> String {
    let (cert, key) = (tls_file("server.pem"), tls_file("server.key"));
    let hash = bcrypt::hash(password, 4).unwrap();
    format!(
        "tls_server_config: {{cert_file: {}, key_file: {}}}\nhttp_server_config: {{headers: {{X-Frame-Options: deny}}}}\n\
         basic_auth_users: {{alice: '{hash}'}}\n",
        cert.display(),
        key.display()
    )
}

#[test]
fn users_are_let_in_over_tls_and_the_file_counts_as_it_changes() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("web.yml");
    std::fs::write(&file, web("first")).unwrap();
    let program = start_in(home, &CONFIG.replace("ADDRESS", "127.0.0.1:1"), &[LISTEN, "--web.config.file=web.yml"]);
    let port = program.port();
    let asked = |password: &str| ask(program.home.path(), port, "https", password);
    assert_eq!(wait_for("it to be ready", || asked("first").is_none().then_some(())), ());
    assert!(asked("second").unwrap().contains("HTTP status 401"));
    assert!(ask(program.home.path(), port, "http", "first").is_some(), "without TLS nobody is served");

    std::fs::write(&file, web("second")).unwrap();
    assert_eq!(asked("second"), None, "without a reload");
    assert!(asked("first").unwrap().contains("HTTP status 401"));
    std::fs::write(&file, "tls_server_config: {cert_file: nosuch.pem, key_file: nosuch.pem}\n").unwrap();
    assert!(asked("second").is_some());
    program.line("the web configuration is not good");
    std::fs::write(&file, web("third")).unwrap();
    assert_eq!(asked("third"), None);
}

#[test]
fn who_has_no_password_hears_so_in_plain_http() {
    let home = tempfile::tempdir().unwrap();
    let hash = bcrypt::hash("secret", 4).unwrap();
    let web =
        format!("http_server_config: {{headers: {{X-Frame-Options: deny}}}}\nbasic_auth_users: {{alice: '{hash}'}}\n");
    std::fs::write(home.path().join("web.yml"), web).unwrap();
    let program = start_in(home, &CONFIG.replace("ADDRESS", "127.0.0.1:1"), &[LISTEN, "--web.config.file=web.yml"]);
    let port = program.port();
    let answer = wait_for("an answer", || {
        let answer = peers::raw(port, "GET /-/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        (!answer.is_empty()).then(|| answer.to_ascii_lowercase())
    });
    assert!(answer.starts_with("http/1.1 401") && answer.contains("www-authenticate: basic"), "{answer}");
    assert!(answer.contains("x-frame-options: deny"), "{answer}");
    assert_eq!(ask(program.home.path(), port, "http", "secret"), None);
}

#[test]
fn no_more_requests_are_taken_than_the_limit_says() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("web.yml"), "rate_limit: {interval: 1h, burst: 1}\n").unwrap();
    let program = start_in(home, &CONFIG.replace("ADDRESS", "127.0.0.1:1"), &[LISTEN, "--web.config.file=web.yml"]);
    let port = program.port();
    let asked = || peers::get(port, "/-/healthy");
    assert_eq!(wait_for("an answer", asked).0, 200);
    assert_eq!(asked().unwrap().0, 429);
}

#[test]
fn a_socket_of_systemd_is_listened_on() {
    let Some(python) = peers::find("python3") else { return };
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("alertmanager.yml"), CONFIG.replace("ADDRESS", "127.0.0.1:1")).unwrap();
    // What systemd does: a socket as descriptor 3, and who it is for in the environment.
    let script = "import os, socket, sys\ns = socket.socket()\ns.bind(('127.0.0.1', 0))\ns.listen()\nprint(s.getsockname()[1], flush=True)\n\
        os.dup2(s.fileno(), 3)\nos.set_inheritable(3, True)\nos.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
        os.execv(sys.argv[1], sys.argv[1:])\n";
    let mut command = Command::new(python);
    command.current_dir(home.path()).args(["-c", script, env!("CARGO_BIN_EXE_watchbell")]);
    command.args(["alertmanager", "--web.systemd-socket", "--web.listen-address=127.0.0.1:1"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut child = Ended(child);
    let mut line = String::new();
    let stdout = std::io::BufReader::new(child.0.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut { stdout }, &mut line).unwrap();
    let port = line.trim().parse().unwrap();
    wait_for("it to be ready", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
}

/// Ends a process with the test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
