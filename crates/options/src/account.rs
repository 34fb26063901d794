//! The account database: a user's home as the system knows it, whatever `$HOME` says.
//!
//! Format: passwd(5).

use std::path::{Path, PathBuf};

/// The home of user `uid` by the account database below `system_root`, which is `/` but for tests; for users not listed
/// there `variable`, which is `$HOME`.
#[must_use]
pub fn home(system_root: &Path, uid: u32, variable: Option<&Path>) -> Option<PathBuf> {
    let passwd = std::fs::read(system_root.join("etc/passwd")).unwrap_or_default();
    let listed = home_directory(&String::from_utf8_lossy(&passwd), uid).map(PathBuf::from);
    listed.or_else(|| variable.map(Path::to_owned))
}

/// Finds the home directory of user `uid` in the text of `/etc/passwd`.
///
/// `None` if the user is not listed there (network accounts) or has no home.
#[must_use]
pub fn home_directory(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':').skip(2);
        let number: u32 = fields.next()?.parse().ok()?;
        // The fields between are the group and the real name.
        let home = fields.nth(2)?;
        (number == uid && !home.is_empty()).then_some(home)
    })
}

#[cfg(test)]
mod tests {
    use super::home_directory;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nbroken line\n\
        ann:x:1000:1000:Ann,,,:/home/ann:/bin/sh\nnobody:x:65534:65534:::/usr/sbin/nologin\n";

    #[test]
    fn home_is_found_by_user_number() {
        assert_eq!(home_directory(PASSWD, 0), Some("/root"));
        assert_eq!(home_directory(PASSWD, 1000), Some("/home/ann"));
    }

    #[test]
    fn user_without_home_or_entry_has_none() {
        assert_eq!(home_directory(PASSWD, 65534), None);
        assert_eq!(home_directory(PASSWD, 7), None);
        assert_eq!(home_directory("", 0), None);
    }
}
