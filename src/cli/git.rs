//! Files as they were at a git revision.

use std::path::Path;
use std::process::{Command, Output};

/// A commit.
pub(super) struct Revision {
    /// As it was named.
    name: String,
    commit: String,
}

impl Revision {
    /// The revision of this name in the repository of the working directory; `None` where there is none.
    ///
    /// # Errors
    /// git cannot be run.
    pub fn find(name: &str) -> Result<Option<Self>, String> {
        let named = format!("{name}^{{commit}}");
        let found = run(Path::new("."), &["rev-parse", "--verify", "--quiet", "--end-of-options", &named])?;
        let commit = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        Ok((found.status.success() && !commit.is_empty()).then(|| Revision { name: name.to_owned(), commit }))
    }

    /// The text of a file; `None` where the revision has no file of that name.
    ///
    /// # Errors
    /// git cannot be run, the file is in no repository of this commit, or no text.
    pub fn text(&self, file: &Path) -> Result<Option<String>, String> {
        // Paths may be absolute, so git is asked in the file's folder; one that is gone was below this one.
        let (folder, name) = match (file.parent().filter(|p| p.is_dir()), file.file_name()) {
            (Some(folder), Some(name)) => (folder, Path::new(name)),
            _ => (Path::new("."), file),
        };
        let path = format!("./{}", name.display());
        if git(folder, &["ls-tree", &self.commit, &path])?.is_empty() {
            return Ok(None);
        }
        let shown = run(folder, &["show", &format!("{}:{path}", self.commit)])?;
        if !shown.status.success() {
            return Err(format!("{}: {}", self.label(file), String::from_utf8_lossy(&shown.stderr).trim()));
        }
        String::from_utf8(shown.stdout).map(Some).map_err(|_| format!("{}: is not UTF-8", self.label(file)))
    }

    /// The files below the working directory that a pattern matches.
    ///
    /// # Errors
    /// git cannot be run, or the pattern is none.
    pub fn matching(&self, pattern: &str) -> Result<Vec<String>, String> {
        let pattern = glob::Pattern::new(pattern.trim_start_matches("./")).map_err(|e| format!("{pattern}: {e}"))?;
        let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::default() };
        let all = git(Path::new("."), &["ls-tree", "-r", "-z", "--name-only", &self.commit])?;
        Ok(all.split('\0').filter(|f| pattern.matches_with(f, options)).map(str::to_owned).collect())
    }

    /// What messages call a file of this revision.
    pub fn label(&self, file: &Path) -> String {
        format!("{}:{}", self.name, file.display())
    }
}

/// What git prints, asked in a folder.
///
/// # Errors
/// It cannot be run, or fails: what it says.
pub(super) fn git(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let ran = run(folder, arguments)?;
    match ran.status.success() {
        true => Ok(String::from_utf8_lossy(&ran.stdout).into_owned()),
        false => Err(format!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&ran.stderr).trim())),
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Result<Output, String> {
    let ran = Command::new("git").arg("-C").arg(folder).args(["-c", "core.quotePath=false"]).args(arguments).output();
    ran.map_err(|e| format!("git: {e}"))
}
