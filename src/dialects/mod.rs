//! Floor 1: wire formats, both ways, without I/O. Bytes in, bytes and facts out.
