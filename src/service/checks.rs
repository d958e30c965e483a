//! What a configuration makes a service build, built for the sake of its defects: what passes here starts.

use std::path::Path;
use std::sync::Arc;

use crate::clock::SystemClock;
use crate::config::alertmanager::Receiver;
use crate::config::alertmanager::receivers::MessagePlot;
use crate::config::{self, AlertmanagerConfig, Config, Datasource, Discoveries};
use crate::model::Diagnostic;
use crate::net;
use crate::notify::receivers::Integrations;
use crate::template::alertmanager::Templates;

use super::traces;

/// What cannot be built of a configuration: the clients of scrapes, remote writes, Alertmanagers, the datasource, the
/// heartbeat and the collector of traces.
pub fn unbuildable(config: &Config) -> Vec<Diagnostic> {
    let datasource = match &config.watchbell.datasource {
        Datasource::Local => None,
        Datasource::Remote(remote) => Some(&remote.http),
    };
    let scrapes = config.scrape_configs.iter().map(|c| &c.http);
    let writes = config.remote_write.iter().map(|c| &c.http);
    let alertmanagers = config.alerting.alertmanagers.iter().map(|c| &c.http);
    let heartbeat = config.watchbell.heartbeat.iter().map(|c| &c.http);
    let of_scrapes = config.scrape_configs.iter().map(|c| &c.discovery);
    let of_alertmanagers = config.alerting.alertmanagers.iter().map(|c| &c.discovery);
    let discoveries = of_scrapes.chain(of_alertmanagers).flat_map(Discoveries::http_clients);
    let all = scrapes.chain(discoveries).chain(writes).chain(alertmanagers).chain(datasource).chain(heartbeat);
    let mut defects: Vec<Diagnostic> = all.filter_map(|http| net::check(http).err()).collect();
    defects.extend(config.tracing.iter().filter(|t| t.refused().is_none()).filter_map(|t| traces::check(t).err()));
    defects
}

/// The plots of messages that a service which evaluates no rules could never draw.
pub(super) fn plots_without_rules(path: &Path, config: &AlertmanagerConfig) -> Vec<Diagnostic> {
    let file = path.to_string_lossy().into();
    // It was read a moment ago; without it the defects have no places.
    let text = config::read_text(path).unwrap_or_default();
    let of_receiver = |receiver: &Receiver| {
        let defect = |(kind, index, _): (&str, usize, MessagePlot)| {
            let list = format!("{kind}_configs");
            let at = AlertmanagerConfig::position_of(&text, &receiver.name, &list, index, "plot");
            Diagnostic::new(
                &file,
                at,
                "plot has no effect: Watchbell draws what its own rules measure, and evaluates none here",
            )
        };
        receiver.plots().into_iter().map(defect).collect::<Vec<_>>()
    };
    config.receivers.iter().flat_map(of_receiver).collect()
}

/// What cannot be built of a routing configuration: its integrations. Files of secrets count too, without which a
/// receiver starts and fails at each message.
pub fn unbuildable_receivers(config: &AlertmanagerConfig) -> Vec<Diagnostic> {
    let built = Integrations::new(config, Templates::default(), "", Arc::new(SystemClock));
    let mut defects = config.refused();
    defects.extend(config.tracing.iter().filter_map(|tracing| traces::check(tracing).err()));
    defects.extend(config.watchbell.heartbeat.iter().filter_map(|heartbeat| net::check(&heartbeat.http).err()));
    defects.extend(built.err().unwrap_or_default().into_iter().map(|e| e.defect));
    for receiver in config.receivers.iter() {
        defects.extend(receiver.http_clients().into_iter().filter_map(|http| net::check_secret_files(http).err()));
        defects.extend(receiver.files.0.iter().filter(|file| !Path::new(&file.path).is_file()).map(|file| {
            let (name, at) = &file.at;
            Diagnostic::new(name, *at, format!("unable to read file {}: no such file", file.path))
        }));
        let tls = receiver.email_configs.iter().filter_map(|mail| mail.tls_config.as_ref());
        defects.extend(tls.filter_map(|tls| net::check_tls(tls).err()));
    }
    // What stands in the global section is told once.
    let mut told: Vec<Diagnostic> = Vec::new();
    defects.retain(|defect| {
        let new = !told.contains(defect);
        told.extend(new.then(|| defect.clone()));
        new
    });
    defects
}
