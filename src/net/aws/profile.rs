//! AWS' shared files: profiles with their settings, of `credentials` and of `config`.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where settings come from: the process' environment, or what a test says.
pub type Variables<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// The settings of all profiles, by profile and name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Profiles(BTreeMap<String, BTreeMap<String, String>>);

impl Profiles {
    /// Reads both files; one that is not there says nothing. What `credentials` says goes before what `config` says.
    ///
    /// # Errors
    /// A file is there and cannot be read.
    pub fn read(variables: Variables<'_>) -> Result<Self, String> {
        let mut profiles = Profiles::default();
        for (variable, name, prefix) in
            [("AWS_CONFIG_FILE", "config", "profile "), ("AWS_SHARED_CREDENTIALS_FILE", "credentials", "")]
        {
            let Some(path) = path(variables, variable, name) else { continue };
            match std::fs::read_to_string(&path) {
                Ok(text) => profiles.add(&text, prefix),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(format!("unable to read file {}: {e}", path.display())),
            }
        }
        Ok(profiles)
    }

    fn add(&mut self, text: &str, prefix: &str) {
        let mut section = None;
        for line in text.lines() {
            let is_comment = line.trim_start().starts_with(['#', ';']);
            if let Some(name) = line.trim().strip_prefix('[').and_then(|l| l.split(']').next()) {
                // In `config`, every section but the default one says that it is a profile.
                let name = name.trim();
                let profile = name.strip_prefix(prefix).map(str::trim);
                section = profile.or((name == "default").then_some(name)).map(str::to_owned);
                if let Some(section) = &section {
                    self.0.entry(section.clone()).or_default();
                }
            } else if let (Some(section), Some((key, value)), false) = (&section, line.split_once('='), is_comment) {
                // What is indented belongs to the setting above it, of which there is none that we read.
                if !line.starts_with([' ', '\t']) {
                    let settings = self.0.entry(section.clone()).or_default();
                    settings.insert(key.trim().to_ascii_lowercase(), without_comment(value).to_owned());
                }
            }
        }
    }

    /// Whether there is such a profile.
    pub fn has(&self, profile: &str) -> bool {
        self.0.contains_key(profile)
    }

    /// A setting of a profile.
    pub fn get(&self, profile: &str, key: &str) -> Option<&str> {
        self.0.get(profile)?.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// A value up to a comment, which begins after a blank.
fn without_comment(value: &str) -> &str {
    let ends = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| value.find(mark)).min();
    value.get(..ends.unwrap_or(value.len())).unwrap_or(value).trim()
}

fn path(variables: Variables<'_>, variable: &str, name: &str) -> Option<PathBuf> {
    let given = variables(variable).filter(|v| !v.is_empty()).map(PathBuf::from);
    given.or_else(|| Some(PathBuf::from(variables("HOME").filter(|h| !h.is_empty())?).join(".aws").join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_before_config() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(".aws");
        std::fs::create_dir(&folder).unwrap();
        let variables = |name: &str| (name == "HOME").then(|| dir.path().display().to_string());
        assert_eq!(Profiles::read(&variables), Ok(Profiles::default()));
        let config = "[default]\nregion = eu-west-1\n[profile ops]\nROLE_ARN=arn:1\naws_access_key_id=old\ns3 =\n  x = y\n[ops2]\na=b\n";
        std::fs::write(folder.join("config"), config).unwrap();
        std::fs::write(folder.join("credentials"), "# mine\n[ops]\naws_access_key_id = AK # not a part\n").unwrap();
        let profiles = Profiles::read(&variables).unwrap();
        assert_eq!(profiles.get("default", "region"), Some("eu-west-1"));
        assert_eq!(profiles.get("ops", "role_arn"), Some("arn:1"));
        assert_eq!(profiles.get("ops", "aws_access_key_id"), Some("AK"));
        assert_eq!(profiles.get("ops", "x"), None);
        assert!(profiles.has("ops") && !profiles.has("ops2"));
    }
}
