//! Floor 2: the APIs that are offered: their paths and what a path means.
