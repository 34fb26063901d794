//! Where a server listens.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// The longest path of a unix socket: 108 bytes with the NUL, as in sockaddr_un.
const MAX_PATH_BYTES: usize = 107;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(pub(super) Place);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Unix(PathBuf),
    Tcp { host: String, port: u16 },
}

/// An address that cannot be connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The operating system has no room for such a path.
    #[error("the socket's path has {length} bytes, 107 are possible")]
    PathTooLong {
        /// Its length.
        length: usize,
    },
    /// There is no path or host.
    #[error("the address is empty")]
    Empty,
}

impl Address {
    /// A unix socket.
    ///
    /// # Errors
    ///
    /// When the path is empty or longer than 107 bytes.
    pub fn unix(path: impl Into<PathBuf>) -> Result<Self, AddressError> {
        let path = path.into();
        match path.as_os_str().len() {
            0 => Err(AddressError::Empty),
            1..=MAX_PATH_BYTES => Ok(Self(Place::Unix(path))),
            length => Err(AddressError::PathTooLong { length }),
        }
    }

    /// A TCP port on a host: a name, or an IPv4 or IPv6 address, the latter with or without brackets.
    ///
    /// # Errors
    ///
    /// When the host is empty.
    pub fn tcp(host: &str, port: u16) -> Result<Self, AddressError> {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host = bare.unwrap_or(host).to_owned();
        match host.is_empty() {
            true => Err(AddressError::Empty),
            false => Ok(Self(Place::Tcp { host, port })),
        }
    }

    /// A host and port as Looking Glass users give them: with port 0 the host is the path of a unix socket.
    ///
    /// # Errors
    ///
    /// As [`Address::unix`] and [`Address::tcp`].
    pub fn from_host_and_port(host: &str, port: u16) -> Result<Self, AddressError> {
        match port {
            0 => Self::unix(host),
            _ => Self::tcp(host, port),
        }
    }

    /// Whether what is typed, copied and shown crosses a network, unencrypted. A name counts unless it is "localhost".
    pub fn is_remote(&self) -> bool {
        match &self.0 {
            Place::Unix(_) => false,
            Place::Tcp { host, .. } => match host.parse::<IpAddr>() {
                Ok(address) => !address.is_loopback(),
                Err(_) => host != "localhost",
            },
        }
    }

    /// The path of a unix socket.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Place::Unix(path) => Some(path),
            Place::Tcp { .. } => None,
        }
    }

    /// What can be connected to without asking a name server.
    pub(super) fn targets(&self) -> Option<Vec<Target>> {
        match &self.0 {
            Place::Unix(path) => Some(vec![Target::Unix(path.clone())]),
            Place::Tcp { host, port } => {
                let address = host.parse::<IpAddr>().ok()?;
                Some(vec![Target::Tcp(SocketAddr::new(address, *port))])
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Unix(path) => write!(f, "{}", path.display()),
            Place::Tcp { host, port } if host.as_bytes().contains(&b':') => {
                write!(f, "[{host}]:{port}")
            }
            Place::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// One thing to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl Target {
    /// The path's bytes, for the system call.
    pub(super) fn path_bytes(path: &Path) -> &[u8] {
        path.as_os_str().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_means_a_unix_socket() {
        let unix = Address::from_host_and_port("/run/vm.sock", 0).unwrap();
        assert_eq!(unix.path(), Some(Path::new("/run/vm.sock")));
        assert_eq!(unix.to_string(), "/run/vm.sock");
        let tcp = Address::from_host_and_port("::1", 5900).unwrap();
        assert_eq!(tcp.to_string(), "[::1]:5900");
        assert_eq!(Address::tcp("[::1]", 5900), Ok(tcp));
        assert_eq!(Address::tcp("", 5900), Err(AddressError::Empty));
    }

    #[test]
    fn a_path_of_108_bytes_is_refused() {
        assert!(Address::unix("x".repeat(107)).is_ok());
        let error = AddressError::PathTooLong { length: 108 };
        assert_eq!(Address::unix("x".repeat(108)), Err(error));
    }

    #[test]
    fn only_what_leaves_the_machine_is_remote() {
        let is_remote = |host| Address::tcp(host, 1).unwrap().is_remote();
        assert!(is_remote("192.168.1.1") && is_remote("vm.example") && is_remote("fe80::1"));
        assert!(!is_remote("127.0.0.1") && !is_remote("::1") && !is_remote("localhost"));
        assert!(!Address::unix("/x").unwrap().is_remote());
    }
}
