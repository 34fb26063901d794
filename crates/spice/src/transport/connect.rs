//! Connecting without waiting.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, ipproto, socket_with,
        sockopt,
    },
};

use super::address::Target;

/// A unix socket whose server is behind with accepting is tried again after this time.
const BACKLOG_PAUSE: Duration = Duration::from_millis(50);

/// A connection on its way.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The operating system is at it; done when the socket can be written to.
    UnderWay(OwnedFd),
    /// The server's queue was full; to be tried again then.
    Again(Instant),
    /// It stands.
    Connected(OwnedFd),
}

/// Starts to connect.
pub(super) fn start(target: &Target, now: Instant) -> io::Result<Attempt> {
    let family = match target {
        Target::Unix(_) => AddressFamily::UNIX,
        Target::Tcp(address) if address.is_ipv4() => AddressFamily::INET,
        Target::Tcp(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = match target {
        Target::Unix(_) => socket_with(family, SocketType::STREAM, flags, None)?,
        Target::Tcp(_) => socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?,
    };
    let result = match target {
        Target::Unix(path) => connect(&socket, &SocketAddrUnix::new(Target::path_bytes(path))?),
        Target::Tcp(address) => {
            // Key presses must not wait for each other's acknowledgement.
            sockopt::set_tcp_nodelay(&socket, true)?;
            // A host that vanished says nothing; nor does a session that nobody uses.
            sockopt::set_socket_keepalive(&socket, true)?;
            connect(&socket, address)
        }
    };
    match result {
        Ok(()) => Ok(Attempt::Connected(socket)),
        Err(Errno::INPROGRESS) => Ok(Attempt::UnderWay(socket)),
        Err(Errno::AGAIN) => Ok(Attempt::Again(now + BACKLOG_PAUSE)),
        Err(error) => Err(error.into()),
    }
}

/// Looks how an attempt under way ended, after its socket became writable.
pub(super) fn finish(socket: OwnedFd) -> io::Result<OwnedFd> {
    sockopt::socket_error(&socket)??;
    Ok(socket)
}

/// The server's process, on a unix socket.
pub(super) fn server_process(socket: BorrowedFd<'_>, target: &Target) -> Option<i32> {
    match target {
        Target::Unix(_) => {
            let credentials = sockopt::socket_peercred(socket).ok()?;
            Some(credentials.pid.as_raw_nonzero().get())
        }
        Target::Tcp(_) => None,
    }
}

impl Attempt {
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::UnderWay(socket) | Self::Connected(socket) => Some(socket.as_fd()),
            Self::Again(_) => None,
        }
    }
}
