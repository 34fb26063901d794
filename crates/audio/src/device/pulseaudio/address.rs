//! Where the server listens, and what it knows us by.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

/// Socket of a server that runs for the whole machine.
const SYSTEM_SOCKET: &str = "/run/pulse/native";

/// Sockets to try, in this order: what `PULSE_SERVER` says and nothing else, else the user's own server, else the
/// machine's.
///
/// Only servers of this machine are meant: sound over a network has delays that nothing here expects.
pub(super) fn sockets(variable: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let folder = |name, rest: &str| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(|value| PathBuf::from(value).join(rest))
    };
    if let Some(list) = variable("PULSE_SERVER").filter(|value| !value.is_empty()) {
        return list
            .into_vec()
            .split(|byte| *byte == b' ')
            .filter_map(local_path)
            .collect();
    }
    [
        folder("PULSE_RUNTIME_PATH", "native"),
        folder("XDG_RUNTIME_DIR", "pulse/native"),
        Some(PathBuf::from(SYSTEM_SOCKET)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The path in one entry of `PULSE_SERVER`: `unix:/path`, `/path`, each with `{machine}` before it or not.
fn local_path(entry: &[u8]) -> Option<PathBuf> {
    let entry = match entry.strip_prefix(b"{") {
        Some(rest) => {
            let end = rest.iter().position(|byte| *byte == b'}')?;
            rest.get(end + 1..)?
        }
        None => entry,
    };
    let path = entry.strip_prefix(b"unix:").unwrap_or(entry);
    path.starts_with(b"/")
        .then(|| PathBuf::from(OsString::from_vec(path.to_vec())))
}

/// Bytes of a cookie (`PA_NATIVE_COOKIE_LENGTH`); servers refuse any other number.
const COOKIE_BYTES: usize = 256;

/// The secret that tells a server who we are. Zeros if there is none: a server of the same user takes us without it.
pub(super) fn cookie() -> Vec<u8> {
    let read = |path| {
        let mut bytes = [0; COOKIE_BYTES];
        let mut file = std::fs::File::open(path).ok()?;
        std::io::Read::read_exact(&mut file, &mut bytes).ok()?;
        Some(bytes)
    };
    let cookie = pulseaudio::cookie_path_from_env().and_then(read);
    cookie.unwrap_or([0; COOKIE_BYTES]).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sockets_with(variables: &[(&str, &str)]) -> Vec<String> {
        sockets(|name| {
            let found = variables.iter().find(|(given, _)| *given == name);
            found.map(|(_, value)| OsString::from(value))
        })
        .into_iter()
        .map(|path| path.display().to_string())
        .collect()
    }

    #[test]
    fn the_users_own_server_comes_before_the_machines() {
        assert_eq!(
            sockets_with(&[("XDG_RUNTIME_DIR", "/run/user/7")]),
            ["/run/user/7/pulse/native", SYSTEM_SOCKET]
        );
        assert_eq!(
            sockets_with(&[("XDG_RUNTIME_DIR", "/a"), ("PULSE_RUNTIME_PATH", "/b")]),
            ["/b/native", "/a/pulse/native", SYSTEM_SOCKET]
        );
        assert_eq!(sockets_with(&[("XDG_RUNTIME_DIR", "")]), [SYSTEM_SOCKET]);
    }

    #[test]
    fn a_named_server_is_the_only_one() {
        let name = |server| sockets_with(&[("PULSE_SERVER", server), ("XDG_RUNTIME_DIR", "/a")]);
        assert_eq!(name("unix:/b/native"), ["/b/native"]);
        assert_eq!(name("/b/native"), ["/b/native"]);
        assert_eq!(
            name("{0123abcd}unix:/b/native /c/native"),
            ["/b/native", "/c/native"]
        );
    }

    #[test]
    fn servers_of_other_machines_are_left_alone() {
        for server in ["tcp:example.org:4713", "example.org", "{unix:/a", "unix:"] {
            assert!(sockets_with(&[("PULSE_SERVER", server)]).is_empty());
        }
    }
}
