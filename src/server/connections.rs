//! The connections of clients: accepted, bounded in number, and cut when nothing comes of them.
//!
//! Whoever has a request is served: when all places are taken, the connection that has waited longest for a request of
//! its client makes room for the next one. So idle connections, however many, do not make the API unreachable.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinSet};
use tower_service::Service as _;

use crate::clock::Stopwatch;
use crate::net::descriptors;

use super::app::App;
use super::query_log::ClientAddress;
use super::request_line::Escaped;
use super::web::WebAccess;

/// Bounds of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// `--web.max-connections`: how many may be open.
    pub most: usize,
    /// `--web.read-timeout`: how long a request may take to come, an idle connection is kept, and a client may take
    /// nothing of its answer.
    pub read_timeout: Duration,
    /// How long the head of a request may take to come, from its first byte on.
    pub head_timeout: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        ConnectionLimits { most: 512, read_timeout: Duration::from_secs(5 * 60), head_timeout: Duration::from_secs(30) }
    }
}

/// The longest head of a request, bytes.
pub const LONGEST_HEAD: usize = 128 << 10;
/// How often connections are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How long nothing is accepted after the system refused to.
const PAUSE: Duration = Duration::from_secs(1);
/// A connection that waits for a request may be cut after so long, when its place is needed.
const SPARED: Duration = Duration::from_millis(100);
/// Trouble is told at most so often.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Between requests.
const IDLE: u8 = 0;
/// The first byte of a request has come.
const HEAD: u8 = 1;
/// The head has come, the body has not.
const BODY: u8 = 2;
/// The request is there; it is being answered.
const ANSWER: u8 = 3;

/// What a connection is at. Written by whoever reads and writes it, read by the acceptor.
struct Connection {
    watch: Stopwatch,
    client: Option<ClientAddress>,
    phase: AtomicU8,
    /// When the phase began, milliseconds on `watch`.
    since: AtomicU64,
    /// Since when the client takes nothing of what is written; 0 when it does.
    stalled: AtomicU64,
}

impl Connection {
    fn new(watch: Stopwatch, client: Option<ClientAddress>) -> Self {
        let (phase, since, stalled) = (AtomicU8::new(IDLE), AtomicU64::new(0), AtomicU64::new(0));
        let at = Connection { watch, client, phase, since, stalled };
        at.enter(IDLE);
        at
    }

    fn now(&self) -> u64 {
        u64::try_from(self.watch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn enter(&self, phase: u8) {
        self.since.store(self.now(), Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
    }

    /// Leaves `from` for `to`; does nothing in another phase.
    fn go_on(&self, from: u8, to: u8) {
        if self.phase.load(Ordering::Relaxed) == from {
            self.enter(to);
        }
    }

    fn wrote(&self, stalled: bool) {
        match (stalled, self.stalled.load(Ordering::Relaxed)) {
            (true, 0) => self.stalled.store(self.now().max(1), Ordering::Relaxed),
            (false, since) if since > 0 => self.stalled.store(0, Ordering::Relaxed),
            _ => {}
        }
    }

    fn waited(&self, since: u64) -> Duration {
        Duration::from_millis(self.now().saturating_sub(since))
    }

    /// Why it is to be cut now.
    fn overdue(&self, limits: &ConnectionLimits) -> Option<&'static str> {
        let stalled = self.stalled.load(Ordering::Relaxed);
        if stalled > 0 && self.waited(stalled) >= limits.read_timeout {
            return Some("write");
        }
        let (limit, reason) = match self.phase.load(Ordering::Relaxed) {
            IDLE => (limits.read_timeout, "idle"),
            HEAD => (limits.head_timeout.min(limits.read_timeout), "head"),
            BODY => (limits.read_timeout, "body"),
            _ => return None,
        };
        (stalled == 0 && self.waited(self.since.load(Ordering::Relaxed)) >= limit).then_some(reason)
    }

    /// How long it has waited for a request, if it may be cut for another's sake.
    fn spare(&self) -> Option<Duration> {
        let waits = matches!(self.phase.load(Ordering::Relaxed), IDLE | HEAD);
        let waited = self.waited(self.since.load(Ordering::Relaxed));
        (waits && self.stalled.load(Ordering::Relaxed) == 0 && waited >= SPARED).then_some(waited)
    }
}

/// Accepts and attends connections until `ended` says true, then until the last one is closed.
pub(super) async fn attend(
    listener: TcpListener,
    router: Router,
    app: Arc<App>,
    limits: ConnectionLimits,
    mut ended: watch::Receiver<bool>,
) {
    let most = limits.most.min(descriptors::share_of_clients()).max(1);
    let limits = ConnectionLimits { most, ..limits };
    let mut open = Open {
        limits,
        app,
        router,
        ended: ended.clone(),
        at: HashMap::new(),
        tasks: JoinSet::new(),
        watch: Stopwatch::start(),
        told: None,
    };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut waiting: Option<TcpStream> = None;
    loop {
        tokio::select! {
            () = said(&mut ended) => break,
            Some(done) = open.tasks.join_next_with_id() => open.forget(&done),
            _ = tick.tick(), if !open.at.is_empty() => open.cut_overdue(),
            accepted = listener.accept(), if waiting.is_none() => match accepted {
                Ok((stream, _)) => waiting = Some(stream),
                Err(e) => open.refused(&e).await,
            },
        }
        waiting = waiting.and_then(|stream| open.take(stream));
    }
    drop(listener);
    while open.tasks.join_next().await.is_some() {}
}

/// The open connections.
struct Open {
    limits: ConnectionLimits,
    app: Arc<App>,
    router: Router,
    ended: watch::Receiver<bool>,
    at: HashMap<Id, (Arc<Connection>, AbortHandle)>,
    tasks: JoinSet<()>,
    watch: Stopwatch,
    told: Option<Stopwatch>,
}

impl Open {
    fn forget(&mut self, done: &Result<(Id, ()), tokio::task::JoinError>) {
        let id = match done {
            Ok((id, ())) => *id,
            Err(e) => e.id(),
        };
        self.at.remove(&id);
    }

    /// Attends a new connection, where need be in the place of another; gives it back when all are busy.
    fn take(&mut self, stream: TcpStream) -> Option<TcpStream> {
        if (self.at.len() >= self.limits.most || descriptors::scarce()) && !self.make_room() {
            self.tell("all connections are busy; the next client waits");
            return Some(stream);
        }
        // An answer leaves when it is written: Nagle's algorithm would hold its last packet back.
        let _ = stream.set_nodelay(true);
        let client = stream.peer_addr().ok().map(|address| ClientAddress(address.ip()));
        let connection = Arc::new(Connection::new(self.watch, client));
        let io = Watched { stream, at: connection.clone() };
        let (router, ended) = (self.router.clone(), self.ended.clone());
        let handle = match self.app.web.clone().filter(|web| web.is_tls()) {
            Some(web) => self.tasks.spawn(serve_tls(io, web, router, ended)),
            None => self.tasks.spawn(serve_one(io, connection.clone(), router, ended)),
        };
        self.at.insert(handle.id(), (connection, handle));
        None
    }

    /// Cuts the connection that has waited longest for a request.
    fn make_room(&mut self) -> bool {
        let waits = self.at.iter().filter_map(|(id, (at, _))| Some((at.spare()?, *id)));
        let Some((_, id)) = waits.max_by_key(|(waited, _)| *waited) else { return false };
        self.cut(id, "room");
        true
    }

    fn cut_overdue(&mut self) {
        let overdue = self.at.iter().filter_map(|(id, (at, _))| Some((*id, at.overdue(&self.limits)?)));
        for (id, reason) in overdue.collect::<Vec<_>>() {
            self.cut(id, reason);
        }
    }

    fn cut(&mut self, id: Id, reason: &'static str) {
        if let Some((_, handle)) = self.at.remove(&id) {
            handle.abort();
            self.app.http.connection_cut(reason);
        }
    }

    /// The system accepts nothing: room is made, and it is not asked again at once.
    async fn refused(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            return;
        }
        self.tell(&format!("connections cannot be accepted: {error}"));
        self.make_room();
        tokio::time::sleep(PAUSE).await;
    }

    fn tell(&mut self, what: &str) {
        if self.told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
            self.told = Some(Stopwatch::start());
            tracing::warn!(open = self.at.len(), most = self.limits.most, "{what}");
        }
    }
}

async fn said(ended: &mut watch::Receiver<bool>) {
    // The sender goes away only after it has said so.
    let _ = ended.wait_for(|e| *e).await;
}

async fn serve_tls(io: Watched, web: Arc<WebAccess>, router: Router, ended: watch::Receiver<bool>) {
    let at = io.at.clone();
    // What is wrong with the file has been told; what goes wrong in a handshake is its client's affair.
    let Ok(Ok(config)) = tokio::task::spawn_blocking(move || web.tls()).await else { return };
    if let Ok(stream) = tokio_rustls::TlsAcceptor::from(config).accept(io).await {
        at.enter(IDLE);
        serve_one(stream, at, router, ended).await;
    }
}

async fn serve_one(
    io: impl AsyncRead + AsyncWrite + Unpin,
    at: Arc<Connection>,
    router: Router,
    mut ended: watch::Receiver<bool>,
) {
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        at.client.map(|client| request.extensions_mut().insert(client));
        at.enter(if request.body().is_end_stream() { ANSWER } else { BODY });
        let (mut router, at) = (router.clone(), at.clone());
        async move {
            let body = |incoming| Body::new(Followed { inner: incoming, at: at.clone(), from: BODY, to: ANSWER });
            let answered: Result<Response<Body>, std::convert::Infallible> = router.call(request.map(body)).await;
            answered.map(|response| {
                at.go_on(BODY, ANSWER);
                response.map(|body| Followed { inner: body, at: at.clone(), from: ANSWER, to: IDLE })
            })
        }
    });
    let mut http = http1::Builder::new();
    // Time is measured here, by phases; a short limit of hyper's would close connections that are merely idle.
    http.header_read_timeout(None).max_buf_size(LONGEST_HEAD);
    let connection = http.serve_connection(TokioIo::new(Escaped::new(io, LONGEST_HEAD)), service);
    tokio::pin!(connection);
    // What goes wrong on a connection is its client's affair.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = said(&mut ended) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// A body whose end moves its connection on.
struct Followed<B> {
    inner: B,
    at: Arc<Connection>,
    from: u8,
    to: u8,
}

impl<B: HttpBody + Unpin> HttpBody for Followed<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) {
            self.at.go_on(self.from, self.to);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> Drop for Followed<B> {
    fn drop(&mut self) {
        self.at.go_on(self.from, self.to);
    }
}

/// A stream that notes when its client sends and takes.
struct Watched {
    stream: TcpStream,
    at: Arc<Connection>,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.at.go_on(IDLE, HEAD);
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.at.wrote(wrote.is_pending());
        wrote
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.at.wrote(wrote.is_pending());
        wrote
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
