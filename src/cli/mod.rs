//! Floor 7: one file for each command.
