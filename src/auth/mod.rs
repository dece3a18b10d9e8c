//! Floor 1: where a key may stand in a request, and whether it is the master key.
