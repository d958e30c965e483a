//! What a seed decides: the configuration, and which faults come how often. Each kind of fault is left out in about half of
//! the seeds, so that none hides behind another.

use std::sync::Arc;

use watchbell::alerting::{GroupKey, GroupSpec, RuleKind, RuleSpec};
use watchbell::engine::Setup;
use watchbell::model::{Labels, Matcher};
use watchbell::notify::IntegrationId;
use watchbell::promql::{CompileOptions, compile};
use watchbell::routing::config::{GroupBy, InhibitSpec};
use watchbell::routing::{IntegrationSpec, ReceiverSpec, RouteSpec, RoutingConfig, TimeInterval};
use watchbell::rules::PartialResponse;

pub use super::dice::Dice;

pub const S: i64 = 1000;
pub const M: i64 = 60 * S;
pub const INSTANCES: [&str; 2] = ["a", "b"];
pub const TEAMS: usize = 3;

impl Dice {
    fn intensity(&mut self, most: u64) -> u64 {
        if self.chance(500) { 0 } else { 1 + self.below(most) }
    }
}

/// How often what happens, in a thousand steps (crashes: in a thousand turns).
#[derive(Clone, Debug)]
pub struct Mix {
    pub crash: u64,
    pub leap: u64,
    pub reload: u64,
    pub silence: u64,
    pub receiver: u64,
    pub source: u64,
    pub store: u64,
    pub damage: u64,
    /// Rules query what is scraped here, so that after a while without scrapes there is nothing to find.
    pub local: bool,
    /// Evaluations and answers take their time.
    pub latency: bool,
}

/// An alerting rule, and where it stands.
#[derive(Clone, Debug)]
pub struct RuleShape {
    pub name: String,
    pub source: usize,
    pub edits: u64,
    pub hold: i64,
    pub keep_firing: i64,
    pub team: usize,
    pub severity: &'static str,
    pub group: usize,
    pub present: bool,
}

#[derive(Clone, Debug)]
pub struct GroupShape {
    pub file: String,
    pub name: String,
    pub interval: i64,
    pub partial: PartialResponse,
}

#[derive(Clone, Debug)]
pub struct ReceiverShape {
    pub name: String,
    pub send_resolved: bool,
    pub integrations: usize,
    pub present: bool,
}

impl ReceiverShape {
    /// Each of its integrations.
    pub fn ids(&self) -> impl Iterator<Item = IntegrationId> {
        let id = |index| IntegrationId { receiver: self.name.as_str().into(), kind: "webhook".into(), index };
        (0..self.integrations).map(id)
    }
}

/// The configuration in force, as the model sees it.
#[derive(Clone, Debug)]
pub struct Shape {
    pub groups: Vec<GroupShape>,
    pub rules: Vec<RuleShape>,
    /// One a team. The first is the root route's and always there.
    pub receivers: Vec<ReceiverShape>,
    pub group_wait: i64,
    pub group_interval: i64,
    pub repeat_interval: i64,
    /// Minutes of the day in which the route of team 1 is mute.
    pub mute: Option<(u32, u32)>,
    /// Minutes of the day in which the route of team 2 is not active.
    pub inactive: Option<(u32, u32)>,
    /// Whether critical alerts mute warnings of the same instance.
    pub inhibits: bool,
    pub by_instance: bool,
    renames: u64,
}

/// An alert that someone posts again and again.
#[derive(Clone, Debug)]
pub struct PosterShape {
    pub labels: Labels,
    pub team: usize,
    pub every: i64,
    /// How far ahead its end is said to be; `None` leaves it to the resolve timeout.
    pub ends_in: Option<i64>,
}

pub struct Scenario {
    pub mix: Mix,
    pub shape: Shape,
    pub posters: Vec<PosterShape>,
    pub steps: u64,
}

impl Scenario {
    pub fn of(dice: &mut Dice) -> Self {
        let mix = Mix {
            crash: dice.intensity(30),
            leap: dice.intensity(20),
            reload: dice.intensity(30),
            silence: dice.intensity(40),
            receiver: dice.intensity(40),
            source: dice.intensity(40),
            store: dice.intensity(30),
            damage: if dice.chance(50) { 300 } else { 0 },
            local: dice.chance(500),
            latency: dice.chance(500),
        };
        let usual = [[S, 2 * S, 5 * S], [5 * S, 15 * S, M], [15 * S, M, 5 * M], [M, 5 * M, 60 * M]];
        let scale = if dice.chance(60) { [S, M, 60 * M] } else { dice.pick(&usual) };
        let group = |dice: &mut Dice, i: usize| GroupShape {
            file: "rules.yaml".into(),
            name: format!("g{i}"),
            interval: dice.pick(&scale),
            partial: if dice.chance(300) { PartialResponse::Warn } else { PartialResponse::Abort },
        };
        let groups: Vec<GroupShape> = (0..2 + dice.index(2)).map(|i| group(dice, i)).collect();
        let rule = |dice: &mut Dice, i: usize| RuleShape {
            name: format!("R{i}"),
            source: i,
            edits: 0,
            hold: dice.pick(&[0, 0, scale[0], 4 * scale[0]]),
            keep_firing: dice.pick(&[0, 0, 0, scale[0], 4 * scale[0]]),
            team: dice.index(TEAMS),
            severity: dice.pick(&["critical", "warning"]),
            group: dice.index(groups.len()),
            present: true,
        };
        let rules = (0..2 + dice.index(4)).map(|i| rule(dice, i)).collect();
        let receiver = |dice: &mut Dice, i: usize| ReceiverShape {
            name: format!("team{i}"),
            send_resolved: dice.chance(750),
            integrations: if dice.chance(250) { 2 } else { 1 },
            present: true,
        };
        // Within an hour, so that a calm need not go on for long.
        let span = |dice: &mut Dice| {
            let from = dice.index(23 * 60) as u32;
            dice.chance(300).then_some((from, from + 1 + dice.index(55) as u32))
        };
        let (mute, inactive) = (span(dice), span(dice));
        let posters = if dice.chance(500) { 0 } else { 1 + dice.index(2) };
        let shape = Shape {
            rules,
            receivers: (0..TEAMS).map(|i| receiver(dice, i)).collect(),
            group_wait: dice.pick(&[0, S, 10 * S, 30 * S]),
            group_interval: dice.pick(&[S, 5 * S, M, 5 * M]).max(scale[0]),
            repeat_interval: dice.pick(&[10 * M, 60 * M]),
            mute,
            inactive,
            inhibits: dice.chance(400),
            by_instance: dice.chance(300),
            renames: 0,
            groups,
        };
        let posters = (0..posters).map(|i| PosterShape::of(dice, i)).collect();
        Scenario { mix, shape, posters, steps: 100 + dice.below(200) }
    }
}

impl PosterShape {
    fn of(dice: &mut Dice, i: usize) -> Self {
        let team = dice.index(TEAMS);
        let labels = alert_labels(&format!("Posted{i}"), "p", "info", team);
        let every = dice.pick(&[5 * S, 15 * S, M]);
        PosterShape { labels, team, every, ends_in: dice.chance(700).then_some(4 * every) }
    }
}

pub fn alert_labels(name: &str, instance: &str, severity: &str, team: usize) -> Labels {
    let team = team.to_string();
    Labels::from_pairs([("alertname", name), ("instance", instance), ("severity", severity), ("team", &team)])
}

impl Shape {
    /// Whom a team's alerts go to.
    pub fn receiver_of(&self, team: usize) -> &ReceiverShape {
        let of_team = &self.receivers[team];
        if of_team.present { of_team } else { &self.receivers[0] }
    }

    /// Whether a team's route is in its mute time interval, or outside of its active ones, at a time.
    pub fn is_mute(&self, team: usize, at: i64) -> bool {
        let minute = at.div_euclid(M).rem_euclid(24 * 60) as u32;
        let span = match team {
            1 => self.mute,
            2 => self.inactive,
            _ => None,
        };
        self.receivers[team].present && span.is_some_and(|(from, to)| from <= minute && minute < to)
    }

    /// Changes something that a reload can change; says what.
    pub fn edit(&mut self, dice: &mut Dice) -> String {
        self.renames += 1;
        let n = self.renames;
        let rule = dice.index(self.rules.len());
        let group = dice.index(self.groups.len());
        match dice.below(9) {
            0 => {
                self.rules[rule].edits += 1;
                format!("the expression of R{rule} is edited")
            }
            1 => {
                self.groups[group].name = format!("g{group}-{n}");
                format!("group {group} is renamed")
            }
            2 => {
                let file = format!("rules-{n}.yaml");
                self.groups.iter_mut().for_each(|g| g.file.clone_from(&file));
                "the rule file is renamed".into()
            }
            3 => {
                self.groups[group].file = format!("moved-{n}.yaml");
                format!("group {group} moves to another file")
            }
            4 => {
                self.rules[rule].group = group;
                format!("R{rule} moves to group {group}")
            }
            5 => {
                self.rules[rule].present ^= true;
                format!("R{rule} is {}", if self.rules[rule].present { "there again" } else { "removed" })
            }
            6 => {
                let team = 1 + dice.index(TEAMS - 1);
                // One that comes back is another one: nobody remembers what it was told.
                self.receivers[team].present ^= true;
                self.receivers[team].name = format!("team{team}-{n}");
                format!(
                    "the receiver of team {team} is {}",
                    if self.receivers[team].present { "there" } else { "gone" }
                )
            }
            7 => {
                let team = dice.index(TEAMS);
                self.receivers[team].name = format!("team{team}-{n}");
                format!("the receiver of team {team} is renamed")
            }
            _ => "nothing is changed".into(),
        }
    }

    pub fn setup(&self) -> Setup {
        let groups = (0..self.groups.len()).map(|i| Arc::new(self.group(i))).filter(|g| !g.rules.is_empty()).collect();
        let routing = Some(Arc::new(self.routing()));
        Setup { groups, routing, external_url: "http://watchbell".into(), ..Setup::default() }
    }

    fn group(&self, index: usize) -> GroupSpec {
        let GroupShape { file, name, interval, partial } = &self.groups[index];
        let rules = self.rules.iter().filter(|r| r.present && r.group == index).map(|r| Arc::new(r.spec())).collect();
        let key = GroupKey { file: file.as_str().into(), name: name.as_str().into() };
        GroupSpec {
            key,
            interval: *interval,
            query_offset: 0,
            eval_offset: None,
            limit: 0,
            partial_response: *partial,
            rules,
        }
    }

    fn routing(&self) -> RoutingConfig {
        let present = || self.receivers.iter().enumerate().filter(|(_, r)| r.present);
        let named = |name: &str, applies: bool| if applies { vec![name.into()] } else { vec![] };
        let route = |(team, r): (usize, &ReceiverShape)| RouteSpec {
            matchers: vec![Matcher::equal("team", team.to_string())],
            receiver: Some(r.name.as_str().into()),
            mute_time_intervals: named("quiet", team == 1 && self.mute.is_some()),
            active_time_intervals: named("busy", team == 2 && self.inactive.is_some()),
            ..RouteSpec::default()
        };
        let receiver = |(_, r): (usize, &ReceiverShape)| {
            let one =
                |id: IntegrationId| IntegrationSpec { kind: id.kind, index: id.index, send_resolved: r.send_resolved };
            (r.name.as_str().into(), ReceiverSpec { integrations: r.ids().map(one).collect() })
        };
        let interval = |times| vec![TimeInterval { times, ..TimeInterval::default() }];
        let quiet = self.mute.map(|span| ("quiet".into(), interval(vec![span])));
        let busy = |(from, to)| ("busy".into(), interval(vec![(0, from), (to, 24 * 60)]));
        let inhibit = InhibitSpec {
            source: vec![Matcher::equal("severity", "critical")],
            target: vec![Matcher::equal("severity", "warning")],
            equal: vec!["instance".into()],
            ..InhibitSpec::default()
        };
        let by: &[&str] = if self.by_instance { &["alertname", "instance"] } else { &["alertname"] };
        RoutingConfig {
            route: RouteSpec {
                receiver: Some(self.receivers[0].name.as_str().into()),
                group_by: Some(GroupBy::Labels(by.iter().map(|l| (*l).into()).collect())),
                group_wait: Some(self.group_wait),
                group_interval: Some(self.group_interval),
                repeat_interval: Some(self.repeat_interval),
                routes: present().skip(1).map(route).collect(),
                ..RouteSpec::default()
            },
            receivers: present().map(receiver).collect(),
            inhibit_rules: if self.inhibits { vec![inhibit] } else { vec![] },
            time_intervals: quiet.into_iter().chain(self.inactive.map(busy)).collect(),
            resolve_timeout: 0,
        }
    }
}

impl RuleShape {
    fn spec(&self) -> RuleSpec {
        let expr = format!("source{}{}", self.source, " > 0".repeat(self.edits.min(3) as usize));
        let team = self.team.to_string();
        RuleSpec {
            terms: None,
            name: self.name.as_str().into(),
            plan: compile(&expr, &CompileOptions::default()).expect("a good expression"),
            expr: expr.into(),
            labels: vec![("severity".into(), self.severity.into()), ("team".into(), team)],
            kind: RuleKind::Alerting { hold: self.hold, keep_firing: self.keep_firing, annotations: vec![] },
        }
    }
}
