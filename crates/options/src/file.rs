//! Reading ini files.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// More than this is no configuration file.
const LARGEST: u64 = 1 << 20;

/// Reads a file that need not exist; `None` if it is missing or no regular file.
#[must_use]
pub fn read_if_regular(path: &Path) -> Option<io::Result<Vec<u8>>> {
    let is_regular = path.metadata().is_ok_and(|metadata| metadata.is_file());
    is_regular.then(|| read(path))
}

/// Reads a file of a sane size, of whatever kind.
///
/// # Errors
/// If it cannot be read, or is larger than 1 MiB.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "too large for an ini file",
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_no_file_is_passed_over() {
        assert!(read_if_regular(Path::new("/nowhere/at/all.ini")).is_none());
        assert!(read_if_regular(Path::new("/dev/zero")).is_none());
        assert!(read(Path::new("/nowhere/at/all.ini")).is_err());
    }

    #[test]
    fn a_source_without_an_end_is_refused_and_not_read_for_ever() {
        let error = read(Path::new("/dev/zero")).err();
        assert_eq!(error.map(|e| e.kind()), Some(io::ErrorKind::FileTooLarge));
        assert_eq!(read(Path::new("/dev/null")).ok(), Some(Vec::new()));
    }
}
