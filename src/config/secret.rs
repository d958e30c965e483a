//! Values that no log, error, metric or API answer may show.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::redact::MASK;
use super::yaml::{Decode, Decoder, Node, Shape};

/// A secret. `Debug`, `Display` and `Serialize` print `<secret>`; [`Secret::expose`] is the only way to the value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Secret(value.into())
    }

    /// The value, for the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether no secret is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "" } else { MASK })
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Decode for Secret {
    fn decode(node: &Node, d: &Decoder) -> Option<Self> {
        match node.text() {
            Some(text) => {
                d.note_secret(node);
                Some(Secret(text.to_owned()))
            }
            None => d.mismatch(node, "a string"),
        }
    }

    fn shape() -> Shape {
        Shape::Value("a secret".into())
    }
}

/// Reads a secret from its file, without the white space around it. Files are read at use, so that a rotated secret
/// counts from the next request on.
///
/// # Errors
/// When the file cannot be read; the error names the file, never its content.
pub fn read_file(path: &str) -> io::Result<Secret> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| io::Error::new(e.kind(), format!("reading secret file {path}: {e}")))?;
    Ok(Secret::new(text.trim()))
}

/// The secret given inline, else the content of the file; `None` when neither is set.
///
/// # Errors
/// When the file cannot be read.
pub fn inline_or_file(inline: &Secret, file: &str) -> io::Result<Option<Secret>> {
    match (inline.is_empty(), file.is_empty()) {
        (false, _) => Ok(Some(inline.clone())),
        (true, false) => read_file(file).map(Some),
        (true, true) => Ok(None),
    }
}

/// A path as a configuration file means it: relative to the file's own folder.
pub fn join_dir(dir: &Path, path: &str) -> String {
    if path.is_empty() || Path::new(path).is_absolute() {
        return path.to_owned();
    }
    let joined: PathBuf = dir.join(path);
    joined.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {secret}"), "<secret> <secret>");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"<secret>\"");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_secret_file_is_read_at_use_and_its_content_stays_out_of_errors() {
        let dir = tempfile::tempdir().unwrap();
        let path = join_dir(dir.path(), "token");
        assert!(inline_or_file(&Secret::default(), &path).unwrap_err().to_string().contains("token"));
        std::fs::write(&path, "  one\n").unwrap();
        assert_eq!(inline_or_file(&Secret::default(), &path).unwrap().unwrap().expose(), "one");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(inline_or_file(&Secret::default(), &path).unwrap().unwrap().expose(), "two");
        assert_eq!(inline_or_file(&Secret::new("in"), &path).unwrap().unwrap().expose(), "in");
        assert_eq!(inline_or_file(&Secret::default(), "").unwrap(), None);
    }
}
