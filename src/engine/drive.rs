//! The loop that every driver shares: hand events to the engine, perform what comes back in order, hand the outcomes
//! back. [`turn`] is the one function through which anything happens, in the server as in the demo and in tests.

use std::collections::VecDeque;
use std::ops::DerefMut;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::alerting::group::World;
use crate::alerting::series::RuleSample;
use crate::alerting::{Evaluated, Evaluation};
use crate::clock::VirtualClock;
use crate::history::Decision;
use crate::notify::{Notification, Outcome};
use crate::state::{Batch, Snapshot, StateError, StateStore};

use super::{Effect, Engine, Event, Options, OutgoingAlert, Setup, SilenceAnswer, Ticket};

/// What performs effects. Outcomes come back to the engine as events, at once or later.
pub trait Hands {
    /// Records decisions. Called before anything that follows from them is stored or leaves the process.
    fn record(&mut self, decisions: Vec<Decision>);
    /// Applies a batch to the state store, and what it has not taken before. Only after this returns does anything that
    /// follows leave the process. A turn calls it once, also when there is nothing new to store.
    ///
    /// # Errors
    /// The store has not taken all of it. What follows leaves all the same: a failing disk keeps no page back.
    fn persist(&mut self, batch: Batch) -> Result<(), StateError>;
    /// Writes samples.
    fn append(&mut self, samples: Vec<RuleSample>);
    /// Evaluates, or has someone evaluate.
    fn evaluate(&mut self, evaluation: Evaluation);
    /// Delivers, or has someone deliver.
    fn deliver(&mut self, notification: Notification);
    /// Sends alerts to external Alertmanagers.
    fn send(&mut self, alerts: Vec<OutgoingAlert>);
}

/// What became of a turn, for those who asked for it.
#[derive(Debug)]
#[must_use = "who asked for something is to be told whether it was stored"]
pub struct Turned {
    /// Whether the store has all that the engine knows.
    pub stored: Result<(), StateError>,
    /// What the engine answered, in the order in which it was asked.
    pub answers: Vec<(Ticket, SilenceAnswer)>,
}

/// An engine that can be taken hold of for a moment.
pub trait Access {
    /// Takes hold of it until what is returned goes.
    fn access(&mut self) -> impl DerefMut<Target = Engine>;
}

impl Access for Engine {
    fn access(&mut self) -> impl DerefMut<Target = Engine> {
        self
    }
}

impl Access for Arc<Mutex<Engine>> {
    fn access(&mut self) -> impl DerefMut<Target = Engine> {
        self.lock()
    }
}

/// One turn: the engine takes in `events` at `now`, and `hands` perform the effects. What the events make durable goes to
/// the store as one batch, before anything else. The engine is let go before effects are performed, so that whoever looks
/// at it is not held up by a disk.
pub fn turn(
    engine: &mut impl Access,
    now: i64,
    events: impl IntoIterator<Item = Event>,
    hands: &mut dyn Hands,
) -> Turned {
    let effects = engine.access().turn(now, events);
    let turned = perform(effects, hands);
    if turned.stored.is_err() {
        let told = turned.answers.iter().filter_map(|(_, answer)| answer.clone().ok());
        engine.access().router.silences.doubt(told);
    }
    turned
}

/// Performs effects: what is to be recorded first, then all that is to be stored, in one batch, then the rest in order.
fn perform(effects: Vec<Effect>, hands: &mut dyn Hands) -> Turned {
    let mut batch = Batch::default();
    let mut rest = Vec::with_capacity(effects.len());
    for effect in effects {
        match effect {
            Effect::Record(decisions) => hands.record(decisions),
            Effect::Persist(part) => batch.merge(part),
            other => rest.push(other),
        }
    }
    let mut turned = Turned { stored: hands.persist(batch), answers: Vec::new() };
    for effect in rest {
        match effect {
            // Performed above.
            Effect::Record(_) | Effect::Persist(_) => {}
            Effect::Answer(ticket, answer) => turned.answers.push((ticket, answer)),
            Effect::Append(samples) => hands.append(samples),
            Effect::Evaluate(evaluation) => hands.evaluate(*evaluation),
            Effect::Deliver(notification) => hands.deliver(*notification),
            Effect::SendToAlertmanagers(alerts) => hands.send(alerts),
        }
    }
    turned
}

/// What a replay shows its audience: everything a person could want to follow.
pub trait Audience {
    /// A group was evaluated, `evaluated.at` being the time.
    fn evaluated(&mut self, _evaluated: &Evaluated, _spec: &crate::alerting::GroupSpec) {}
    /// Decisions were made; only where [`Options::records`] says so.
    fn record(&mut self, _decisions: Vec<Decision>) {}
    /// A notification leaves. Its outcome is what the engine is told.
    fn deliver(&mut self, notification: &Notification) -> Outcome;
    /// Alerts leave for external Alertmanagers.
    fn send(&mut self, _alerts: &[OutgoingAlert]) {}
}

/// Drives an engine in virtual time: evaluations are carried out at once, on the calling thread.
pub struct Replay<'a, A: Audience> {
    engine: Engine,
    clock: VirtualClock,
    hands: ReplayHands<'a, A>,
}

struct ReplayHands<'a, A> {
    world: &'a dyn World,
    store: Arc<dyn StateStore>,
    audience: &'a mut A,
    events: VecDeque<Event>,
}

impl<'a, A: Audience> Replay<'a, A> {
    /// An engine at the time of the clock, going on from what the store holds.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn start(
        options: Options,
        setup: Setup,
        clock: VirtualClock,
        world: &'a dyn World,
        store: Arc<dyn StateStore>,
        audience: &'a mut A,
    ) -> Result<Self, StateError> {
        let state: Snapshot = store.load()?;
        let engine = Engine::start(options, setup, &state, crate::clock::Clock::now(&clock));
        world.open(&engine.groups());
        let hands = ReplayHands { world, store, audience, events: VecDeque::new() };
        let mut replay = Replay { engine, clock, hands };
        replay.turn([])?;
        replay.settle()?;
        Ok(replay)
    }

    /// Plays everything that is due up to and including `until`, and leaves the clock there.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn play_until(&mut self, until: i64) -> Result<(), StateError> {
        while let Some(at) = self.engine.next_deadline().filter(|at| *at <= until) {
            self.clock.advance_to(at);
            self.happen(Event::Tick)?;
        }
        self.clock.advance_to(until);
        Ok(())
    }

    /// Holds the engine up until then, as a disk does that gives no answer: time passes, and nothing is done.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn hold_up_until(&mut self, until: i64) -> Result<(), StateError> {
        self.engine.have_passed(until.saturating_sub(crate::clock::Clock::now(&self.clock)));
        self.clock.advance_to(until);
        self.happen(Event::Tick)
    }

    /// Lets something happen now.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn happen(&mut self, event: Event) -> Result<(), StateError> {
        let reloads = matches!(event, Event::Reloaded(_));
        if reloads {
            self.hands.world.open(&[]);
        }
        self.hands.events.push_back(event);
        self.settle()?;
        if reloads {
            self.hands.world.open(&self.engine.groups());
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), StateError> {
        while let Some(event) = self.hands.events.pop_front() {
            self.turn([event])?;
        }
        Ok(())
    }

    fn turn<const N: usize>(&mut self, events: [Event; N]) -> Result<(), StateError> {
        let now = crate::clock::Clock::now(&self.clock);
        turn(&mut self.engine, now, events, &mut self.hands).stored
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What there is to see now.
    pub fn view(&mut self) -> super::View {
        self.engine.view()
    }

    /// Those who watch.
    pub fn audience(&mut self) -> &mut A {
        self.hands.audience
    }
}

impl<A: Audience> Hands for ReplayHands<'_, A> {
    fn record(&mut self, decisions: Vec<Decision>) {
        self.audience.record(decisions);
    }

    fn persist(&mut self, batch: Batch) -> Result<(), StateError> {
        if batch.is_empty() { Ok(()) } else { self.store.apply(&batch) }
    }

    fn append(&mut self, samples: Vec<RuleSample>) {
        // Staleness markers of rules that are gone: storage that refuses them has nothing to mark.
        let _ = self.world.append(&samples);
    }

    fn evaluate(&mut self, evaluation: Evaluation) {
        let evaluated = evaluation.run(self.world);
        self.audience.evaluated(&evaluated, &evaluation.spec);
        self.events.push_back(Event::Evaluated(Box::new(evaluated)));
    }

    fn deliver(&mut self, notification: Notification) {
        let outcome = self.audience.deliver(&notification);
        self.events.push_back(Event::Delivered { id: notification.id, outcome });
    }

    fn send(&mut self, alerts: Vec<OutgoingAlert>) {
        self.audience.send(&alerts);
    }
}
