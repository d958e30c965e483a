//! Asks the service, on a thread of its own.

use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};

use reqwest::Method;
use serde_json::{Value as Json, json};

use super::super::api::Api;
use super::super::flags::Settings;
use super::super::{silences, table, times};
use super::view::{Answer, Looked, Wish};
use crate::explain::{Explanation, text};
use crate::history::Decision;
use crate::model::{Matcher, printable};

/// Alerts that are asked for, and of one group among others; then the same when all are wanted.
const SOME: [&str; 2] = ["200", "10"];
const ALL: [&str; 2] = ["1000", "1000"];
/// Decisions that are asked for.
const DECISIONS: &str = "50";
/// Most questions that wait.
const MOST_WAITING: usize = 8;

/// Which alerts are shown.
pub(super) struct Wanted {
    pub matchers: Vec<Matcher>,
    pub receiver: Option<String>,
}

/// The thread that asks. It ends with the program, or when nobody listens any more.
pub(super) struct Asker {
    wishes: SyncSender<Wish>,
    answers: Receiver<Answer>,
}

impl Asker {
    /// Starts it.
    ///
    /// # Errors
    /// The client cannot be set up.
    pub fn start(wanted: Wanted, settings: Settings) -> Result<Asker, String> {
        Api::new(&settings)?;
        let (wishes, asked) = sync_channel(MOST_WAITING);
        let (say, answers) = channel();
        let run = move || serve(&wanted, &settings, &asked, &say);
        std::thread::Builder::new().name("top".into()).spawn(run).map_err(|e| e.to_string())?;
        Ok(Asker { wishes, answers })
    }

    /// Whether it takes the wish: not while too many wait.
    pub fn ask(&self, wish: Wish) -> bool {
        self.wishes.try_send(wish).is_ok()
    }

    /// What has come since.
    ///
    /// # Errors
    /// The thread is gone: nothing will come any more.
    pub fn answer(&self) -> Result<Option<Answer>, String> {
        match self.answers.try_recv() {
            Ok(answer) => Ok(Some(answer)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err("the thread that asks the service has ended".into()),
        }
    }
}

fn serve(wanted: &Wanted, settings: &Settings, wishes: &Receiver<Wish>, say: &Sender<Answer>) {
    let api = match Api::new(settings) {
        Ok(api) => api,
        Err(e) => {
            let _ = say.send(Answer::Looked(Err(e)));
            return;
        }
    };
    while let Ok(wish) = wishes.recv() {
        let answer = match wish {
            Wish::Look { all } => Answer::Looked(look(&api, wanted, all)),
            Wish::Explain(fingerprint) => Answer::Explained(explain(&api, &fingerprint)),
            Wish::Silence { matchers, millis, comment } => {
                let now = times::now();
                let period = (now, now.saturating_add(millis));
                let body = silences::body(&matchers, period, &settings.author, &comment);
                let made = api.ask(Method::POST, "/silences", &[], Some(&body));
                Answer::Done(made.map(|answer| format!("silence {} is made", table::text(&answer, "silenceID"))))
            }
            Wish::Acknowledge { fingerprint, comment } => {
                let body = json!({ "createdBy": settings.author, "comment": comment });
                let path = format!("/watchbell/v1/alerts/{fingerprint}/ack");
                Answer::Done(api.own(Method::POST, &path, Some(&body)).map(|_| "acknowledged".into()))
            }
            Wish::Nothing | Wish::Quit | Wish::Redraw => continue,
        };
        if say.send(answer).is_err() {
            return;
        }
    }
}

/// Looks once.
///
/// # Errors
/// What the server has against it, or that it did not answer.
pub(super) fn look(api: &Api, wanted: &Wanted, all: bool) -> Result<Looked, String> {
    let [limit, of_group] = if all { ALL } else { SOME };
    let mut query = vec![("limit", limit.to_owned()), ("group_limit", of_group.to_owned())];
    query.extend(wanted.matchers.iter().map(|m| ("filter", m.to_string())));
    query.extend(wanted.receiver.clone().map(|receiver| ("receiver", receiver)));
    let answer = api.own_with(Method::GET, "/watchbell/v1/now", &query)?;
    let now = serde_json::from_value(answer).map_err(|e| format!("the answer: {e}"))?;
    Ok(Looked { now, decisions: decisions(api, wanted) })
}

fn decisions(api: &Api, wanted: &Wanted) -> Result<Vec<Decision>, String> {
    let mut query = vec![("limit", DECISIONS.to_owned())];
    if !wanted.matchers.is_empty() {
        let all: Vec<String> = wanted.matchers.iter().map(ToString::to_string).collect();
        query.push(("match[]", format!("{{{}}}", all.join(","))));
    }
    let mut answer = api.own_with(Method::GET, "/watchbell/v1/history", &query)?;
    let decisions = answer.get_mut("decisions").map(Json::take).unwrap_or_default();
    serde_json::from_value(decisions).map_err(|e| format!("the answer: {e}"))
}

fn explain(api: &Api, fingerprint: &str) -> Result<String, String> {
    let answer = api.own_with(Method::GET, "/watchbell/v1/explain", &[("alert", fingerprint.to_owned())])?;
    let explained = serde_json::from_value::<Explanation>(answer).map_err(|e| format!("the answer: {e}"))?;
    Ok(text::explanation(&explained).lines().map(|line| printable(line) + "\n").collect())
}
