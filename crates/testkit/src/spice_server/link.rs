//! The handshake from the server's side (spice.md 1.2 to 1.5).

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;

use rsa::pkcs8::EncodePublicKey as _;
use rsa::{Oaep, RsaPrivateKey};
use sha1::Sha1;

/// Result "permission denied".
const DENIED: u32 = 7;

/// One key for all connections: making one takes longer than a test wants to wait.
fn key() -> anyhow::Result<&'static (RsaPrivateKey, Vec<u8>)> {
    static KEY: OnceLock<(RsaPrivateKey, Vec<u8>)> = OnceLock::new();
    if let Some(key) = KEY.get() {
        return Ok(key);
    }
    let private = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024)?;
    let public = private.to_public_key().to_public_key_der()?.into_vec();
    Ok(KEY.get_or_init(|| (private, public)))
}

/// Takes the client's link message and ticket; returns the channel's type, or `None` if the client was refused. Calls
/// `begun` when the client has said something.
pub(super) fn greet(
    stream: &mut UnixStream,
    password: &str,
    begun: impl FnOnce(),
) -> anyhow::Result<Option<u8>> {
    let mut header = [0; 16];
    stream.read_exact(&mut header)?;
    begun();
    anyhow::ensure!(header.starts_with(b"REDQ"), "no SPICE client");
    let size = u32::from_le_bytes([header[12], header[13], header[14], header[15]]);
    anyhow::ensure!(
        (18..=4096).contains(&size),
        "a link message of {size} bytes"
    );
    let mut message = vec![0; size as usize];
    stream.read_exact(&mut message)?;
    let channel = message[4];
    let (private, public) = key()?;
    let capability = match channel {
        super::MAIN => 0x0f_u32,
        super::DISPLAY => 0x1052,
        super::INPUTS => 1,
        _ => 0,
    };
    let mut reply = b"REDQ".to_vec();
    for word in [2_u32, 2, 186, 0] {
        reply.extend(word.to_le_bytes());
    }
    reply.extend(public);
    for word in [1, 1, 178, 0x0b, capability] {
        reply.extend(word.to_le_bytes());
    }
    stream.write_all(&reply)?;
    let mut ticket = [0; 4 + 128];
    stream.read_exact(&mut ticket)?;
    let plain = private.decrypt(Oaep::new::<Sha1>(), &ticket[4..]);
    let expected = [password.as_bytes(), &[0]].concat();
    let is_right = plain.is_ok_and(|plain| password.is_empty() || plain == expected);
    let result = if is_right { 0 } else { DENIED };
    stream.write_all(&result.to_le_bytes())?;
    Ok(is_right.then_some(channel))
}
