//! Floor 1: wire formats, both ways, without I/O. Bytes in, bytes and facts out.
//!
//! Bodies are never parsed into trees: [`json`] finds the members of an object by their spans, and
//! what is not understood is passed on byte for byte. [`sse`] finds where events end, and each
//! dialect folder says what they mean. A new dialect is a folder here.

pub mod json;
pub mod openai;
pub mod sse;
