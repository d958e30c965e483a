//! Data files are for their owner alone: they hold what alerts and silences say, and whom they are told to.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// From now on, files that the process makes can be read by nobody else.
pub fn keep_new_files_to_owner() {
    // SAFETY: the call takes and returns a number.
    unsafe { libc::umask(0o077) };
}

/// Makes a data directory and the directories in it, or closes to others the ones that are there. The data directory
/// itself is closed only when it is made here: it may be somebody's, with other things in it.
///
/// # Errors
/// A directory cannot be made.
pub fn claim(dir: &Path, within: &[PathBuf]) -> io::Result<()> {
    let named = |e: io::Error, path: &Path| io::Error::new(e.kind(), format!("cannot create {}: {e}", path.display()));
    let mut builder = DirBuilder::new();
    builder.mode(0o700).recursive(true);
    builder.create(dir).map_err(|e| named(e, dir))?;
    for path in within {
        builder.create(path).map_err(|e| named(e, path))?;
        if let Err(e) = fs::set_permissions(path, Permissions::from_mode(0o700)) {
            tracing::warn!(path = %path.display(), error = %e, "a data directory cannot be closed to others");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_directories_are_for_their_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let (data, state) = (home.path().join("data"), home.path().join("data/state"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        claim(&data, std::slice::from_ref(&state)).unwrap();
        assert_eq!((mode(&data), mode(&state)), (0o700, 0o700));
        for path in [&data, &state] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        claim(&data, std::slice::from_ref(&state)).unwrap();
        assert_eq!((mode(&data), mode(&state)), (0o755, 0o700), "what others made is theirs to close");
    }
}
