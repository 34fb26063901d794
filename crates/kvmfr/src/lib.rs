//! KVMFR messages: versions 16, 19 and 20.
