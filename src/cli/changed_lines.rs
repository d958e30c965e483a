//! Which lines changed since a revision, asked of git.

use std::collections::BTreeMap;
use std::path::Path;

use super::git::git;

/// Lines by file, as paths from the current folder.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// First and last line of each change; all lines of a file that git does not know.
    lines: BTreeMap<String, Vec<(u32, u32)>>,
}

impl Changed {
    /// What changed between a revision and the files as they are.
    ///
    /// # Errors
    /// What git says.
    pub fn since(base: &str) -> Result<Self, String> {
        if base.starts_with('-') {
            return Err(format!("expected a revision, found {base:?}"));
        }
        let diff = ["diff", "--unified=0", "--no-color", "--no-ext-diff", "--no-prefix", "--relative", base, "--"];
        let mut changed = Changed::parse(&git(Path::new("."), &diff)?);
        for file in git(Path::new("."), &["ls-files", "--others", "--exclude-standard"])?.lines() {
            changed.lines.entry(unquoted(file)).or_default().push((0, u32::MAX));
        }
        Ok(changed)
    }

    /// Reads a diff without context.
    fn parse(diff: &str) -> Self {
        let mut changed = Changed::default();
        let mut file = None;
        for line in diff.lines() {
            if let Some(path) = line.strip_prefix("+++ ") {
                file = Some(unquoted(path.trim_end_matches('\t')));
            } else if let Some(hunk) = line.strip_prefix("@@ ")
                && let Some(lines) = new_lines(hunk)
                && let Some(file) = &file
            {
                changed.lines.entry(file.clone()).or_default().push(lines);
            }
        }
        changed
    }

    /// Whether any of these lines of a file changed.
    pub fn touches(&self, file: &str, (from, to): (u32, u32)) -> bool {
        let here = std::env::current_dir().unwrap_or_default();
        let path = Path::new(file).strip_prefix(&here).unwrap_or(Path::new(file));
        let path = path.strip_prefix(".").unwrap_or(path);
        // Git was asked of what lies below the current folder: of the rest nothing is known, so all of it is told.
        if path.is_absolute() || path.starts_with("..") {
            return true;
        }
        let path = path.to_string_lossy();
        self.lines.get(&*path).is_some_and(|all| all.iter().any(|(first, last)| *first <= to && from <= *last))
    }
}

/// `-1,2 +3,4 @@`: lines 3 to 6. Where lines were only taken away, the line before.
fn new_lines(hunk: &str) -> Option<(u32, u32)> {
    let new = hunk.split_whitespace().find_map(|part| part.strip_prefix('+'))?;
    let (first, count) = new.split_once(',').unwrap_or((new, "1"));
    let (first, count): (u32, u32) = (first.parse().ok()?, count.parse().ok()?);
    Some((first, first.saturating_add(count.saturating_sub(1))))
}

/// Git quotes names with letters beyond ASCII; the option that it does not is given, so that only quotes are left.
fn unquoted(path: &str) -> String {
    path.strip_prefix('"').and_then(|p| p.strip_suffix('"')).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_tells_lines() {
        let diff = "diff --git a.yml a.yml\n--- a.yml\n+++ a.yml\n@@ -1,0 +2,3 @@ x\n+a\n+b\n+c\n@@ -9 +12 @@\n-x\n+y\n@@ -20,2 +21,0 @@\n-x\n-y\n";
        let changed = Changed::parse(diff);
        for (lines, want) in
            [((1, 1), false), ((1, 2), true), ((4, 9), true), ((5, 11), false), ((12, 12), true), ((21, 30), true)]
        {
            assert_eq!(changed.touches("./a.yml", lines), want, "{lines:?}");
        }
        assert!(!changed.touches("b.yml", (1, 100)));
    }
}
