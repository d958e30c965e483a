//! Who plays: the mission's rules, its routing with an e-mail receiver added, and the engine's setup made of them.

use std::sync::Arc;

use crate::alerting::GroupSpec;
use crate::alerting::spec::GroupDefaults;
use crate::config::alertmanager::receivers::EmailConfig;
use crate::config::alertmanager::{AlertmanagerConfig, HostPort, Matchers, Receiver, RouteConfig};
use crate::config::yaml::Sparse;
use crate::engine::Setup;
use crate::fleet::SCRAPE_INTERVAL;
use crate::model::{Diagnostic, MatchOp, Matcher};
use crate::routing::RoutingConfig;
use crate::rules::{LoadOptions, load_str};
use crate::service::packs;

/// The receiver the demo adds.
const EMAIL_RECEIVER: &str = "email-ml-oncall";
/// Its plain text, beside the HTML that is there by default.
const EMAIL_TEXT: &str = "{{ range .Alerts }}{{ .Status }}: {{ .Annotations.summary }}\n{{ end }}";

/// What is played.
pub struct Cast {
    /// The engine's setup.
    pub setup: Setup,
    /// The routing configuration, with every receiver.
    pub routing: Arc<AlertmanagerConfig>,
    /// Its text.
    pub routing_text: String,
}

impl Cast {
    /// The mission's rules and routing, as given, and an e-mail for everything critical.
    ///
    /// # Errors
    /// They do not load.
    pub fn new(external_url: &str) -> Result<Cast, Vec<Diagnostic>> {
        let groups = load_str(packs::MISSION_RULES.name, packs::MISSION_RULES.text, &LoadOptions::default())?;
        let defaults = GroupDefaults { interval: SCRAPE_INTERVAL, query_offset: 0 };
        let loaded = AlertmanagerConfig::load_str(packs::MISSION_ROUTING.name, packs::MISSION_ROUTING.text)?;
        let mut config = loaded.config;
        add_email(&mut config);
        Ok(Cast {
            setup: Setup {
                groups: groups.iter().map(|g| Arc::new(GroupSpec::of(g, &defaults))).collect(),
                routing: Some(Arc::new(RoutingConfig::of(&config))),
                external_url: external_url.into(),
                ..Setup::default()
            },
            routing: Arc::new(config),
            routing_text: loaded.masked,
        })
    }
}

fn add_email(config: &mut AlertmanagerConfig) {
    let email = EmailConfig {
        send_resolved: true,
        to: "ml-oncall@example.com".into(),
        from: "watchbell@example.com".into(),
        hello: "localhost".into(),
        text: EMAIL_TEXT.into(),
        smarthost: HostPort { host: "localhost".into(), port: "25".into() },
        ..EmailConfig::default()
    };
    let Sparse(receivers) = &mut config.receivers;
    receivers.push(Receiver { name: EMAIL_RECEIVER.into(), email_configs: vec![email], ..Receiver::default() });
    // A severity that is equal needs no pattern, so this always is a matcher.
    let critical = Matcher::new(MatchOp::Equal, "severity", "critical").into_iter().collect();
    let route = RouteConfig {
        receiver: EMAIL_RECEIVER.into(),
        matchers: Matchers(critical),
        continue_matching: true,
        ..RouteConfig::default()
    };
    if let Some(root) = &mut config.route {
        root.routes.insert(0, route);
    }
}
