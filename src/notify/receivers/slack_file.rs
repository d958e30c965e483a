//! A plot in Slack: a file of the app, shared in the thread of its message.

use serde_json::{Value as Json, json};

use super::http::Link;
use super::message::{Body, Part, Request};
use super::multipart::FILE_NAME;
use crate::config::alertmanager::receivers::SlackConfig;
use crate::config::secret::Secret;
use crate::notify::plots::Illustration;

/// The method that messages are posted by; those for files stand beside it.
const POST: &str = "chat.postMessage";

/// Asks for a place, puts the picture there, and shares it in answer to a message.
///
/// # Errors
/// What Slack said, or why it could not be asked.
pub(super) async fn answer(
    config: &SlackConfig,
    plot: &Illustration,
    channel: &str,
    ts: &str,
    link: &Link<'_>,
) -> Result<(), String> {
    let picture = &plot.picture;
    let mut ask = request(config, "files.getUploadURLExternal")?;
    ask.body = Body::Form(vec![
        ("filename".into(), FILE_NAME.into()),
        ("length".into(), picture.png.len().to_string()),
        ("alt_txt".into(), picture.alt.clone()),
    ]);
    let place = call(&ask, link).await?;
    let text = |name: &str| place.get(name).and_then(Json::as_str).ok_or(format!("Slack gave no {name}"));
    let (url, id) = (text("upload_url")?, text("file_id")?);
    // The address is as good as a key. The token is not for it.
    let mut put = Request::post(vec![Part::Secret(Secret::new(url), String::new())], Json::Null);
    put.body = Body::Png(picture.clone());
    let reply = link.call(&put).await.map_err(|failed| failed.error().unwrap_or_default().to_owned())?;
    if let Some(reason) = reply.judge(&[]).error() {
        return Err(format!("the upload: {reason}"));
    }
    let mut share = request(config, "files.completeUploadExternal")?;
    let files = json!([{"id": id, "title": picture.alt}]);
    share.body = Body::Json(json!({"files": files, "channel_id": channel, "thread_ts": ts}));
    call(&share, link).await.map(drop)
}

fn request(config: &SlackConfig, method: &str) -> Result<Request, String> {
    let url = config.app_url.as_ref().map_or("", |url| url.as_str());
    let base = url.strip_suffix(POST).ok_or(format!("files cannot be sent: app_url does not end in {POST}"))?;
    let request = Request::post(vec![Part::plain(format!("{base}{method}"))], Json::Null);
    Ok(request.header("Authorization", config.bearer()))
}

/// Calls a method; what it says when it says that all is well.
async fn call(request: &Request, link: &Link<'_>) -> Result<Json, String> {
    let reply = link.call(request).await.map_err(|failed| failed.error().unwrap_or_default().to_owned())?;
    if let Some(reason) = reply.judge(&[]).error() {
        return Err(reason.to_owned());
    }
    match reply.json() {
        Some(json) if json.get("ok") == Some(&Json::Bool(true)) => Ok(json),
        Some(json) => Err(format!("Slack said {}", json.get("error").and_then(Json::as_str).unwrap_or("no"))),
        None => Err("could not read the response of Slack as JSON".into()),
    }
}
