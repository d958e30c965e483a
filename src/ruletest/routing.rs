//! The Alertmanager configuration that a test file names: what notifications go by, and how they are rendered.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::AlertmanagerConfig;
use crate::config::alertmanager::{Beside, Secrets};
use crate::model::Diagnostic;
use crate::notify::receivers::messages::Messages;
use crate::notify::templates;
use crate::routing::RoutingConfig;
use crate::template::alertmanager::{Entered, Templates, VALUE};

/// A configuration, read and checked.
#[derive(Clone)]
pub struct Routing {
    /// Its files.
    pub paths: Vec<PathBuf>,
    /// As it was read.
    pub config: AlertmanagerConfig,
    /// What the engine goes by.
    pub routes: Arc<RoutingConfig>,
    /// Its template files.
    pub templates: Templates,
    /// Whether its messages tell the values of alerts.
    pub tells_values: bool,
}

impl Routing {
    /// Reads a configuration, plain or in Kubernetes objects, and the template files it names. No file of a secret is
    /// read, and Secrets that AlertmanagerConfig objects name need not be there.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(paths: &[PathBuf]) -> Result<Self, Vec<Diagnostic>> {
        let loaded = AlertmanagerConfig::load_files(paths, Secrets::Unread(&Beside::default()))?;
        let mut defects = loaded.config.refused();
        let templates = templates::read(&loaded.config, &mut defects);
        if !defects.is_empty() {
            return Err(defects);
        }
        let tells_values = loaded.masked.contains(VALUE) || templates.tell_values();
        let routes = Arc::new(RoutingConfig::of(&loaded.config));
        Ok(Routing { paths: paths.to_vec(), config: loaded.config, routes, templates, tells_values })
    }

    /// What its files are called.
    pub fn name(&self) -> Arc<str> {
        let names: Vec<String> = self.paths.iter().map(|path| path.display().to_string()).collect();
        names.join(", ").into()
    }

    /// What its receivers are told by a server at this address; the templates that are executed for it are noted in
    /// `entered`.
    pub fn messages(&self, external_url: &str, entered: Option<Entered>) -> Messages {
        let templates = entered.into_iter().fold(self.templates.clone(), Templates::noting);
        Messages::of(&self.config, templates, external_url)
    }
}
