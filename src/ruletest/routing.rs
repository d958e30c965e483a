//! The Alertmanager configuration that a test file names: what notifications go by, and how they are rendered.

use std::path::Path;
use std::sync::Arc;

use crate::config::AlertmanagerConfig;
use crate::model::Diagnostic;
use crate::notify::receivers::messages::Messages;
use crate::notify::templates;
use crate::routing::RoutingConfig;
use crate::template::alertmanager::{Entered, Templates, VALUE};

/// A configuration, read and checked.
#[derive(Clone)]
pub struct Routing {
    /// The file.
    pub file: Arc<str>,
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
    /// Reads a configuration, plain or in a Kubernetes object, and the template files it names. No file of a secret is
    /// read.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn load(path: &Path) -> Result<Self, Vec<Diagnostic>> {
        let loaded = AlertmanagerConfig::load_file(path)?;
        let mut defects = loaded.config.refused();
        let templates = templates::read(&loaded.config, &mut defects);
        if !defects.is_empty() {
            return Err(defects);
        }
        let tells_values = loaded.masked.contains(VALUE) || templates.tell_values();
        let routes = Arc::new(RoutingConfig::of(&loaded.config));
        let file = path.display().to_string().into();
        Ok(Routing { file, config: loaded.config, routes, templates, tells_values })
    }

    /// What its receivers are told by a server at this address; the templates that are executed for it are noted in
    /// `entered`.
    pub fn messages(&self, external_url: &str, entered: Option<Entered>) -> Messages {
        let templates = entered.into_iter().fold(self.templates.clone(), Templates::noting);
        Messages::of(&self.config, templates, external_url)
    }
}
