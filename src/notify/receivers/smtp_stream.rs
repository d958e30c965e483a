//! The connection under SMTP: plain at first or TLS at once, with the same TLS as every other client has here.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use parking_lot::Mutex;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection that can turn to TLS while somebody speaks over it. Clones are the same connection; each call holds the
/// lock for as long as it takes to move what is there.
#[derive(Clone)]
pub(super) struct SmtpStream(Arc<Mutex<State>>);

enum State {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// A handshake is under way or has failed.
    Turning,
}

impl SmtpStream {
    pub async fn connect(host: &str, port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((host, port)).await?;
        Ok(SmtpStream(Arc::new(Mutex::new(State::Plain(stream)))))
    }

    /// Turns to TLS.
    ///
    /// # Errors
    /// The handshake failed; the connection is of no more use.
    pub async fn turn_to_tls(&self, config: Arc<rustls::ClientConfig>, name: ServerName<'static>) -> io::Result<()> {
        let plain = std::mem::replace(&mut *self.0.lock(), State::Turning);
        let State::Plain(stream) = plain else { return Err(io::ErrorKind::NotConnected.into()) };
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        *self.0.lock() = State::Tls(Box::new(stream));
        Ok(())
    }
}

impl fmt::Debug for SmtpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpStream")
    }
}

fn turning<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl AsyncRead for SmtpStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self.0.lock() {
            State::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            State::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            State::Turning => turning(),
        }
    }
}

impl AsyncWrite for SmtpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self.0.lock() {
            State::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            State::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            State::Turning => turning(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.0.lock() {
            State::Plain(stream) => Pin::new(stream).poll_flush(cx),
            State::Tls(stream) => Pin::new(stream).poll_flush(cx),
            State::Turning => turning(),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.0.lock() {
            State::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            State::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            State::Turning => turning(),
        }
    }
}

impl AsyncTokioStream for SmtpStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &*self.0.lock() {
            State::Plain(stream) => stream.peer_addr(),
            State::Tls(stream) => stream.get_ref().0.peer_addr(),
            State::Turning => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}
