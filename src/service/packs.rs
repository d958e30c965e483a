//! The rules and the routing that ship with the program.

/// A file that ships.
#[derive(Clone, Copy, Debug)]
pub struct Pack {
    /// Its name, as messages call it.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// The rules of a machine-learning platform, as its team wrote them.
pub const MISSION_RULES: Pack =
    Pack { name: "rules/ml-production-alerts.yaml", text: include_str!("../../rules/ml-production-alerts.yaml") };

/// The routing of the same team: a Kubernetes Secret that carries an Alertmanager configuration.
pub const MISSION_ROUTING: Pack =
    Pack { name: "receivers/alertmanager-config.yaml", text: include_str!("../../receivers/alertmanager-config.yaml") };

/// Rules about Watchbell itself; each alert has a page in `docs/runbooks/`.
pub const OWN_RULES: Pack = Pack { name: "rules/watchbell.yaml", text: include_str!("../../rules/watchbell.yaml") };

/// The rules that a service without a configuration evaluates: those it has something to say about.
pub const RULES: [Pack; 1] = [OWN_RULES];

/// The rules of the service that a demo leaves.
pub const DEMO_RULES: [Pack; 2] = [MISSION_RULES, OWN_RULES];
