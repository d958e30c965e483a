//! The template files that a routing configuration names.

use std::path::Path;

use crate::config::{AlertmanagerConfig, read_text};
use crate::model::{Diagnostic, Position};
use crate::template::alertmanager::Templates;

/// Reads the template files that a routing configuration names; what is wrong with them joins `defects`.
pub fn read(config: &AlertmanagerConfig, defects: &mut Vec<Diagnostic>) -> Templates {
    let mut templates = Templates::default();
    for path in config.template_paths() {
        let text = match read_text(Path::new(&path)) {
            Ok(text) => text,
            Err(unreadable) => {
                defects.extend(unreadable);
                continue;
            }
        };
        let name = Path::new(&path).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if let Err(e) = templates.add_file(&name, &text) {
            let position = Position { line: u32::try_from(e.line).unwrap_or(0), column: 0 };
            defects.push(Diagnostic::new(&path.into(), position, e.message));
        }
    }
    templates
}
