//! `watchbell demo`: eight days of a fleet's metrics, then an incident in virtual time, told as it happens.

mod backfill;
mod cast;
mod event;
mod ledger;
mod live;
mod mailbox;
mod play;
mod teller;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use crate::cli::exit::fail;
use crate::cli::progress::Progress;
use crate::clock::{Clock, Stopwatch, SystemClock, VirtualClock};
use crate::fleet::{Fleet, Incident, SCRAPE_INTERVAL};
use crate::history::{History, Limits, OpenError};
use crate::service::listen;
use crate::state::MemoryStore;
use crate::tsdb::{Tsdb, TsdbOptions};

use backfill::{Stage, StageError};
use cast::Cast;
use ledger::Ledger;
use mailbox::Mailbox;
use play::PlayError;
use teller::Teller;

/// Play an incident of a machine-learning fleet, from metrics to pages.
///
/// Eight days of a synthetic fleet's metrics are made and stored, then seven hours are played in virtual time through
/// the engine that `run` uses. Nothing leaves the process: each notification is shown as its receiver would get it.
#[derive(Args, Debug)]
pub struct Demo {
    /// Print one JSON object a line instead of a story.
    #[arg(long)]
    json: bool,
    /// Afterwards, go on as a server over the fleet, in real time.
    #[arg(long)]
    serve: bool,
    /// Where to listen with --serve.
    #[arg(long = "web.listen-address", value_name = "HOST:PORT", default_value = "127.0.0.1:9095")]
    listen_address: String,
    /// Another seed is another fleet.
    #[arg(long, default_value_t = SEED)]
    seed: u64,
}

/// The fleet that is played unless another one is asked for.
const SEED: u64 = 7;
/// How long a history the fleet has when the incident begins, milliseconds.
const HISTORY: i64 = 8 * 86_400_000;
/// When the incident begins, unless it is to end now: Monday, 2 March 2026, 06:00 UTC.
const BEGIN: i64 = 1_772_431_200_000;

impl Demo {
    /// Plays.
    pub fn execute(&self) -> ExitCode {
        // Before anything is played for nothing.
        if let Some(e) = self.serve.then(|| listen::probe([self.listen_address.as_str()]).err()).flatten() {
            return fail(&e);
        }
        let memory = match self.serve.then(Memory::open).transpose() {
            Ok(memory) => memory,
            Err(e) => return fail(&e),
        };
        let history = memory.as_ref().map(|memory| &memory.history);
        match self.play(history) {
            Ok((stage, cast, store)) if self.serve => {
                let parts = (store, history.cloned());
                live::serve(stage, cast, parts, &self.listen_address).unwrap_or_else(|e| fail(&e))
            }
            Ok(_) => ExitCode::SUCCESS,
            Err(DemoError::Play(PlayError::Output(e))) => super::written(Err(e)),
            Err(e) => fail(&e),
        }
    }

    fn play(&self, history: Option<&History>) -> Result<(Stage, Cast, MemoryStore), DemoError> {
        let watch = Stopwatch::start();
        // Who looks at it afterwards finds it at its height, where it stays.
        let (fleet, length, begin) = match self.serve {
            true => {
                let now = SystemClock.now() / SCRAPE_INTERVAL * SCRAPE_INTERVAL;
                (Fleet::held(self.seed, BEGIN - HISTORY, BEGIN), Incident::HEIGHT, now - Incident::HEIGHT)
            }
            false => (Fleet::new(self.seed, BEGIN - HISTORY, BEGIN), Incident::LENGTH, BEGIN),
        };
        let external_url = format!("http://{}", self.listen_address);
        let cast = Cast::new(&external_url).map_err(DemoError::Cast)?;
        let storage = Tsdb::in_memory_with(TsdbOptions { retention_ms: 30 * 86_400_000 });
        let stage = Stage::new(fleet, storage, begin - BEGIN).map_err(PlayError::from)?;
        self.backfill(&stage, begin)?;

        let store = MemoryStore::default();
        let clock = VirtualClock::at(begin);
        let mailbox =
            Mailbox::new(&cast.routing, &external_url, Arc::new(clock.clone())).map_err(DemoError::Receivers)?;
        let mut ledger = Ledger::default();
        let mut out = std::io::stdout().lock();
        let teller = Teller { colour: out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) };
        let json = self.json;
        let state = Arc::new(store.clone());
        let kept = play::Kept { store: state, history };
        play::play(&stage, cast.setup.clone(), mailbox, kept, clock, length, &mut |event| {
            ledger.note(event);
            match json {
                true => writeln!(out, "{}", event.to_json()),
                false => out.write_all(teller.tell(event).as_bytes()),
            }
        })?;
        if json {
            writeln!(out, "{}", ledger.to_json(begin + length)).map_err(PlayError::from)?;
        } else {
            let seconds = watch.elapsed().as_secs_f64();
            let table = ledger.table();
            let played = hours(length);
            writeln!(out, "\n{table}\n{played} of virtual time and 8 days before them in {seconds:.1} s.")
                .map_err(PlayError::from)?;
        }
        out.flush().map_err(PlayError::from)?;
        Ok((stage, cast, store))
    }

    fn backfill(&self, stage: &Stage, begin: i64) -> Result<(), DemoError> {
        let rows = usize::try_from(HISTORY / SCRAPE_INTERVAL).unwrap_or(0);
        let series = stage.fleet().series().len();
        let watch = Stopwatch::start();
        let mut progress = Progress::new(format!("backfilling 8 days of {series} series"), series);
        stage.backfill(begin - HISTORY, rows, |done| progress.show(done)).map_err(PlayError::from)?;
        let stats = stage.storage().stats();
        let samples = stats.floats_appended;
        let seconds = watch.elapsed().as_secs_f64().max(1e-3);
        let bytes = stats.head_chunk_bytes as f64 / (stats.head_chunk_samples.max(1)) as f64;
        progress.finish(&format!(
            "{samples} samples of {series} series in {seconds:.1} s: {:.1} million a second, {bytes:.2} bytes a sample",
            samples as f64 / seconds / 1e6,
        ));
        Ok(())
    }
}

/// The history of what is played, for those who look at it afterwards; it goes with the process.
struct Memory {
    dir: PathBuf,
    history: History,
}

impl Memory {
    fn open() -> Result<Memory, OpenError> {
        let dir = std::env::temp_dir().join(format!("watchbell-demo-{}", std::process::id()));
        let history = History::open(&dir, Limits::default())?;
        Ok(Memory { dir, history })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // Whoever clears away temporary files finds what stays.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// The fleet's history with the incident at its end: from `start` on, or all of it, to `end` at most. Gives also from when
/// to when there is some.
///
/// # Errors
/// It cannot be stored.
pub(super) fn history(start: Option<i64>, end: Option<i64>) -> Result<(Tsdb, (i64, i64)), StageError> {
    let (first, last) = (BEGIN - HISTORY, BEGIN + Incident::LENGTH);
    // The fleet is scraped at these times, wherever one begins.
    let start =
        start.map_or(first, |start| first + (start.clamp(first, last) - first) / SCRAPE_INTERVAL * SCRAPE_INTERVAL);
    let end = end.map_or(last, |end| end.clamp(start, last));
    let stage =
        Stage::new(Fleet::new(SEED, first, BEGIN), Tsdb::in_memory_with(TsdbOptions { retention_ms: i64::MAX }), 0)?;
    let (rows, series) = ((end - start) / SCRAPE_INTERVAL + 1, stage.fleet().series().len());
    let mut progress = Progress::new("making the fleet's history", series);
    stage.backfill(start, usize::try_from(rows).unwrap_or(0), |done| progress.show(done))?;
    progress.clear();
    Ok((stage.storage().clone(), (first, last)))
}

/// A time in hours, and what is over them in minutes.
fn hours(millis: i64) -> String {
    match (millis / 3_600_000, millis / 60_000 % 60) {
        (hours, 0) => format!("{hours} hours"),
        (hours, minutes) => format!("{hours} hours and {minutes} minutes"),
    }
}

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error(transparent)]
    Play(#[from] PlayError),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Cast(Vec<crate::model::Diagnostic>),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Receivers(Vec<crate::notify::receivers::SetupError>),
}
