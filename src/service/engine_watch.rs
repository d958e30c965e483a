//! Says in the log that the engine is held up: it cannot say so itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Stopwatch;
use crate::server::App;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// While it lasts it is said again after so long.
const AGAIN: Duration = Duration::from_secs(300);

/// Watches until the service ends.
pub async fn run(app: Arc<App>, mut ended: watch::Receiver<bool>) {
    let mut said: Option<Stopwatch> = None;
    loop {
        tokio::select! {
            _ = ended.wait_for(|e| *e) => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let trouble = app.engine.trouble();
        match (&trouble, &said) {
            (Some(trouble), None) => tracing::error!("nothing is evaluated and nobody is told: {trouble}"),
            (Some(trouble), Some(at)) if at.elapsed() >= AGAIN => {
                tracing::error!("still nothing is evaluated and nobody is told: {trouble}");
            }
            (None, Some(_)) => tracing::info!("the engine goes on"),
            _ => continue,
        }
        said = trouble.map(|_| Stopwatch::start());
    }
}
