//! SNS is asked with credentials found where AWS' own clients find them; roles are taken from STS.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::support::http::{Request, answer, serve};
use crate::support::peers;

/// A running `watchbell alertmanager` that ends with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a request is signed as AWS asks, by whoever says so; each access key's secret is known.
fn is_signed(request: &Request) -> bool {
    let authorization = request.header("authorization");
    let part = |name: &str| authorization.split(name).nth(1).and_then(|rest| rest.split(',').next()).unwrap_or("");
    let (credential, names, signature) = (part("Credential="), part("SignedHeaders="), part("Signature="));
    let (access_key, scope) = credential.split_once('/').unwrap_or_default();
    let secret = match access_key.strip_prefix("AK-") {
        Some("default" | "base" | "env") => "s".to_owned(),
        role => format!("s/{}", role.unwrap_or("")),
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let digest = |text: &[u8]| hex(&Sha256::digest(text));
    let mac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", request.header(name))).collect();
    let canonical = format!("POST\n/\n\n{headers}\n{names}\n{}", digest(&request.body));
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", request.header("x-amz-date"), digest(canonical.as_bytes()));
    let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
    hex(&mac(&key, &text)) == signature
}

/// STS and SNS in one: gives roles, takes messages, tells what it was asked. Only a web identity need not sign.
fn aws() -> (String, Receiver<Request>) {
    let (sender, receiver) = channel();
    let sender = std::sync::Mutex::new(sender);
    let address = serve(false, move |request| {
        let form = form(&request);
        let role = form.get("RoleArn").cloned().unwrap_or_default();
        if !form.contains_key("WebIdentityToken") && !is_signed(&request) {
            return Some(answer(403, &[], "SignatureDoesNotMatch"));
        }
        let _ = sender.lock().unwrap().send(request);
        let body = format!(
            "<R><Credentials><AccessKeyId>AK-{role}</AccessKeyId><SecretAccessKey>s/{role}</SecretAccessKey>\
             <SessionToken>token-{role}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></R>"
        );
        Some(answer(200, &[("Content-Type", "text/xml")], body))
    });
    (address, receiver)
}

fn form(request: &Request) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

/// Who signed a request, and for which service.
fn signer(request: &Request) -> (String, String) {
    let authorization = request.header("authorization");
    let credential = authorization.split("Credential=").nth(1).unwrap_or("").split(',').next().unwrap_or("");
    let mut parts = credential.rsplit('/');
    let (_, service, _, _) = (parts.next(), parts.next().unwrap_or(""), parts.next(), parts.next());
    (parts.next().unwrap_or("").to_owned(), service.to_owned())
}

/// Posts an alert to a program with this `sigv4` section, these files in its home and this environment; gives what AWS
/// was asked until the message came, twice.
fn asked(sigv4: &str, files: &[(&str, &str)], environment: &[(&str, &str)]) -> Vec<Request> {
    let (aws, requests) = aws();
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    for (name, text) in files {
        std::fs::write(home.path().join(name), text).unwrap();
    }
    let config = format!(
        "route: {{receiver: a, group_by: ['...'], group_wait: 0s}}\nreceivers:\n- name: a\n  sns_configs:\n  - api_url: 'http://{aws}/'\n    topic_arn: 'arn:aws:sns:eu-1:1:t'\n    sigv4: {sigv4}\n"
    );
    std::fs::write(home.path().join("am.yml"), config).unwrap();
    let port = peers::free_port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
        .current_dir(home.path())
        .args(["alertmanager", "--config.file=am.yml", "--storage.path=data"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .env("HOME", home.path())
        .env("AWS_ENDPOINT_URL_STS", format!("http://{aws}/"))
        .envs(environment.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _program = Program(command.spawn().unwrap());
    peers::wait_for("the program", || peers::get(port, "/-/ready").filter(|(status, _)| *status == 200));
    let mut all = Vec::new();
    for name in ["one", "two"] {
        let alert = format!(r#"[{{"labels":{{"alertname":"{name}"}}}}]"#);
        let (status, body) = peers::post(port, "/api/v2/alerts", "application/json", alert.as_bytes()).unwrap();
        assert_eq!(status, 200, "{body}");
        loop {
            let request = requests.recv_timeout(Duration::from_secs(30)).unwrap();
            let published = form(&request).get("Action").is_some_and(|a| a == "Publish");
            all.push(request);
            if published {
                break;
            }
        }
    }
    all
}

const CREDENTIALS: &str = "[default]\naws_access_key_id = AK-default\naws_secret_access_key = s\n\
                           [base]\naws_access_key_id = AK-base\naws_secret_access_key = s\n";
const CONFIG: &str = "[profile ops]\nrole_arn = ops\nsource_profile = base\nexternal_id = x1\n";

#[test]
fn a_role_is_taken_once_with_a_profiles_keys() {
    let files = [(".aws/credentials", CREDENTIALS), (".aws/config", CONFIG)];
    let all = asked("{profile: ops}", &files, &[("AWS_ACCESS_KEY_ID", "no"), ("AWS_SECRET_ACCESS_KEY", "no")]);
    let signers: Vec<_> = all.iter().map(signer).collect();
    let published = || ("AK-ops".to_owned(), "sns".to_owned());
    assert_eq!(signers, [("AK-base".to_owned(), "sts".to_owned()), published(), published()]);
    let sts = form(&all[0]);
    assert_eq!(
        (sts["Action"].as_str(), sts["RoleArn"].as_str(), sts["ExternalId"].as_str()),
        ("AssumeRole", "ops", "x1")
    );
    assert_eq!(all[1].header("x-amz-security-token"), "token-ops");
    assert!(
        all[1].header("authorization").contains("SignedHeaders=content-type;host;x-amz-date;x-amz-security-token,")
    );
}

#[test]
fn a_web_identity_asks_with_its_token_and_a_configured_role_comes_after_it() {
    let environment =
        [("AWS_WEB_IDENTITY_TOKEN_FILE", "jwt"), ("AWS_ROLE_ARN", "pod"), ("AWS_ROLE_SESSION_NAME", "s1")];
    let all = asked("{role_arn: own}", &[("jwt", "a.b.c\n")], &environment);
    let signers: Vec<String> = all.iter().map(|r| signer(r).0).collect();
    assert_eq!(signers, ["", "AK-pod", "AK-own", "AK-own"]);
    let sts = form(&all[0]);
    assert_eq!(sts["Action"], "AssumeRoleWithWebIdentity");
    assert_eq!((sts["WebIdentityToken"].as_str(), sts["RoleSessionName"].as_str()), ("a.b.c", "s1"));
}

#[test]
fn the_environment_goes_before_the_default_profile() {
    let files = [(".aws/credentials", CREDENTIALS)];
    let keys = [("AWS_ACCESS_KEY_ID", "AK-env"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "t")];
    let all = asked("{}", &files, &keys);
    assert_eq!((signer(&all[0]).0.as_str(), all[0].header("x-amz-security-token"), all.len()), ("AK-env", "t", 2));
    assert_eq!(signer(&asked("{}", &files, &[])[0]).0, "AK-default");
}
