//! The clipboard of a real Wayland compositor, sway, shared with wl-clipboard.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::process::Command;
use std::time::Duration;

use picture::{BufferRect, Size};
use support::clipboard::{Board, Pasting, TEXT, long_text, png};
use support::shot::pattern;
use support::wayland::{Desktop as _, sway};
use support::{LIMIT, SCREEN, present};
use testkit::compositor::Sway;
use testkit::process::Process;
use testkit::wayland_input::WaylandInput;
use window::clipboard::{ClipboardError, ClipboardEvent, ClipboardFormat, ClipboardLimits};
use window::{Backend, SoftwarePresenter, Window, WindowConfig, WindowEvent};

use ClipboardFormat::{Png, Text};

const MIB: usize = 1 << 20;
const KEY_A: u32 = 30;

/// A window on sway that has the focus.
struct Desk {
    sway: Sway,
    board: Board,
    _presenter: Box<dyn SoftwarePresenter>,
    /// Without a keyboard there is no focus.
    input: WaylandInput,
}

impl Desk {
    fn new(limits: ClipboardLimits) -> Option<Self> {
        if !testkit::has_program("wl-copy", "the clipboard on Wayland") {
            return None;
        }
        let sway = sway()?;
        let input = WaylandInput::connect(&sway.socket(), SCREEN.width, SCREEN.height).unwrap();
        let config = WindowConfig {
            size: Size::new(200, 100),
            app_id: "lg-test".to_owned(),
            display: Some(sway.socket().to_string_lossy().into_owned()),
            ..WindowConfig::default()
        };
        let window = Window::open(&config, Some(Backend::Wayland)).unwrap();
        let mut presenter = window.surface().presenter().unwrap();
        let mut board = Board::new(window, limits);
        let canvas = pattern(board.window.buffer_size());
        let all = BufferRect::of_size(canvas.size());
        present(&mut board.window, &mut *presenter, &canvas, &[all]);
        let mut this = Self {
            sway,
            board,
            _presenter: presenter,
            input,
        };
        this.wait_focus(true);
        Some(this)
    }

    /// Waits until the focus has come or gone.
    fn wait_focus(&mut self, has: bool) {
        let mut events = Vec::new();
        let start = std::time::Instant::now();
        while !events.contains(&WindowEvent::Focused(has)) {
            assert!(start.elapsed() < LIMIT, "waited in vain for the focus");
            events.extend(self.board.turn());
        }
    }

    /// Takes the focus away by showing another workspace, or gives it back.
    fn focus(&mut self, has: bool) {
        let workspace = if has { "workspace 1" } else { "workspace 2" };
        self.sway.swaymsg(workspace);
        self.wait_focus(has);
    }

    /// Copies by wl-copy, which lives as long as what this returns.
    fn copy(&self, kind: &str, data: &[u8]) -> (Process, tempfile::NamedTempFile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), data).unwrap();
        let shell = format!("exec wl-copy --foreground --type '{kind}' < \"$0\"");
        let mut command = self.sway.command("sh");
        command.args(["-c", &shell]).arg(file.path());
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(file.path(), mode).unwrap();
        (Process::start(&mut command).unwrap(), file)
    }

    fn wl_paste(&self, arguments: &[&str]) -> Command {
        let mut command = self.sway.command("wl-paste");
        command.arg("--no-newline").args(arguments);
        command
    }

    /// Waits until others see our offer.
    fn offer(&mut self, formats: &[ClipboardFormat]) {
        self.board.clipboard.offer(formats);
        self.wait_for_offer(formats);
    }

    fn wait_for_offer(&mut self, formats: &[ClipboardFormat]) {
        let start = std::time::Instant::now();
        loop {
            let listed = Pasting::start(&mut self.wl_paste(&["--list-types"]));
            let listed = String::from_utf8(listed.finish(&mut self.board)).unwrap();
            let has = |name| listed.lines().any(|line| line == name);
            if listed.contains("x-looking-glass")
                && formats.iter().all(|format| format.names().all(has))
            {
                return;
            }
            assert!(start.elapsed() < LIMIT, "others see {listed}");
        }
    }
}

fn desk() -> Option<Desk> {
    Desk::new(ClipboardLimits::new(64 * MIB))
}

#[test]
fn text_and_pictures_that_others_copy_are_offered_and_read() {
    let Some(mut desk) = desk() else {
        return;
    };
    let first = desk.copy("text/plain;charset=utf-8", TEXT.as_bytes());
    desk.board.expect_offer(&[Text]);
    desk.board.clipboard.request(7, Text);
    let answer = desk.board.expect_answer(7);
    assert_eq!(answer, Ok(TEXT.as_bytes().to_vec()));
    desk.board.clipboard.request(8, Png);
    let answer = desk.board.expect_answer(8);
    assert_eq!(answer, Err(ClipboardError::Refused));

    let _second = desk.copy("image/png", &png());
    desk.board.expect_offer(&[Png]);
    desk.board.clipboard.request(9, Png);
    assert_eq!(desk.board.expect_answer(9), Ok(png()));

    let _third = desk.copy("text/plain", &long_text(8 * MIB));
    desk.board.expect_offer(&[Text]);
    desk.board.clipboard.request(10, Text);
    let answer = desk.board.expect_answer(10);
    assert!(answer == Ok(long_text(8 * MIB)), "other bytes");
    drop(first);
}

#[test]
fn others_paste_text_pictures_and_eight_mebibytes() {
    let Some(mut desk) = desk() else {
        return;
    };
    desk.offer(&[Text, Png]);
    for (arguments, format, data) in [
        (vec![], Text, TEXT.as_bytes().to_vec()),
        (
            vec!["--type", "UTF8_STRING"],
            Text,
            TEXT.as_bytes().to_vec(),
        ),
        (vec!["--type", "image/png"], Png, png()),
        (vec![], Text, long_text(8 * MIB)),
    ] {
        let command = desk.wl_paste(&arguments);
        let pasted = desk.board.paste(command, format, &data);
        assert!(pasted == data, "{arguments:?}: {} bytes", pasted.len());
    }
    // Nothing to give: the reader finds the end.
    let pasting = Pasting::start(&mut desk.wl_paste(&["--type", "image/png"]));
    let id = desk.board.expect_wanted(Png);
    desk.board.clipboard.supply(id, None);
    assert_eq!(pasting.finish(&mut desk.board), b"");
}

#[test]
fn our_own_offers_are_not_reported_and_others_are() {
    let Some(mut desk) = desk() else {
        return;
    };
    desk.offer(&[Text]);
    desk.offer(&[Png]);
    // The focus brings the selection, which is our own, once more.
    desk.focus(false);
    desk.focus(true);
    let nothing = desk.board.next_within(Duration::from_millis(200));
    assert_eq!(nothing, None);
    desk.board.clipboard.request(1, Png);
    let answer = desk.board.expect_answer(1);
    assert_eq!(answer, Err(ClipboardError::Refused));

    let copied = desk.copy("text/plain", b"x");
    desk.board.expect_offer(&[Text]);
    // Too late: it is not ours any more.
    desk.board.clipboard.withdraw();
    desk.board.clipboard.request(2, Text);
    assert_eq!(desk.board.expect_answer(2), Ok(b"x".to_vec()));
    drop(copied);
    assert_eq!(desk.board.next("nothing"), ClipboardEvent::Cleared);

    desk.input.tap(KEY_A).unwrap();
    desk.offer(&[Text]);
    desk.board.clipboard.withdraw();
    assert_eq!(desk.board.next("nothing"), ClipboardEvent::Cleared);
}

#[test]
fn an_offer_made_without_the_focus_is_there_when_it_has_come() {
    let Some(mut desk) = desk() else {
        return;
    };
    desk.focus(false);
    desk.board.clipboard.offer(&[Png]);
    desk.focus(true);
    desk.wait_for_offer(&[Png]);
    let command = desk.wl_paste(&["--type", "image/png"]);
    let pasted = desk.board.paste(command, Png, b"png");
    assert_eq!(pasted, b"png");
    // What another program copies meanwhile is not overtaken by what we offered long before.
    desk.focus(false);
    let _copied = desk.copy("text/plain", b"x");
    let start = std::time::Instant::now();
    loop {
        let pasting = Pasting::start(&mut desk.wl_paste(&["--list-types"]));
        let listed = pasting.finish(&mut desk.board);
        if !String::from_utf8_lossy(&listed).contains("x-looking-glass") {
            break;
        }
        assert!(start.elapsed() < LIMIT, "our offer stays");
    }
    desk.focus(true);
    desk.board.expect_offer(&[Text]);
}

#[test]
fn an_offer_that_the_compositor_ignores_is_made_again_with_the_next_key() {
    let Some(mut desk) = desk() else {
        return;
    };
    let _copied = desk.copy("text/plain", b"x");
    desk.board.expect_offer(&[Text]);
    // The other program's copy is newer than all that happened in our window.
    desk.board.clipboard.offer(&[Png]);
    let listed = Pasting::start(&mut desk.wl_paste(&["--list-types"]));
    let listed = String::from_utf8(listed.finish(&mut desk.board)).unwrap();
    assert!(listed.contains("text/plain"), "{listed}");
    desk.input.tap(KEY_A).unwrap();
    desk.wait_for_offer(&[Png]);
    let nothing = desk.board.next_within(Duration::from_millis(100));
    assert_eq!(nothing, None);
}

#[test]
fn an_offer_that_is_withdrawn_before_it_was_taken_gives_way_to_the_one_there_was() {
    let Some(mut desk) = desk() else {
        return;
    };
    let _copied = desk.copy("text/plain", b"x");
    desk.board.expect_offer(&[Text]);
    // Ignored: the other program's copy is newer than all that happened in our window.
    desk.board.clipboard.offer(&[Png]);
    let nothing = desk.board.next_within(Duration::from_millis(100));
    assert_eq!(nothing, None);
    desk.board.clipboard.withdraw();
    desk.board.expect_offer(&[Text]);
    desk.board.clipboard.request(1, Text);
    assert_eq!(desk.board.expect_answer(1), Ok(b"x".to_vec()));
}

#[test]
fn owners_that_stop_and_readers_that_stop_are_given_up() {
    let limits = ClipboardLimits {
        max_bytes: MIB,
        patience: Duration::from_millis(500),
    };
    let Some(mut desk) = Desk::new(limits) else {
        return;
    };
    let (copied, _file) = desk.copy("text/plain", b"x");
    desk.board.expect_offer(&[Text]);
    copied.signal(rustix::process::Signal::STOP);
    desk.board.clipboard.request(1, Text);
    let answer = desk.board.expect_answer(1);
    assert_eq!(answer, Err(ClipboardError::TimedOut));
    desk.board.clipboard.request(2, Text);
    desk.board.clipboard.cancel(2);
    copied.signal(rustix::process::Signal::CONT);
    desk.board.clipboard.request(3, Text);
    assert_eq!(desk.board.expect_answer(3), Ok(b"x".to_vec()));

    // A key first: without one, what was copied last is newer than all that happened in our window.
    desk.input.tap(KEY_A).unwrap();
    desk.offer(&[Text]);
    // It is never answered, and finds the end.
    let pasting = Pasting::start(&mut desk.wl_paste(&[]));
    let id = desk.board.expect_wanted(Text);
    let event = desk.board.next("no more");
    assert_eq!(event, ClipboardEvent::WantedNoMore { id });
    assert_eq!(pasting.finish(&mut desk.board), b"");

    let _large = desk.copy("text/plain", &long_text(MIB + 1));
    desk.board.expect_offer(&[Text]);
    desk.board.clipboard.request(4, Text);
    let answer = desk.board.expect_answer(4);
    assert_eq!(answer, Err(ClipboardError::TooLarge));
}
