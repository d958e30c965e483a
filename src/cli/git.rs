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
        let found = git(Path::new("."), &["rev-parse", "--verify", "--quiet", "--end-of-options", &named])?;
        let commit = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        Ok((found.status.success() && !commit.is_empty()).then(|| Revision { name: name.to_owned(), commit }))
    }

    /// The text of a file; `None` where the revision has no file of that name.
    ///
    /// # Errors
    /// git cannot be run, the file is in no repository of this commit, or no text.
    pub fn text(&self, file: &Path) -> Result<Option<String>, String> {
        let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = file.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
        // A folder that is new has nothing in it that was.
        if !folder.is_dir() {
            return self.text_from_here(file);
        }
        self.show(folder, &format!("{}:./{name}", self.commit), file)
    }

    /// The same of a file below the working directory whose folder may be gone.
    fn text_from_here(&self, file: &Path) -> Result<Option<String>, String> {
        self.show(Path::new("."), &format!("{}:./{}", self.commit, file.display()), file)
    }

    fn show(&self, folder: &Path, object: &str, file: &Path) -> Result<Option<String>, String> {
        if !git(folder, &["cat-file", "-e", object])?.status.success() {
            return Ok(None);
        }
        let shown = git(folder, &["show", object])?;
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
        if !all.status.success() {
            return Err(format!("git ls-tree: {}", String::from_utf8_lossy(&all.stderr).trim()));
        }
        let all = String::from_utf8_lossy(&all.stdout).into_owned();
        Ok(all.split('\0').filter(|f| pattern.matches_with(f, options)).map(str::to_owned).collect())
    }

    /// What messages call a file of this revision.
    pub fn label(&self, file: &Path) -> String {
        format!("{}:{}", self.name, file.display())
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Result<Output, String> {
    let ran = Command::new("git").arg("-C").arg(folder).args(arguments).output();
    ran.map_err(|e| format!("git {}: {e}", arguments.first().unwrap_or(&"")))
}
