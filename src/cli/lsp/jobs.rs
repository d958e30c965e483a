//! What a session hears: messages, and the outcomes of what runs beside it, each on a thread of its own, so that nothing slow
//! keeps an answer back.

use std::io::{self, BufRead};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use lsp_server::RequestId;

use super::knowledge::Known;
use super::outgoing::Answer;
use super::project::{Facts, FilesRead};
use super::wire::{self, Incoming};

/// So many events wait; who has one more waits too.
const MOST_WAITING: usize = 4;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// A message came.
    Incoming(Incoming),
    /// No more can come.
    Broken(io::Error),
    /// A request that took its time has its answer.
    Answered(RequestId, Answer),
    /// A document was looked at.
    Looked {
        /// Its address.
        uri: String,
        /// The text that was looked at.
        revision: u64,
        /// What it defines and names, if it can be read.
        facts: Option<Facts>,
        /// What is wrong with it.
        found: Vec<lsp_types::Diagnostic>,
    },
    /// Files of the project were read; of all of them, how many there are.
    Read(FilesRead, Option<usize>),
    /// The server told what it knows, and what could not be had.
    Known(Known, Vec<String>),
}

/// Where threads bring their outcomes.
#[derive(Clone, Debug)]
pub struct Jobs(SyncSender<Event>);

impl Jobs {
    /// A place for outcomes, and where they come out.
    pub fn new() -> (Self, Receiver<Event>) {
        let (send, receive) = sync_channel(MOST_WAITING);
        (Jobs(send), receive)
    }

    /// Does something on a thread of its own. What panics ends the session: the editor starts another.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn run(&self, work: impl FnOnce() -> Event + Send + 'static) -> io::Result<()> {
        let events = self.0.clone();
        thread::Builder::new().spawn(move || {
            let event = catch_unwind(AssertUnwindSafe(work));
            let broken = |_| Event::Broken(io::Error::other("a thread panicked"));
            // Nobody listens once the session is over.
            let _ = events.send(event.unwrap_or_else(broken));
        })?;
        Ok(())
    }

    /// Reads messages until there are none.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn read(&self, mut input: impl BufRead + Send + 'static) -> io::Result<()> {
        let events = self.0.clone();
        thread::Builder::new().spawn(move || {
            loop {
                let event = wire::read(&mut input).map_or_else(Event::Broken, Event::Incoming);
                let is_last = matches!(event, Event::Broken(_) | Event::Incoming(Incoming::End));
                if events.send(event).is_err() || is_last {
                    return;
                }
            }
        })?;
        Ok(())
    }
}
