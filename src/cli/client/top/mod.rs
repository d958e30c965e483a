//! `watchbell top`: the page of now in a terminal.
//!
//! ```text
//! keys ──► Model ──► Wish ──► Asker (a thread of its own: a server that hangs never holds up the screen)
//!            ▲                  │
//!            └──── Answer ◄─────┘        Answer ──► rows ──► Model ──► draw
//! ```

mod asker;
mod draw;
mod model;
mod rows;
mod screen;
#[cfg(test)]
mod tests;
mod view;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::api::Api;
use super::flags::{ClientFlags, Output, Settings};
use super::{matchers, times};
use crate::cli::arguments::duration_arg;
use crate::cli::exit::{fail, written};
use crate::cli::terminal;
use asker::{Asker, Wanted};
use model::Model;
use screen::Screen;
use view::{Answer, Looked, Wish};

/// How long keys are waited for before answers are looked at.
const TICK: Duration = Duration::from_millis(100);
/// The service is asked no more often, milliseconds.
const SHORTEST_INTERVAL: i64 = 250;

/// Watch what fires in a terminal: alerts as their receivers see them, what is pending, receivers, the last decisions.
///
/// Keys explain, acknowledge and silence; `?` shows them. Without a terminal, `--once` writes one plain view, and
/// `-o json` one as JSON.
#[derive(Args, Debug)]
pub struct Top {
    /// How often the service is asked; 250ms or more.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = interval_arg)]
    interval: i64,
    /// Write one plain view and end.
    #[arg(long)]
    once: bool,
    /// Show what goes to receivers of this name, a regular expression.
    #[arg(long, value_name = "REGEX")]
    receiver: Option<String>,
    /// Who makes silences [default: what amtool's file says, else the user].
    #[arg(short = 'a', long)]
    author: Option<String>,
    /// Matchers: show alerts that match. A first argument that is none is an alert's name.
    #[arg(value_name = "MATCHER")]
    matchers: Vec<String>,
    #[command(flatten)]
    client: ClientFlags,
}

impl Top {
    /// Shows it until a key ends it.
    pub fn execute(&self) -> ExitCode {
        let begun = self.client.settings().and_then(|settings| Ok((self.wanted()?, settings)));
        let (wanted, mut settings) = match begun {
            Ok(begun) => begun,
            Err(e) => return fail(&e),
        };
        settings.author = self.author.clone().unwrap_or(settings.author);
        if self.once || settings.output == Output::Json {
            return match once(&wanted, &settings) {
                Ok(text) => written(std::io::stdout().write_all(text.as_bytes()).map(|()| 0)),
                Err(e) => fail(&e),
            };
        }
        if let Some(other) = terminal::missing() {
            let _ = fail(&format!("top: {other} is no terminal; --once writes one plain view, -o json one as JSON"));
            return ExitCode::from(2);
        }
        match self.watch(wanted, settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => fail(&e),
        }
    }

    fn wanted(&self) -> Result<Wanted, String> {
        let matchers = matchers::matchers(&self.matchers)?;
        Ok(Wanted { matchers, receiver: self.receiver.clone() })
    }

    fn watch(&self, wanted: Wanted, settings: Settings) -> Result<(), String> {
        let mut model = Model::new(&settings.url, settings.comment_required, self.interval);
        let asker = Asker::start(wanted, settings)?;
        // From here on the terminal is ours, and is given back when this goes out of scope, however that comes.
        let mut screen = Screen::open().map_err(|e| format!("the terminal: {e}"))?;
        let (mut asked_at, mut is_looking) = (i64::MIN, false);
        loop {
            let now = times::now();
            if !is_looking && now.saturating_sub(asked_at) >= self.interval {
                is_looking = asker.ask(Wish::Look { all: model.shows_all() });
                asked_at = now;
            }
            screen.draw(|area, buffer| draw::draw(&model, (area, buffer), terminal::colour(), now))?;
            match screen.next(TICK)? {
                Some(screen::Input::Key(key)) => match model.key(key) {
                    Wish::Nothing => {}
                    Wish::Quit => return Ok(()),
                    Wish::Redraw => screen.forget()?,
                    Wish::Look { .. } => asked_at = i64::MIN,
                    wish => {
                        if !asker.ask(wish) {
                            model.answer(Answer::Done(Err("other questions wait for their answers".into())), now);
                        }
                    }
                },
                Some(screen::Input::End) => return Ok(()),
                None => {}
            }
            while let Some(answer) = asker.answer()? {
                if let Answer::Looked(_) = answer {
                    is_looking = false;
                } else {
                    // What was asked for may show at once.
                    asked_at = i64::MIN;
                }
                model.answer(answer, times::now());
            }
        }
    }
}

fn interval_arg(text: &str) -> Result<i64, String> {
    let interval = duration_arg(text)?;
    let is_enough = interval >= SHORTEST_INTERVAL;
    is_enough.then_some(interval).ok_or_else(|| format!("expected {SHORTEST_INTERVAL}ms or more, found {text}"))
}

/// One view: plain, or what the server said.
fn once(wanted: &Wanted, settings: &Settings) -> Result<String, String> {
    let Looked { now, decisions } = asker::look(&Api::new(settings)?, wanted, false)?;
    if settings.output == Output::Json {
        return serde_json::to_string_pretty(&now).map(|json| json + "\n").map_err(|e| e.to_string());
    }
    let time = times::shown(&times::rfc3339(now.time.0), settings);
    Ok(draw::plain(&Looked { now, decisions }, &settings.url, &time))
}
