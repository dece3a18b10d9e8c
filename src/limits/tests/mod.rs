//! The promises of this module, one file each.
