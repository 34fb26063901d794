//! Copy and paste between this machine and a guest with the real SPICE agent, compared byte for byte.

use e2e::agent_guest::{AgentGuest, clipboard_goes_both_ways, samples};
use e2e::spice_clipboard::SpiceClipboard;

#[test]
fn what_is_copied_by_spice_is_pasted_on_the_other_side() -> anyhow::Result<()> {
    let samples = samples()?;
    let Some(mut guest) = AgentGuest::boot(&samples)? else {
        return Ok(());
    };
    let mut outside =
        SpiceClipboard::connect(&guest.machine).map_err(|error| error.context(guest.logs()))?;
    clipboard_goes_both_ways(&mut guest, &mut outside, &samples)
}
