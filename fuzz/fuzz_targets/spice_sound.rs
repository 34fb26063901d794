#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| looking_glass_fuzz::spice_sound(data));
