//! The bodies of the fuzz targets: each takes any bytes and panics if a promise about foreign bytes is broken.
//!
//! Plain functions, so that `crates/e2e/tests/corpus.rs` runs the committed corpora through them without libFuzzer.

mod images;
mod messages;
mod reader;
mod script;
mod sound;
mod texts;

pub use images::{lgmp_client_image, lgmp_host_image};
pub use messages::{kvmfr_client_message, kvmfr_cursor, kvmfr_frame_header, kvmfr_session};
pub use reader::relay_reader_image;
pub use sound::spice_sound;
pub use texts::{options_arguments, options_ini, png_decode, shm_source};

/// A body.
pub type Body = fn(&[u8]);

/// Every target by its name, which is also that of its corpus.
pub const TARGETS: [(&str, Body); 12] = [
    ("lgmp_client_image", lgmp_client_image),
    ("lgmp_host_image", lgmp_host_image),
    ("relay_reader_image", relay_reader_image),
    ("kvmfr_frame_header", kvmfr_frame_header),
    ("kvmfr_session", kvmfr_session),
    ("kvmfr_cursor", kvmfr_cursor),
    ("kvmfr_client_message", kvmfr_client_message),
    ("options_ini", options_ini),
    ("options_arguments", options_arguments),
    ("shm_source", shm_source),
    ("png_decode", png_decode),
    ("spice_sound", spice_sound),
];
