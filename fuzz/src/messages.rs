//! KVMFR's messages.

use kvmfr::{
    ClientMessage, CursorHeader, FrameHeader, MAX_DAMAGE_RECTS, MAX_FRAME_HEADER_BYTES,
    MAX_SHAPE_SIDE, MAX_SIDE, PointerFlags, SessionDescription, Version,
};

fn version(byte: u8) -> Version {
    [Version::V16, Version::V19, Version::V20][usize::from(byte) % 3]
}

/// A version, the slot's size, the room to the end of the mapping, and the header.
pub fn kvmfr_frame_header(data: &[u8]) {
    let Some((&[v, a, b, c, d, e, f, g, h], bytes)) = data.split_first_chunk() else {
        return;
    };
    let version = version(v);
    let slot = u32::from_le_bytes([a, b, c, d]);
    let room = u64::from(u32::from_le_bytes([e, f, g, h]));
    let Ok(header) = FrameHeader::parse(version, bytes, slot, room) else {
        return;
    };
    let end = header.data_offset() + header.data_bytes();
    assert!(end <= room.min(slot.into()), "{header:?} leaves its block");
    assert!(header.data_offset() >= version.frame_header_bytes() as u64);
    assert!(header.rows >= 1 && header.rows <= header.frame.height);
    assert!(header.frame.height <= MAX_SIDE && header.frame.width <= MAX_SIDE);
    let pixels = u64::from(header.frame.width) * u64::from(header.frame_type.bytes_per_pixel());
    assert!(u64::from(header.pitch) >= pixels);
    assert!(header.damage.rects().len() <= MAX_DAMAGE_RECTS);
    for rect in header.damage.rects() {
        let right = u64::from(rect.x) + u64::from(rect.width);
        let bottom = u64::from(rect.y) + u64::from(rect.height);
        assert!(right <= header.frame.width.into() && bottom <= header.frame.height.into());
    }
    // What was accepted can be sent on, and is accepted again.
    let mut buffer = [0; MAX_FRAME_HEADER_BYTES];
    let again = FrameHeader::parse(version, header.encode(version, &mut buffer), slot, room);
    assert!(again.is_ok(), "{header:?} became {again:?}");
}

/// The bytes of a session description.
pub fn kvmfr_session(data: &[u8]) {
    let Ok((version, description)) = SessionDescription::parse(data) else {
        return;
    };
    let vm = description.vm.as_ref();
    let texts = [
        Some(&description.host_version),
        vm.map(|vm| &vm.model),
        vm.map(|vm| &vm.capture),
    ];
    for text in texts
        .into_iter()
        .flatten()
        .chain(description.os.as_ref().map(|os| &os.name))
    {
        assert!(
            text.chars().count() <= 256 && !text.chars().any(char::is_control),
            "{text:?}"
        );
    }
    // Fixed fields may cut a text that the replacement of odd bytes made longer; after that nothing changes any more.
    let again = |description: &SessionDescription| {
        let parsed = SessionDescription::parse(&description.encode(version));
        let (same_version, description) = parsed.expect("what we write we can read");
        assert_eq!(same_version, version);
        description
    };
    let once = again(&description);
    assert_eq!(again(&once), once);
}

/// The slot's word, the room of the block, and the header.
pub fn kvmfr_cursor(data: &[u8]) {
    let Some((&[flags, a, b, c, d], bytes)) = data.split_first_chunk() else {
        return;
    };
    let room = u32::from_le_bytes([a, b, c, d]);
    let flags = PointerFlags::from_bits_retain(flags.into());
    let Ok(header) = CursorHeader::parse(flags, bytes, room) else {
        return;
    };
    if let Some(shape) = header.shape {
        assert!(
            shape.data_bytes() + 24 <= room.into(),
            "{shape:?} leaves its block"
        );
        assert!(shape.width <= MAX_SHAPE_SIDE && shape.visible_height() <= MAX_SHAPE_SIDE);
        let (x, y) = shape.hot_spot();
        assert!(x < shape.width && y < shape.visible_height());
    }
    assert_eq!(
        CursorHeader::parse(flags, &header.encode(), room),
        Ok(header)
    );
}

/// What a client left in a mailbox.
pub fn kvmfr_client_message(data: &[u8]) {
    if let Some(ClientMessage::SetCursorPos(position)) = ClientMessage::parse(data) {
        let again = ClientMessage::parse(&position.encode());
        assert_eq!(again, Some(ClientMessage::SetCursorPos(position)));
    }
}
