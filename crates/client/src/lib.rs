//! looking-glass-client.
