//! What client and server settle as a session begins.

use std::io::{self, Write};
use std::path::PathBuf;

use lsp_types::notification::{DidChangeWatchedFiles, Notification as _};
use lsp_types::request::{RegisterCapability, Request as _};
use lsp_types::{
    CompletionOptions, DidChangeWatchedFilesRegistrationOptions, FileSystemWatcher, GlobPattern,
    HoverProviderCapability, InitializeParams, OneOf, Registration, RegistrationParams, ServerCapabilities,
    TextDocumentSyncCapability, TextDocumentSyncKind, Uri,
};

use super::outgoing::request;
use super::project::path_of;
use super::text::Encoding;

/// What the server can do.
pub fn capabilities(encoding: Encoding) -> ServerCapabilities {
    ServerCapabilities {
        position_encoding: Some(encoding.kind()),
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::FULL)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(vec!["{".into(), "(".into(), ",".into()]),
            ..CompletionOptions::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        document_formatting_provider: Some(OneOf::Left(true)),
        ..ServerCapabilities::default()
    }
}

/// Asks the client to tell of files that change beside it.
pub fn watch(output: &mut impl Write) -> io::Result<()> {
    let glob_pattern = GlobPattern::String("**/*.{yml,yaml,rules,tmpl}".into());
    let options =
        DidChangeWatchedFilesRegistrationOptions { watchers: vec![FileSystemWatcher { glob_pattern, kind: None }] };
    let registration = Registration {
        id: "files".into(),
        method: DidChangeWatchedFiles::METHOD.into(),
        register_options: Some(serde_json::to_value(options).map_err(io::Error::other)?),
    };
    request("watch", RegisterCapability::METHOD, RegistrationParams { registrations: vec![registration] }, output)
}

/// The project's folders.
#[allow(deprecated, reason = "clients of today still send a root beside or in place of workspace folders")]
pub fn roots(params: &InitializeParams) -> Vec<PathBuf> {
    let folders = params.workspace_folders.as_ref().map(|folders| folders.iter().map(|folder| &folder.uri).collect());
    let folders: Vec<&Uri> = folders.unwrap_or_else(|| params.root_uri.iter().collect());
    folders.into_iter().filter_map(path_of).collect()
}

/// Whether the client tells of files that change, if it is asked to.
pub fn can_watch(params: &InitializeParams) -> bool {
    let workspace = params.capabilities.workspace.as_ref();
    let files = workspace.and_then(|workspace| workspace.did_change_watched_files);
    files.and_then(|files| files.dynamic_registration).unwrap_or(false)
}
