//! Fixtures of real peers and the naive reference compositor.
