//! The terminal while it is ours. It is given back however that ends: by a key, an error, a signal or a panic.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use ratatui::layout::{Position, Rect};

use crate::cli::signals;

/// What happens at the terminal.
pub(super) enum Input {
    Key(KeyEvent),
    /// The process was asked to end.
    End,
}

/// The terminal.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    ended: Arc<AtomicBool>,
}

impl Screen {
    /// Takes it, and sees to it that a panic gives it back before it says anything.
    ///
    /// # Errors
    /// It cannot be set up.
    pub fn open() -> std::io::Result<Screen> {
        let ended = Arc::new(AtomicBool::new(false));
        follow_signals(ended.clone())?;
        match ratatui::try_init() {
            Ok(terminal) => Ok(Screen { terminal, ended }),
            Err(e) => {
                // Half of it may be done.
                let _ = ratatui::try_restore();
                Err(e)
            }
        }
    }

    /// Draws all of it; a new size of the terminal is seen here.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, draw: impl FnOnce(Rect, &mut Buffer)) -> Result<(), String> {
        let drawn = self.terminal.draw(|frame| draw(frame.area(), frame.buffer_mut()));
        drawn.map(|_| ()).map_err(|e| format!("the terminal: {e}"))
    }

    /// Has all of it written anew at the next drawing.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn forget(&mut self) -> Result<(), String> {
        // Its own `clear` waits for the terminal to say where the cursor is, which not every one does.
        let anew = self.terminal.size().and_then(|size| self.terminal.resize(Rect::from((Position::ORIGIN, size))));
        anew.map_err(|e| format!("the terminal: {e}"))
    }

    /// Waits a little for something to happen.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn next(&self, wait: Duration) -> Result<Option<Input>, String> {
        let read = || if event::poll(wait)? { event::read().map(Some) } else { Ok(None) };
        let happened = read().map_err(|e: std::io::Error| format!("the terminal: {e}"))?;
        if self.ended.load(Ordering::Relaxed) {
            return Ok(Some(Input::End));
        }
        Ok(match happened {
            Some(Event::Key(key)) if key.kind != KeyEventKind::Release => Some(Input::Key(key)),
            _ => None,
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // There is nobody to tell when this fails: the terminal is gone.
        let _ = ratatui::try_restore();
    }
}

/// Notes that the process is asked to end, or that its terminal was closed.
fn follow_signals(ended: Arc<AtomicBool>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (asked, mut hangups) =
        runtime.block_on(async { signals::asked_to_end().and_then(|asked| Ok((asked, signals::hangups()?))) })?;
    let wait = move || {
        runtime.block_on(async {
            tokio::select! {
                () = asked => {}
                _ = hangups.recv() => {}
            }
        });
        ended.store(true, Ordering::Relaxed);
    };
    std::thread::Builder::new().name("signals".into()).spawn(wait).map(|_| ())
}
