//! LGMP queues in shared memory: wire versions 4, 5 and 6.
