//! Floor 4: what a request sees, the snapshot of a configuration made ready.
