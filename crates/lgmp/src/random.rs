//! Random numbers of the operating system.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// Four random bytes that are not all zero.
pub(crate) fn nonzero() -> Result<u32, Errno> {
    loop {
        let mut bytes = [0; 4];
        match getrandom(&mut bytes, GetRandomFlags::empty()) {
            Ok(4) if bytes != [0; 4] => return Ok(u32::from_le_bytes(bytes)),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
