//! A session: what the client asks and tells, in the order in which it does.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use lsp_server::{ErrorCode, Message, Notification, Request, RequestId};
use lsp_types::notification::{
    Cancel, DidChangeTextDocument, DidChangeWatchedFiles, DidCloseTextDocument, DidOpenTextDocument, Exit, Initialized,
    Notification as _,
};
use lsp_types::request::{Completion, Formatting, GotoDefinition, HoverRequest, Initialize, Request as _, Shutdown};
use lsp_types::{
    CompletionParams, DidChangeTextDocumentParams, DidChangeWatchedFilesParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DocumentFormattingParams, GotoDefinitionParams, Hover, HoverContents, HoverParams,
    InitializeParams, InitializeResult, MarkupContent, MarkupKind, MessageType, ServerInfo, TextDocumentPositionParams,
    TextEdit, Uri,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::fmt::format_rules;
use super::complete::complete;
use super::definition::definitions;
use super::diagnose::{Page, diagnose};
use super::hover::hover;
use super::jobs::{Event, Jobs};
use super::knowledge::{Known, Source};
use super::opening::{can_watch, capabilities, roots, watch};
use super::outgoing::{Answer, Refusal, answer_of, log, publish, refuse, respond};
use super::project::{Document, Facts, MOST_FILES, Project, path_of, read_files, read_folders};
use super::text::{Encoding, Lines};
use super::wire::Incoming;
use crate::clock::{Clock, SystemClock};
use crate::lint::settings::{self, Settings};

/// So many requests take their time at once.
const MOST_RUNNING: usize = 8;
/// What the server knows is asked for again when something happens so much later, milliseconds.
const FRESH: i64 = 60_000;

/// The state of a session.
pub struct Session {
    project: Project,
    settings: Arc<Settings>,
    encoding: Encoding,
    jobs: Jobs,
    is_initialized: bool,
    is_shut_down: bool,
    /// The client tells of files that change, if it is asked to.
    can_watch: bool,
    /// Requests whose answers are being made, and the texts that these will speak of: address and revision.
    asked: BTreeMap<RequestId, (String, u64)>,
    /// How many answers are being made, those included that nobody waits for any more.
    running: usize,
    /// Documents that are to be looked at.
    stale: BTreeSet<String>,
    is_looking: bool,
    /// Files that are to be read again.
    changed: BTreeSet<PathBuf>,
    is_reading: bool,
    source: Option<Arc<Source>>,
    known: Known,
    /// When the source was asked last, milliseconds.
    known_at: Option<i64>,
    is_asking: bool,
}

impl Session {
    /// One that begins, with the server that is asked what metrics are.
    pub fn new(source: Option<Arc<Source>>, jobs: Jobs) -> Self {
        Session {
            project: Project::default(),
            settings: Arc::default(),
            encoding: Encoding::default(),
            jobs,
            is_initialized: false,
            is_shut_down: false,
            can_watch: false,
            asked: BTreeMap::new(),
            running: 0,
            stale: BTreeSet::new(),
            is_looking: false,
            changed: BTreeSet::new(),
            is_reading: false,
            source,
            known: Known::default(),
            known_at: None,
            is_asking: false,
        }
    }

    /// Takes what happens until the client ends it; whether it shut down first, as it should.
    ///
    /// # Errors
    /// When the client can be read or written to no more.
    pub fn serve(mut self, events: &Receiver<Event>, output: &mut impl Write) -> io::Result<bool> {
        while let Ok(event) = events.recv() {
            match event {
                Event::Incoming(Incoming::End) => break,
                Event::Incoming(Incoming::Message(Message::Notification(note))) if note.method == Exit::METHOD => break,
                Event::Incoming(Incoming::Message(message)) => self.take(message, output)?,
                Event::Incoming(Incoming::Malformed(code, why, id)) => refuse(code, &why, &id, output)?,
                Event::Broken(why) => return Err(why),
                Event::Answered(id, answer) => self.answered(id, answer, output)?,
                Event::Looked { uri, revision, facts, found } => self.looked(&uri, revision, facts, found, output)?,
                Event::Read(read, count) => {
                    self.is_reading = false;
                    self.project.take(read);
                    if let Some(count) = count {
                        self.say_read(count, output)?;
                    }
                }
                Event::Known(known, failures) => {
                    self.is_asking = false;
                    self.known = known;
                    for why in failures {
                        log(MessageType::WARNING, format!("--url: {why}"), output)?;
                    }
                }
            }
            self.start_jobs()?;
        }
        Ok(self.is_shut_down)
    }

    fn take(&mut self, message: Message, output: &mut impl Write) -> io::Result<()> {
        match message {
            Message::Request(request) => {
                let id = request.id.clone();
                match self.answer(request, output)? {
                    Some(answer) => respond(id, answer, output),
                    None => Ok(()),
                }
            }
            Message::Notification(note) => self.note(note, output),
            // That files are watched needs no word from us.
            Message::Response(_) => Ok(()),
        }
    }

    /// Answers a request; nothing of one that is answered later.
    fn answer(&mut self, request: Request, output: &mut impl Write) -> io::Result<Option<Answer>> {
        let Request { id, method, params } = request;
        if method == Initialize::METHOD {
            return self.initialize(params, output).map(Some);
        }
        if !self.is_initialized || self.is_shut_down {
            let (code, why) = match self.is_shut_down {
                true => (ErrorCode::InvalidRequest, "the server is shut down"),
                false => (ErrorCode::ServerNotInitialized, "expected initialize first"),
            };
            return Ok(Some(Err(Refusal(code, why.into()))));
        }
        let answer = match method.as_str() {
            Shutdown::METHOD => {
                self.shut_down(output)?;
                Ok(Some(Value::Null))
            }
            Completion::METHOD => self.complete(params).map(Some),
            HoverRequest::METHOD => self.hover(id, params),
            GotoDefinition::METHOD => self.definitions(params).map(Some),
            Formatting::METHOD => self.format(id, params),
            other => Err(Refusal(ErrorCode::MethodNotFound, format!("{other} is not served"))),
        };
        Ok(answer.transpose())
    }

    fn initialize(&mut self, params: Value, output: &mut impl Write) -> io::Result<Answer> {
        if self.is_initialized {
            return Ok(Err(Refusal(ErrorCode::InvalidRequest, "initialized already".into())));
        }
        let params: InitializeParams = match read(params) {
            Ok(params) => params,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.is_initialized = true;
        let general = params.capabilities.general.as_ref();
        self.encoding = Encoding::of_offered(general.and_then(|general| general.position_encodings.as_deref()));
        self.can_watch = can_watch(&params);
        self.project.roots = roots(&params);
        self.read_settings(output)?;
        if !self.project.roots.is_empty() {
            let roots = self.project.roots.clone();
            self.is_reading = true;
            self.jobs.run(move || {
                let (read, count) = read_folders(&roots);
                Event::Read(read, Some(count))
            })?;
        }
        self.ask_source()?;
        let server_info = ServerInfo { name: "watchbell".into(), version: Some(env!("CARGO_PKG_VERSION").to_owned()) };
        let capabilities = capabilities(self.encoding);
        Ok(answer_of(InitializeResult { capabilities, server_info: Some(server_info) }))
    }

    /// The linter's settings of the project; those that are wrong are told, and the defaults hold.
    fn read_settings(&mut self, output: &mut impl Write) -> io::Result<()> {
        let files = self.project.roots.iter().map(|root| root.join(settings::FILE));
        self.settings = Arc::default();
        match files.into_iter().find(|file| file.exists()).map(|file| Settings::load(&file)) {
            None => {}
            Some(Ok(settings)) => self.settings = Arc::new(settings),
            Some(Err(defects)) => {
                for defect in defects {
                    log(MessageType::ERROR, defect.to_string(), output)?;
                }
            }
        }
        Ok(())
    }

    fn say_read(&self, count: usize, output: &mut impl Write) -> io::Result<()> {
        match count > MOST_FILES {
            true => log(MessageType::WARNING, format!("of {count} files of the project {MOST_FILES} are read"), output),
            false => log(MessageType::INFO, format!("{count} files of the project are read"), output),
        }
    }

    /// What is asked is not answered any more, and nothing new is taken.
    fn shut_down(&mut self, output: &mut impl Write) -> io::Result<()> {
        self.is_shut_down = true;
        self.stale.clear();
        self.changed.clear();
        for (id, _) in std::mem::take(&mut self.asked) {
            respond(id, Err(Refusal(ErrorCode::RequestCanceled, "the server is shut down".into())), output)?;
        }
        Ok(())
    }

    fn note(&mut self, note: Notification, output: &mut impl Write) -> io::Result<()> {
        let Notification { method, params } = note;
        if !self.is_initialized || self.is_shut_down {
            return Ok(());
        }
        let taken = match method.as_str() {
            Initialized::METHOD if self.can_watch => return watch(output),
            Cancel::METHOD => match read(params) {
                Ok(Cancelled { id }) => return self.cancel(id, output),
                Err(why) => Err(why),
            },
            DidOpenTextDocument::METHOD => read(params).and_then(|params: DidOpenTextDocumentParams| {
                let document = params.text_document;
                self.show(&document.uri, document.version, document.text)
            }),
            DidChangeTextDocument::METHOD => read(params).and_then(|params| self.change(params)),
            DidCloseTextDocument::METHOD => match read(params) {
                Ok(DidCloseTextDocumentParams { text_document: document }) if self.project.close(&document.uri) => {
                    return publish(document.uri, None, Vec::new(), output);
                }
                Ok(DidCloseTextDocumentParams { text_document: document }) => Err(not_open(&document.uri)),
                Err(why) => Err(why),
            },
            DidChangeWatchedFiles::METHOD => match read(params) {
                Ok(params) => return self.files_changed(params, output),
                Err(why) => Err(why),
            },
            _ => Ok(()),
        };
        match taken {
            Ok(()) => Ok(()),
            // Nothing answers a notification.
            Err(Refusal(_, why)) => log(MessageType::ERROR, format!("{method}: {why}"), output),
        }
    }

    fn cancel(&mut self, id: RequestId, output: &mut impl Write) -> io::Result<()> {
        match self.asked.remove(&id) {
            Some(_) => respond(id, Err(Refusal(ErrorCode::RequestCanceled, "cancelled".into())), output),
            // It is answered already.
            None => Ok(()),
        }
    }

    fn change(&mut self, mut params: DidChangeTextDocumentParams) -> Result<(), Refusal> {
        let uri = params.text_document.uri;
        self.document(&uri)?;
        // Each change has the whole text: the last one is what is on the screen.
        let Some(last) = params.content_changes.pop() else { return Ok(()) };
        if last.range.is_some() {
            return Err(Refusal(ErrorCode::InvalidParams, "expected the whole text, found a range of it".into()));
        }
        self.show(&uri, params.text_document.version, last.text)
    }

    /// Takes a document's text, which is to be looked at.
    fn show(&mut self, uri: &Uri, version: i32, text: String) -> Result<(), Refusal> {
        if !self.project.open(uri, version, text) {
            let why = format!("{}: too many or too large documents are open", uri.as_str());
            return Err(Refusal(ErrorCode::RequestFailed, why));
        }
        self.stale.insert(uri.as_str().to_owned());
        Ok(())
    }

    fn files_changed(&mut self, params: DidChangeWatchedFilesParams, output: &mut impl Write) -> io::Result<()> {
        let paths = params.changes.iter().filter_map(|change| path_of(&change.uri));
        let (settings, others): (Vec<_>, Vec<_>) =
            paths.partition(|path| path.file_name().is_some_and(|name| name == settings::FILE));
        if !settings.is_empty() {
            self.read_settings(output)?;
            self.stale.extend(self.project.all_open().cloned());
        }
        let own = others.into_iter().filter(|path| self.project.is_own(path));
        self.changed.extend(own.take(MOST_FILES.saturating_sub(self.changed.len())));
        Ok(())
    }

    /// Starts what is to be done and is not being done: one document is looked at at a time, files are read by one thread, and
    /// the server is asked once.
    fn start_jobs(&mut self) -> io::Result<()> {
        while !self.is_looking
            && let Some(uri) = self.stale.pop_first()
        {
            // It may be closed.
            let Some(document) = self.project.document(&uri) else { continue };
            let (revision, page, settings) = (document.revision, self.page(document), self.settings.clone());
            self.is_looking = true;
            self.jobs.run(move || {
                let facts = Facts::of(&page.path, &page.text);
                Event::Looked { uri, revision, facts, found: diagnose(&page, &settings) }
            })?;
        }
        if !self.is_reading && !self.changed.is_empty() {
            let paths = std::mem::take(&mut self.changed);
            self.is_reading = true;
            self.jobs.run(move || Event::Read(read_files(paths), None))?;
        }
        let is_old = self.known_at.is_some_and(|at| SystemClock.now() - at >= FRESH);
        if is_old && !self.is_asking { self.ask_source() } else { Ok(()) }
    }

    fn looked(
        &mut self,
        uri: &str,
        revision: u64,
        facts: Option<Facts>,
        found: Vec<lsp_types::Diagnostic>,
        output: &mut impl Write,
    ) -> io::Result<()> {
        self.is_looking = false;
        // Of a text that is on the screen no more nothing is told: the new one is looked at next.
        let Some(document) = self.project.document(uri).filter(|document| document.revision == revision) else {
            return Ok(());
        };
        let (uri, version) = (document.uri.clone(), document.version);
        self.project.take_facts(uri.as_str(), facts);
        if self.is_shut_down { Ok(()) } else { publish(uri, Some(version), found, output) }
    }

    fn ask_source(&mut self) -> io::Result<()> {
        let Some(source) = self.source.clone() else { return Ok(()) };
        (self.known_at, self.is_asking) = (Some(SystemClock.now()), true);
        self.jobs.run(move || {
            let (known, failures) = source.ask();
            Event::Known(known, failures)
        })
    }

    fn document(&self, uri: &Uri) -> Result<&Document, Refusal> {
        self.project.document(uri.as_str()).ok_or_else(|| not_open(uri))
    }

    fn page(&self, document: &Document) -> Page {
        let path = document.path.clone().unwrap_or_else(|| PathBuf::from(document.uri.as_str()));
        let name = self.project.inside(&path).map(Path::to_owned).unwrap_or_else(|| path.clone());
        Page { path, name, text: document.text.clone(), encoding: self.encoding }
    }

    /// A document by lines, and the byte at a position of it.
    fn place(&self, at: &TextDocumentPositionParams) -> Result<(&Document, Lines<'_>, usize), Refusal> {
        let document = self.document(&at.text_document.uri)?;
        let lines = Lines::new(&document.text, self.encoding);
        let offset = lines.offset(at.position);
        Ok((document, lines, offset))
    }

    fn complete(&self, params: Value) -> Answer {
        let params: CompletionParams = read(params)?;
        let (document, lines, offset) = self.place(&params.text_document_position)?;
        answer_of(complete(&self.project, &self.known, &document.text, &lines, offset))
    }

    fn definitions(&self, params: Value) -> Answer {
        let params: GotoDefinitionParams = read(params)?;
        let (document, _, offset) = self.place(&params.text_document_position_params)?;
        answer_of(definitions(&self.project, self.encoding, &document.text, offset))
    }

    fn hover(&mut self, id: RequestId, params: Value) -> Result<Option<Value>, Refusal> {
        let params: HoverParams = read(params)?;
        let (document, lines, offset) = self.place(&params.text_document_position_params)?;
        let Some(told) = hover(&self.project, &self.known, &document.text, offset) else {
            return Ok(Some(Value::Null));
        };
        let range = Some(lines.range(&told.word));
        let shown = move |value: String| {
            let contents = HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value });
            answer_of(Hover { contents, range })
        };
        // A server that does not answer must not collect threads that wait for it.
        let Some(source) = self.source.clone().filter(|_| told.is_metric && self.running < MOST_RUNNING) else {
            return shown(told.text).map(Some);
        };
        let (about, metric, text) = (about(document), told.word.text.to_owned(), told.text);
        self.later(id, about, move || shown(format!("{text}\n\n{}", source.now(&metric))))
    }

    fn format(&mut self, id: RequestId, params: Value) -> Result<Option<Value>, Refusal> {
        let params: DocumentFormattingParams = read(params)?;
        let document = self.document(&params.text_document.uri)?;
        let (about, page) = (about(document), self.page(document));
        self.later(id, about, move || {
            let formatted = format_rules(&page.name.to_string_lossy(), &page.text);
            let formatted = formatted.map_err(|why| Refusal(ErrorCode::RequestFailed, why))?;
            let range = Lines::new(&page.text, page.encoding).whole();
            let edits = match *formatted.text == *page.text {
                true => Vec::new(),
                false => vec![TextEdit { range, new_text: formatted.text }],
            };
            answer_of(edits)
        })
    }

    /// Makes an answer beside the session.
    fn later(
        &mut self,
        id: RequestId,
        about: (String, u64),
        work: impl FnOnce() -> Answer + Send + 'static,
    ) -> Result<Option<Value>, Refusal> {
        if self.running >= MOST_RUNNING {
            return Err(Refusal(ErrorCode::RequestFailed, format!("{MOST_RUNNING} requests are being answered")));
        }
        let failed = |e: io::Error| Refusal(ErrorCode::InternalError, e.to_string());
        let of = id.clone();
        self.jobs.run(move || Event::Answered(of, work())).map_err(failed)?;
        self.running += 1;
        self.asked.insert(id, about);
        Ok(None)
    }

    fn answered(&mut self, id: RequestId, answer: Answer, output: &mut impl Write) -> io::Result<()> {
        self.running = self.running.saturating_sub(1);
        let Some((uri, revision)) = self.asked.remove(&id) else { return Ok(()) };
        let is_same = self.project.document(&uri).is_some_and(|document| document.revision == revision);
        let changed = || Err(Refusal(ErrorCode::ContentModified, "the document has changed".into()));
        respond(id, if is_same { answer } else { changed() }, output)
    }
}

fn about(document: &Document) -> (String, u64) {
    (document.uri.as_str().to_owned(), document.revision)
}

/// What is no longer waited for.
#[derive(Deserialize)]
struct Cancelled {
    id: RequestId,
}

fn not_open(uri: &Uri) -> Refusal {
    Refusal(ErrorCode::InvalidParams, format!("{} is not open", uri.as_str()))
}

fn read<P: DeserializeOwned>(params: Value) -> Result<P, Refusal> {
    serde_json::from_value(params).map_err(|e| Refusal(ErrorCode::InvalidParams, e.to_string()))
}
