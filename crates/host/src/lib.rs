//! looking-glass-host.
