//! Floor 1: from the healthy candidates of a group to the one that is tried next.
