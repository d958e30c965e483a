//! Receivers: a name and a list of integrations of each kind. One file a kind or a family of kinds.

mod chat;
mod email;
mod googlechat;
mod incident;
mod jira;
mod mattermost;
mod opsgenie;
mod pagerduty;
mod plot;
mod rocketchat;
mod slack;
mod sns;
mod teams;
mod telegram;
mod webhook;
mod wechat;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub use self::chat::{DiscordConfig, PushoverConfig, WebexConfig};
pub use self::email::{EmailConfig, EmailThreading};
pub use self::googlechat::GoogleChatConfig;
pub use self::incident::{IncidentioConfig, VictorOpsConfig};
pub use self::jira::{JiraConfig, JiraField};
pub use self::mattermost::{
    MattermostAttachment, MattermostConfig, MattermostField, MattermostPriority, MattermostProps,
};
pub use self::opsgenie::{OpsgenieConfig, OpsgenieResponder};
pub use self::pagerduty::{PagerdutyConfig, PagerdutyImage, PagerdutyLink};
pub use self::plot::MessagePlot;
pub use self::rocketchat::{RocketchatAction, RocketchatConfig, RocketchatField};
pub use self::slack::{SlackAction, SlackConfig, SlackConfirmation, SlackField};
pub use self::sns::SnsConfig;
pub use self::teams::{MsTeamsConfig, MsTeamsV2Config};
pub use self::telegram::TelegramConfig;
pub use self::webhook::WebhookConfig;
pub use self::wechat::WechatConfig;
use super::Global;
use crate::config::http::HttpClientConfig;
use crate::config::secret::{Secret, join_dir};
use crate::config::yaml::{Decode, Decoder, MapReader, Node, Section};
use crate::model::Position;
use crate::section;

/// What all integrations have in common.
pub trait Integration {
    /// The kind's name, as in `slack_configs` without the suffix.
    const KIND: &'static str;

    /// Whether it wants to hear of resolved alerts.
    fn send_resolved(&self) -> bool;

    /// Takes from the global section what it lacks; gives what is missing there too.
    ///
    /// # Errors
    /// What is missing.
    fn fill(&mut self, global: &Global) -> Result<(), String>;

    /// Its HTTP client's settings, for kinds that have one.
    fn http(&self) -> Option<&HttpClientConfig>;

    /// The same, to be settled.
    fn http_config(&mut self) -> Option<&mut Option<HttpClientConfig>>;

    /// The plot of its messages; none for kinds that carry no picture.
    fn plot(&self) -> MessagePlot {
        MessagePlot::default()
    }

    /// The files it names, to be made relative to the configuration's folder.
    fn paths(&mut self) -> Vec<&mut String> {
        Vec::new()
    }
}

/// Declares the receiver and walks its lists: one row a kind.
macro_rules! receiver {
    ($($field:ident: $config:ident),* $(,)?) => {
        section! {
            /// Whom to tell, and by which integrations.
            pub struct Receiver as "receiver" with check {
                /// What routes call it.
                name: String,
                /// Labels for metrics.
                labels: BTreeMap<String, String>,
                $(
                    #[doc = concat!("Integrations of the kind of [`", stringify!($config), "`].")]
                    $field: Vec<$config>,
                )*
            }
            inline {
                /// The files that its integrations name.
                files: NamedFiles,
            }
        }

        impl Receiver {
            /// Takes from the global section what integrations lack; reports what is missing there too.
            pub(super) fn fill(&mut self, global: &Global, node: &Node, d: &Decoder) {
                $(self.files.0.extend(fill_all(&mut self.$field, global, node.get(stringify!($field)), d));)*
            }

            /// Makes the files it names relative to a configuration file's folder.
            pub(super) fn resolve_paths(&mut self, dir: &Path) {
                $(self.$field.iter_mut().for_each(|c| resolve(c, dir));)*
                self.files.0.iter_mut().for_each(|file| file.path = join_dir(dir, &file.path));
            }

            /// The settings of all integrations' HTTP clients.
            pub fn http_clients(&self) -> Vec<&HttpClientConfig> {
                let mut all = Vec::new();
                $(all.extend(self.$field.iter().filter_map(Integration::http));)*
                all
            }

            /// Kind, place among its kind, and the plot, of every integration whose messages have one.
            pub fn plots(&self) -> Vec<(&'static str, usize, MessagePlot)> {
                let mut all = Vec::new();
                $(all.extend(plots(&self.$field));)*
                all
            }

            /// Kind, place among its kind, and whether it wants to hear of resolved alerts, of every integration.
            pub fn integrations(&self) -> Vec<(&'static str, usize, bool)> {
                let mut all = Vec::new();
                $(all.extend(list(&self.$field));)*
                all
            }
        }
    };
}

// In the order in which Alertmanager builds them.
receiver! {
    webhook_configs: WebhookConfig,
    email_configs: EmailConfig,
    pagerduty_configs: PagerdutyConfig,
    opsgenie_configs: OpsgenieConfig,
    wechat_configs: WechatConfig,
    slack_configs: SlackConfig,
    victorops_configs: VictorOpsConfig,
    pushover_configs: PushoverConfig,
    sns_configs: SnsConfig,
    telegram_configs: TelegramConfig,
    discord_configs: DiscordConfig,
    webex_configs: WebexConfig,
    msteams_configs: MsTeamsConfig,
    msteamsv2_configs: MsTeamsV2Config,
    jira_configs: JiraConfig,
    rocketchat_configs: RocketchatConfig,
    mattermost_configs: MattermostConfig,
    incidentio_configs: IncidentioConfig,
    // Ours.
    googlechat_configs: GoogleChatConfig,
}

impl Receiver {
    fn check(&mut self, m: &MapReader) {
        if self.name.is_empty() {
            m.error("name", "missing name in receiver");
        }
    }
}

/// A file that an integration names.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedFile {
    /// Its path.
    pub path: String,
    /// The configuration file, and where in it the file is named; the integration's place where its name stands elsewhere.
    pub at: (Arc<str>, Position),
}

/// Files that the integrations of a receiver name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedFiles(pub Vec<NamedFile>);

impl NamedFiles {
    /// No keys: they are found out.
    pub fn section() -> Section {
        Section { label: "", about: "", keys: Vec::new(), inline: Vec::new() }
    }

    /// None yet: they are known when the global section's values are filled in.
    pub fn read(_: &MapReader) -> Self {
        NamedFiles::default()
    }
}

/// Fills a list's integrations; gives the files they name.
fn fill_all<I: Integration + Decode>(
    list: &mut [I],
    global: &Global,
    node: Option<&Node>,
    d: &Decoder,
) -> Vec<NamedFile> {
    let nodes = node.and_then(Node::items).unwrap_or_default().iter().filter(|n| n.entries().is_some());
    let mut files = Vec::new();
    for (integration, node) in list.iter_mut().zip(nodes) {
        if let Err(missing) = integration.fill(global) {
            d.error(node.position, missing);
        }
        if let Some(own) = integration.http_config() {
            own.get_or_insert_with(|| global.http_config.clone());
        }
        d.filled(node, &*integration);
        for path in integration.paths().into_iter().filter(|path| !path.is_empty()) {
            let named = node.entries().and_then(|all| all.iter().find(|(_, v)| v.text() == Some(path.as_str())));
            let at = d.spot(named.map_or(node.position, |(_, value)| value.position));
            files.push(NamedFile { path: path.clone(), at });
        }
    }
    files
}

fn resolve<I: Integration>(integration: &mut I, dir: &Path) {
    if let Some(Some(http)) = integration.http_config() {
        http.resolve_paths(dir);
    }
    for path in integration.paths() {
        *path = join_dir(dir, path);
    }
}

fn list<I: Integration>(configs: &[I]) -> impl Iterator<Item = (&'static str, usize, bool)> {
    configs.iter().enumerate().map(|(i, c)| (I::KIND, i, c.send_resolved()))
}

fn plots<I: Integration>(configs: &[I]) -> impl Iterator<Item = (&'static str, usize, MessagePlot)> {
    configs.iter().enumerate().map(|(i, c)| (I::KIND, i, c.plot())).filter(|(.., plot)| plot.is_on())
}

/// Takes a secret and its file from the global section when neither is set; whether one is set then.
fn fill_secret(own: (&mut Secret, &mut String), global: (&Secret, &String)) -> bool {
    if own.0.is_empty() && own.1.is_empty() {
        own.0.clone_from(global.0);
        own.1.clone_from(global.1);
    }
    !own.0.is_empty() || !own.1.is_empty()
}

/// Implements [`Integration`] for a kind whose section is complete by itself.
macro_rules! integration {
    ($config:ident as $kind:literal $(, paths: [$($path:ident),*])? $(, fill: $fill:ident)? $(, plot: $plot:ident)?) => {
        impl $crate::config::alertmanager::receivers::Integration for $config {
            const KIND: &'static str = $kind;

            fn send_resolved(&self) -> bool {
                self.send_resolved
            }

            fn fill(&mut self, _global: &$crate::config::alertmanager::Global) -> Result<(), String> {
                $(self.$fill(_global)?;)?
                Ok(())
            }

            fn http(&self) -> Option<&$crate::config::http::HttpClientConfig> {
                self.http_config.as_ref()
            }

            fn http_config(&mut self) -> Option<&mut Option<$crate::config::http::HttpClientConfig>> {
                Some(&mut self.http_config)
            }

            $(fn plot(&self) -> $crate::config::alertmanager::receivers::MessagePlot {
                self.$plot
            })?

            fn paths(&mut self) -> Vec<&mut String> {
                vec![$($(&mut self.$path),*)?]
            }
        }
    };
}
use integration;

/// Reports a template that does not parse, or that calls what does not exist.
fn check_template(key: &str, template: &str, m: &MapReader) {
    if let Err(e) = crate::template::alertmanager::Templates::default().parse(template) {
        m.error(key, format!("invalid template syntax: {e}"));
    }
}
