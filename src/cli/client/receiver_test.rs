//! `watchbell receiver test`: a marked message on the way that pages go.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use reqwest::Method;
use serde_json::Value as Json;

use super::api::Api;
use super::flags::{ClientFlags, Settings};
use super::table;
use crate::cli::exit::{fail, written};
use crate::clock::{Clock, WallClock};
use crate::engine::live::Notifier as _;
use crate::instrument::spans::Tracer;
use crate::model::Diagnostic;
use crate::notify::test_message;
use crate::promql::Features;
use crate::routing::RoutingConfig;
use crate::service::{ConfiguredNotifier, Prepared, ServiceOptions, Source};

/// Send a marked test message to every integration of a receiver, and say what became of it. Exit code 0: all took it.
///
/// The running service sends it, or, with a configuration file, this command does.
#[derive(Args, Debug)]
pub struct ReceiverTest {
    /// The receiver's name.
    #[arg(value_name = "NAME")]
    name: String,
    /// An Alertmanager configuration; the message is sent from here as it says.
    #[arg(long = "config.file", alias = "config", value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    client: ClientFlags,
}

/// An integration, and why it was not told; nothing when it was.
type Line = (String, Option<String>);

impl ReceiverTest {
    /// Sends it, and writes a line an integration.
    pub fn execute(&self) -> ExitCode {
        let sent = self.client.settings().and_then(|settings| match &self.file {
            Some(file) => self.send(file),
            None => self.ask(&settings),
        });
        let lines = match sent {
            Ok(lines) => lines,
            Err(e) => return fail(&e),
        };
        let mut out = std::io::stdout().lock();
        let code = i32::from(lines.iter().any(|(_, error)| error.is_some()));
        let wrote = lines.iter().try_for_each(|(integration, error)| match error {
            None => writeln!(out, "{integration}: delivered"),
            Some(error) => writeln!(out, "{integration}: {error}"),
        });
        written(wrote.map(|()| code))
    }

    fn ask(&self, settings: &Settings) -> Result<Vec<Line>, String> {
        let mut path = url::form_urlencoded::byte_serialize(self.name.as_bytes()).collect::<String>();
        // A path has no plus for a blank.
        path = path.replace('+', "%20");
        let answer = Api::new(settings)?.own(Method::POST, &format!("/watchbell/v1/receivers/{path}/test"), None)?;
        let line = |told: &Json| {
            let error = Some(table::text(told, "error").to_owned()).filter(|error| !error.is_empty());
            (format!("{}[{}]", table::text(told, "integration"), told["index"]), error)
        };
        Ok(answer["integrations"].as_array().into_iter().flatten().map(line).collect())
    }

    fn send(&self, file: &Path) -> Result<Vec<Line>, String> {
        let lines = |all: Vec<Diagnostic>| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let prepared =
            Prepared::read(&Source::Alertmanager(file.to_owned()), Features::default(), None).map_err(lines)?;
        let routing = prepared.alertmanager.as_ref().map(|(config, _)| RoutingConfig::of(config)).unwrap_or_default();
        let found = routing.receivers.get_key_value(self.name.as_str());
        let (receiver, spec) =
            found.ok_or_else(|| format!("{}: there is no receiver {:?}", file.display(), self.name))?;
        let clock: Arc<dyn Clock> = Arc::new(WallClock::start());
        let now = clock.now();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
        runtime.block_on(async {
            let notifier = ConfiguredNotifier::new(&ServiceOptions::default(), "", clock, Tracer::default());
            let set_up = notifier
                .set_up(&prepared)
                .map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
            notifier.put_in_force(set_up);
            let told = test_message::send(receiver, &spec.integrations, now, |n| notifier.deliver(n)).await;
            let line = |told: test_message::Told| {
                (format!("{}[{}]", told.integration.kind, told.integration.index), told.error)
            };
            Ok(told.into_iter().map(line).collect())
        })
    }
}
