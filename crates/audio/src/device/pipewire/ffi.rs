//! The one function of PipeWire that the `pipewire` crate's wrapper cannot be used for.

#![expect(
    unsafe_code,
    reason = "the wrapper of pw_stream_set_control leaves out the 0 that ends the variable arguments"
)]

use pipewire::spa::sys::{SPA_PROP_channelVolumes, SPA_PROP_mute};
use pipewire::stream::Stream;
use pipewire::sys::pw_stream_set_control;

/// Sets a stream's volume, a linear factor for each channel, and whether it is silent.
///
/// To be called on the thread that runs the stream's loop, which is the only one that has a [`Stream`].
///
/// # Errors
/// With the negative errno that the library returns.
pub(super) fn set_volume(stream: &Stream, levels: &mut [f32], mute: bool) -> Result<(), i32> {
    // Checked so that the library never builds a message of more than its 1 kB.
    let count = match u32::try_from(levels.len()) {
        Ok(count @ 1..=64) => count,
        _ => return Err(-22),
    };
    let mut mute = f32::from(u8::from(mute));
    // SAFETY: the stream is alive as long as the reference. The arguments are groups of a property, a number of floats and
    // a pointer to that many floats, which live until the call returns and are only read, ended by a property of 0, as
    // pipewire/stream.h demands. Each integer is 32 bits wide, as the function takes it from its variable arguments.
    let result = unsafe {
        pw_stream_set_control(
            stream.as_raw_ptr(),
            SPA_PROP_channelVolumes,
            count,
            levels.as_mut_ptr(),
            SPA_PROP_mute,
            1_u32,
            std::ptr::from_mut(&mut mute),
            0_u32,
        )
    };
    if result < 0 { Err(result) } else { Ok(()) }
}
