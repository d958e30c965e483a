//! What the operating system asks of a running process.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Completes when the process is asked to end.
pub(super) fn asked_to_end() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Yields whenever the process gets SIGHUP.
pub(super) fn hangups() -> std::io::Result<mpsc::Receiver<()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move { while hangup.recv().await.is_some() && sender.send(()).await.is_ok() {} });
    Ok(receiver)
}
