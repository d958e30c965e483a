//! Messages as they go. None of these functions fails but where the client cannot be written to.

use std::io::{self, Write};

use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response};
use lsp_types::notification::{LogMessage, Notification as _, PublishDiagnostics};
use lsp_types::{Diagnostic, LogMessageParams, MessageType, PublishDiagnosticsParams, Uri};
use serde::Serialize;
use serde_json::{Value, json};

/// Why a request is not answered.
#[derive(Debug)]
pub struct Refusal(pub ErrorCode, pub String);

/// What answers a request.
pub type Answer = Result<Value, Refusal>;

/// An answer of what can be written as JSON.
pub fn answer_of(value: impl Serialize) -> Answer {
    serde_json::to_value(value).map_err(|e| Refusal(ErrorCode::InternalError, e.to_string()))
}

fn write(message: impl Into<Message>, output: &mut impl Write) -> io::Result<()> {
    message.into().write(output)
}

/// Answers a request.
pub fn respond(id: RequestId, answer: Answer, output: &mut impl Write) -> io::Result<()> {
    let response = match answer {
        Ok(value) => Response { id, response_result: Ok(value) },
        Err(Refusal(code, why)) => Response::new_err(id, code as i32, why),
    };
    write(response, output)
}

/// Answers what was no message; the id is null where that is not known.
pub fn refuse(code: ErrorCode, why: &str, id: &Value, output: &mut impl Write) -> io::Result<()> {
    let answer = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code as i32, "message": why}}).to_string();
    write!(output, "Content-Length: {}\r\n\r\n{answer}", answer.len())?;
    output.flush()
}

/// Asks the client.
pub fn request(id: &str, method: &str, params: impl Serialize, output: &mut impl Write) -> io::Result<()> {
    let params = serde_json::to_value(params).map_err(io::Error::other)?;
    write(Request { id: id.to_owned().into(), method: method.to_owned(), params }, output)
}

fn notify(method: &str, params: impl Serialize, output: &mut impl Write) -> io::Result<()> {
    let params = serde_json::to_value(params).map_err(io::Error::other)?;
    write(Notification { method: method.to_owned(), params }, output)
}

/// Says something in the client's log.
pub fn log(typ: MessageType, message: String, output: &mut impl Write) -> io::Result<()> {
    notify(LogMessage::METHOD, LogMessageParams { typ, message }, output)
}

/// Tells what is wrong with a document, in the version that was looked at.
pub fn publish(
    uri: Uri,
    version: Option<i32>,
    diagnostics: Vec<Diagnostic>,
    output: &mut impl Write,
) -> io::Result<()> {
    notify(PublishDiagnostics::METHOD, PublishDiagnosticsParams { uri, diagnostics, version }, output)
}
