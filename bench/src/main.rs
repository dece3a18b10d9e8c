//! Load generator and bare pass-through.
fn main() {}
