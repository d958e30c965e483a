//! Redirects go by `follow_redirects`, and credentials stay with the server they are meant for.

use std::sync::{Arc, Mutex};

use reqwest::Method;
use watchbell::net::{Auth, Credential, HttpClient, HttpSettings};

use crate::support::http::{Request, answer, serve};

type Seen = Arc<Mutex<Vec<Request>>>;

/// A server that notes what it is asked and is content with it.
fn end() -> (String, Seen) {
    let seen = Seen::default();
    let notes = seen.clone();
    let address = serve(false, move |request| {
        notes.lock().unwrap().push(request);
        Some(answer(200, &[], "done"))
    });
    (address, seen)
}

/// A server that sends its readers elsewhere.
fn redirecting(status: u16, to: String) -> String {
    serve(false, move |_| Some(answer(status, &[("Location", &to)], "")))
}

fn settings() -> HttpSettings {
    HttpSettings {
        auth: Some(Auth::Authorization { scheme: "Bearer".into(), credentials: "hunter2".into() }),
        headers: vec![("X-Scope-OrgID".into(), Credential::Inline("hunter2".into()))],
        ..HttpSettings::default()
    }
}

/// What `end` saw of a request by way of a redirect.
async fn sent(settings: &HttpSettings, url: &str, body: Option<&'static str>, secret: bool) -> Result<u16, String> {
    let client = HttpClient::new(settings).unwrap();
    let method = if body.is_some() { Method::POST } else { Method::GET };
    let mut request = client.request(method, url).unwrap();
    if let Some(body) = body {
        request = request.header("Content-Type", "application/json").body(body);
    }
    let response = if secret { client.send_secret(request).await } else { client.send(request).await };
    response.map(|r| r.status().as_u16()).map_err(|e| e.to_string())
}

#[tokio::test]
async fn credentials_do_not_travel_to_another_server() {
    let (address, seen) = end();
    let first = redirecting(302, format!("http://{address}/there"));
    assert_eq!(sent(&settings(), &format!("http://me:hunter2@{first}/?token=hunter2"), None, false).await, Ok(200));
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].line, "GET /there HTTP/1.1");
    assert!(!format!("{seen:?}").contains("hunter2") && seen[0].header("authorization").is_empty(), "{seen:?}");
    assert!(seen[0].header("referer").is_empty(), "{seen:?}");
}

#[tokio::test]
async fn on_one_server_they_stay() {
    let seen = Seen::default();
    let notes = seen.clone();
    let address = serve(false, move |request| {
        let there = request.line.contains("/there");
        notes.lock().unwrap().push(request);
        Some(if there { answer(200, &[], "") } else { answer(307, &[("Location", "/there")], "") })
    });
    assert_eq!(sent(&settings(), &format!("http://{address}/"), Some("{}"), true).await, Ok(200));
    let seen = seen.lock().unwrap();
    assert_eq!((seen[1].line.as_str(), seen[1].body.as_slice()), ("POST /there HTTP/1.1", &b"{}"[..]));
    assert_eq!((seen[1].header("authorization"), seen[1].header("x-scope-orgid")), ("Bearer hunter2", "hunter2"));
}

#[tokio::test]
async fn a_body_with_a_secret_does_not_leave_its_server() {
    let (address, seen) = end();
    let first = redirecting(308, format!("http://{address}/"));
    let error = sent(&settings(), &format!("http://{first}/"), Some("{\"routing_key\":\"k\"}"), true).await;
    assert!(error.unwrap_err().contains("a secret does not go to another server"));
    assert!(seen.lock().unwrap().is_empty());
    // One without secrets is sent on, as Go does.
    assert_eq!(sent(&settings(), &format!("http://{first}/"), Some("{}"), false).await, Ok(200));
    assert_eq!(seen.lock().unwrap()[0].body, b"{}");
}

#[tokio::test]
async fn follow_redirects_is_obeyed_and_circles_end() {
    let (address, seen) = end();
    let first = redirecting(302, format!("http://{address}/"));
    let stay = HttpSettings { follow_redirects: false, ..settings() };
    assert_eq!(sent(&stay, &format!("http://{first}/"), None, false).await, Ok(302));
    assert!(seen.lock().unwrap().is_empty());
    let circle = redirecting(302, "/".into());
    let error = sent(&settings(), &format!("http://{circle}/"), None, false).await.unwrap_err();
    assert_eq!(error, "stopped after 10 redirects");
    let elsewhere = redirecting(302, "file:///etc/passwd".into());
    assert!(sent(&settings(), &format!("http://{elsewhere}/"), None, false).await.is_err());
}
