//! The memory of real hosts, brought to life by `testkit::golden` and shown by the real client.

use std::time::Duration;

use picture::Size;
use picture::png::{self, RgbImage};
use testkit::golden::{Image, Message, POINTER_QUEUE, Player, Programme, sha256};
use testkit::process::Process;
use testkit::programs;
use testkit::reference;

const LIMIT: Duration = Duration::from_secs(20);

/// All that the host of an image shall post: frames, each after a time, and perhaps a pointer.
fn play(
    image: &Image,
    frames: &[(Duration, Message)],
    pointer: Option<Message>,
) -> anyhow::Result<Player> {
    let frames = frames.to_vec();
    Player::start(image, Programme { frames, pointer })
}

/// The same with the complete frame alone, at once.
fn play_frame(image: &Image, pointer: Option<Message>) -> anyhow::Result<Player> {
    play(image, &[(Duration::ZERO, complete_frame(image))], pointer)
}

/// What the client makes of what a host posts.
fn shown(player: &Player, name: &str) -> anyhow::Result<RgbImage> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("shown.png");
    programs::screenshot(player.shm(), &file, LIMIT).map_err(|e| e.context(name.to_owned()))?;
    Ok(png::decode(&std::fs::read(&file)?)?)
}

fn complete_frame(image: &Image) -> Message {
    let message = image.complete_frame();
    message.unwrap_or_else(|| panic!("{}: the complete frame was never posted", image.name))
}

/// The recorded frame in the words of the wire; all of them are BGRA and upright.
fn frame(image: &Image) -> reference::Frame<'_> {
    let fact = |name: &str| image.number(&["frame", name]);
    let is_16 = image.number(&["kvmfrVersion"]) == 16;
    let (width, height) = if is_16 {
        ("width", "realHeight")
    } else {
        ("frameWidth", "frameHeight")
    };
    let (width, height) = (fact(width) as u32, fact(height) as u32);
    let (rows, pitch) = (fact("rows"), fact("pitch"));
    reference::Frame {
        kind: fact("type") as u32,
        is_hdr: false,
        version: image.number(&["kvmfrVersion"]) as u32,
        width,
        height,
        rows: rows as u32,
        pitch,
        rotation: fact("rotation") as u32,
        screen: (width, height),
        bytes: image.bytes(fact("dataAt"), rows * pitch),
    }
}

/// Checks the rows that the host sent by their recorded hash, and that those it could not send are dark.
fn assert_is_the_recorded_frame(shown: &RgbImage, image: &Image) {
    let frame = frame(image);
    let name = &image.name;
    assert_eq!(shown.size(), Size::new(frame.width, frame.height), "{name}");
    let (pixels, _) = shown.bytes().as_chunks::<3>();
    let sent = frame.rows as usize * frame.width as usize;
    let rows: Vec<u8> = pixels[..sent]
        .iter()
        .flat_map(|&[r, g, b]| [b, g, r, 0])
        .collect();
    assert_eq!(
        Some(&*sha256(&rows)),
        image.facts["pixelRowsSha256"].as_str(),
        "{name}"
    );
    assert!(
        pixels[sent..].iter().all(|pixel| *pixel == [0; 3]),
        "{name}: dark rows"
    );
}

#[test]
fn the_frames_of_real_hosts_are_shown_as_recorded() -> anyhow::Result<()> {
    for image in testkit::golden_images() {
        let shown = shown(&play_frame(&image, None)?, &image.name)?;
        assert_is_the_recorded_frame(&shown, &image);
    }
    Ok(())
}

#[test]
fn the_pointers_of_real_hosts_are_drawn_over_their_frames() -> anyhow::Result<()> {
    for image in testkit::golden_images() {
        let name = &image.name;
        let fact = |name: &str| image.number(&["cursorExpected", name]);
        let Some(message) = image.newest(POINTER_QUEUE) else {
            panic!("{name}: no pointer was ever posted");
        };
        let shown = shown(&play_frame(&image, Some(message))?, name)?;
        let (width, height) = (fact("w"), fact("h"));
        let shape = image.bytes(message.offset as usize + 24, width * height * 4);
        let recorded = image.facts["cursorExpected"]["sha256ARGBrows"].as_str();
        assert_eq!(Some(&*sha256(shape)), recorded, "{name}");
        let pointer = reference::Pointer {
            kind: 0,
            x: fact("x") as i32,
            y: fact("y") as i32,
            width: width as u32,
            rows: height as u32,
            pitch: width * 4,
            bytes: shape,
        };
        let frame = frame(&image);
        let view = reference::View {
            width: frame.width,
            height: frame.height,
            keep_aspect: true,
            dont_upscale: false,
            rotation: 0,
            scale: 0,
        };
        let meant = reference::compose(&frame, Some(&pointer), &view);
        let (pixels, _) = shown.bytes().as_chunks::<3>();
        for (i, (seen, meant)) in pixels.iter().zip(&meant).enumerate() {
            let (x, y) = (i as u32 % frame.width, i as u32 / frame.width);
            assert_eq!(seen, meant, "{name} at {x}, {y}");
        }
        let without = reference::compose(&frame, None, &view);
        assert_ne!(meant, without, "{name}: the pointer can be seen");
    }
    Ok(())
}

/// The image whose newest frame was never finished, and the message that announced that frame.
fn half_written() -> anyhow::Result<Option<(Image, Message)>> {
    let Some(folder) = testkit::golden_folder() else {
        return Ok(None);
    };
    let image = Image::load(&folder, "b7-1366x768-BGRA")?;
    let message = image.newest(testkit::golden::FRAME_QUEUE);
    let message = message.filter(|message| *message != complete_frame(&image));
    let message = message.unwrap_or_else(|| panic!("the newest frame is complete"));
    Ok(Some((image, message)))
}

#[test]
fn a_frame_that_is_never_finished_is_given_up() -> anyhow::Result<()> {
    let Some((image, half)) = half_written()? else {
        return Ok(());
    };
    let player = play(&image, &[(Duration::ZERO, half)], None)?;
    let mut command = programs::client(player.shm())?;
    command.args(["--headless", "--screenshot", "/dev/null", "--timeout", "2"]);
    let mut client = Process::start(&mut command)?;
    let status = client.wait(LIMIT).and_then(|status| status.code());
    let text = client.output();
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("does not finish its frame"), "{text}");
    Ok(())
}

#[test]
fn a_complete_frame_after_one_that_was_never_finished_is_shown() -> anyhow::Result<()> {
    let Some((image, half)) = half_written()? else {
        return Ok(());
    };
    let later = Duration::from_millis(500);
    let frames = [(Duration::ZERO, half), (later, complete_frame(&image))];
    let shown = shown(&play(&image, &frames, None)?, &image.name)?;
    assert_is_the_recorded_frame(&shown, &image);
    Ok(())
}

#[test]
fn the_name_of_a_real_host_is_told_to_the_user() -> anyhow::Result<()> {
    for image in testkit::golden_images() {
        let name = &image.name;
        let player = play_frame(&image, None)?;
        let mut command = programs::client(player.shm())?;
        let mut client = Process::start(command.arg("--headless"))?;
        let version = image.number(&["kvmfrVersion"]);
        let host = image.facts["hostver"].as_str().unwrap_or_default();
        let sentence = format!("connected to host \"{host}\" (KVMFR {version})");
        assert!(
            client.prints(&sentence, LIMIT),
            "{name}: {}",
            client.output()
        );
        assert!(
            client.prints("captured by XCB", LIMIT),
            "{name}: {}",
            client.output()
        );
    }
    Ok(())
}
