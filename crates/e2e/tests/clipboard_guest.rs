//! Copy and paste between this machine and a guest with the real SPICE agent, compared byte for byte.

use anyhow::Context as _;
use e2e::agent_guest::{AgentGuest, Sample, clipboard_goes_both_ways, samples};
use e2e::spice_clipboard::SpiceClipboard;
use e2e::window_hands::{Seat, SwaySeat, WindowClipboard, WindowHands, XSeat};

/// SeaBIOS's text screen.
const SCREEN: (u32, u32) = (720, 400);

/// One guest for all: it takes longest to boot.
#[test]
fn what_is_copied_by_spice_and_on_the_clients_desktop_is_pasted_on_the_other_side()
-> anyhow::Result<()> {
    let mut samples = samples()?;
    let Some(mut guest) = AgentGuest::boot(&samples)? else {
        return Ok(());
    };
    by_spice(&mut guest, &samples).context("by SPICE alone")?;
    // The guest still has what it copied last, which is to be another than what it is to paste first.
    samples.rotate_left(1);
    if testkit::has_program("xclip", "clipboard on X11")
        && let Some(mut seat) = XSeat::start()?
    {
        by_client(&mut guest, &mut seat, &samples).context("on X11")?;
    }
    samples.rotate_left(1);
    if testkit::has_program("wl-copy", "clipboard on Wayland")
        && let Some(mut seat) = SwaySeat::start()?
    {
        by_client(&mut guest, &mut seat, &samples).context("on sway")?;
    }
    Ok(())
}

fn by_spice(guest: &mut AgentGuest, samples: &[Sample]) -> anyhow::Result<()> {
    let outside = SpiceClipboard::connect(&guest.machine);
    let mut outside = outside.map_err(|error| error.context(guest.logs()))?;
    clipboard_goes_both_ways(guest, &mut outside, samples)
}

fn by_client(
    guest: &mut AgentGuest,
    seat: &mut dyn Seat,
    samples: &[Sample],
) -> anyhow::Result<()> {
    let hands = WindowHands::start(seat, &guest.machine, SCREEN)?;
    let mut outside = WindowClipboard::new(hands);
    clipboard_goes_both_ways(guest, &mut outside, samples)?;
    outside.into_hands().quit()
}
