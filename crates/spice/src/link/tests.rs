use rsa::{
    RsaPrivateKey,
    pkcs8::EncodePublicKey,
    rand_core::{OsRng, RngCore},
};

use super::*;
use crate::wire::hex;

fn keys() -> RsaPrivateKey {
    RsaPrivateKey::new(&mut OsRng, 1024).unwrap()
}

fn reply(error: u32, key: &RsaPrivateKey, common: u32) -> Vec<u8> {
    let der = key.to_public_key().to_public_key_der().unwrap();
    let mut body = Vec::new();
    body.put_u32(error);
    body.put(der.as_bytes());
    for word in [1, 1, 178, common, 0x0f] {
        body.put_u32(word);
    }
    framed(&body)
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut out = hex("52454451 02000000 02000000");
    out.put_u32(body.len() as u32);
    out.put(body);
    out
}

fn run(input: &[u8], password: &str) -> (Result<Option<ServerCapabilities>, LinkError>, Vec<u8>) {
    let mut sent = Vec::new();
    let mut handshake = Handshake::new(0, ChannelId::MAIN, &mut sent);
    sent.clear();
    let mut result = Ok(None);
    // One byte at a time: the least convenient cut.
    for byte in input.chunks(1) {
        let password = Password::new(password);
        result = handshake.receive(&mut &*byte, &password, &mut OsRng, &mut sent);
        if !matches!(result, Ok(None)) {
            break;
        }
    }
    (result, sent)
}

#[test]
fn the_link_message_of_main_is_the_captured_one() {
    let mut sent = Vec::new();
    put_link_message(&mut sent, 0, ChannelId::MAIN);
    let captured = "5245445102000000020000001a000000 00000000 01 00 01000000 01000000 12000000 0b000000 06000000";
    assert_eq!(sent, hex(captured));
}

#[test]
fn the_cursor_channel_has_no_capability_word() {
    let mut sent = Vec::new();
    let cursor = ChannelId {
        kind: ChannelKind::Cursor,
        id: 1,
    };
    put_link_message(&mut sent, 0x1f1b_d1ba, cursor);
    let expected =
        "52454451 02000000 02000000 16000000 bad11b1f 04 01 01000000 00000000 12000000 0b000000";
    assert_eq!(sent, hex(expected));
}

#[test]
fn the_ticket_decrypts_to_the_password_and_one_nul() {
    let key = keys();
    for password in ["", "s3cret", &"x".repeat(MAX_PASSWORD_BYTES)] {
        let mut input = reply(0, &key, 0x0b);
        input.put_u32(0);
        let (result, sent) = run(&input, password);
        let capabilities = ServerCapabilities {
            common: 0x0b,
            channel: 0x0f,
        };
        assert_eq!(result, Ok(Some(capabilities)));
        assert_eq!(sent[..4], [1, 0, 0, 0]);
        assert_eq!(sent.len(), 4 + TICKET_BYTES);
        let plain = key.decrypt(Oaep::new::<sha1::Sha1>(), &sent[4..]).unwrap();
        assert_eq!(plain, format!("{password}\0").as_bytes());
    }
}

#[test]
fn bytes_behind_the_result_are_left_for_the_channel() {
    let mut input = reply(0, &keys(), 0x0b);
    input.put_u32(0);
    input.put(b"rest");
    let mut out = Vec::new();
    let mut handshake = Handshake::new(0, ChannelId::MAIN, &mut out);
    let mut input = &input[..];
    let result = handshake.receive(&mut input, &Password::default(), &mut OsRng, &mut out);
    assert!(matches!(result, Ok(Some(_))));
    assert_eq!(input, b"rest");
}

#[test]
fn a_password_of_60_bytes_is_refused_before_anything_is_sent() {
    let (result, sent) = run(&reply(0, &keys(), 0x0b), &"x".repeat(60));
    assert_eq!(result, Err(LinkError::PasswordTooLong { length: 60 }));
    assert!(sent.is_empty());
}

#[test]
fn each_error_code_is_its_own_error() {
    let key = keys();
    let errors = [
        LinkError::ServerError,
        LinkError::NotSpice,
        LinkError::InvalidData,
        LinkError::VersionMismatch,
        LinkError::NeedsTls,
        LinkError::NeedsPlain,
        LinkError::PermissionDenied,
        LinkError::BadConnectionId,
        LinkError::ChannelNotAvailable,
        LinkError::Unknown(10),
    ];
    for (code, error) in (1..).zip(errors) {
        // In the reply, also in one that is nothing but the code.
        assert_eq!(run(&reply(code, &key, 0x0b), "").0, Err(error));
        assert_eq!(run(&framed(&code.to_le_bytes()), "").0, Err(error));
        // And in the result.
        let mut input = reply(0, &key, 0x0b);
        input.put_u32(code);
        assert_eq!(run(&input, "").0, Err(error));
    }
}

#[test]
fn a_server_without_what_we_need_is_refused_by_name() {
    let key = keys();
    assert_eq!(
        run(&reply(0, &key, 0x03), "").0,
        Err(LinkError::NoMiniHeader)
    );
    assert_eq!(run(&reply(0, &key, 0x08), "").0, Err(LinkError::NoTicket));
    assert_eq!(run(b"HTTP/1.1 400 Bad", "").0, Err(LinkError::NotSpice));
    let newer = hex("52454451 03000000 00000000 ba000000");
    assert_eq!(run(&newer, "").0, Err(LinkError::VersionMismatch));
    let huge = hex("52454451 02000000 02000000 ffffffff");
    assert_eq!(run(&huge, "").0, Err(LinkError::BadReply));
}

#[test]
fn capability_words_outside_the_reply_are_refused() {
    let good = reply(0, &keys(), 0x0b);
    for (field, value) in [
        (166, u32::MAX),
        (170, u32::MAX),
        (166, 3),
        (174, 0),
        (174, 182),
        (174, u32::MAX),
    ] {
        let mut bad = good.clone();
        bad[HEADER_BYTES + field..][..4].copy_from_slice(&value.to_le_bytes());
        assert_eq!(run(&bad, "").0, Err(LinkError::BadReply), "{field} {value}");
    }
}

#[test]
fn a_key_that_is_no_1024_bit_key_is_refused() {
    let mut bad = reply(0, &keys(), 0x0b);
    OsRng.fill_bytes(&mut bad[HEADER_BYTES + 4..][..20]);
    assert_eq!(run(&bad, "").0, Err(LinkError::BadKey));
}

#[test]
fn a_password_is_never_printed() {
    assert_eq!(format!("{:?}", Password::new("s3cret")), "Password(…)");
}
