//! Sessions over LGMP and KVMFR: reader and publisher.
