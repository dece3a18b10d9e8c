//! What a request holds of a window.

/// What one request holds of a window, until it is given to [`Window::settle`](super::Window::settle),
/// [`Window::release`](super::Window::release) or [`Window::undo`](super::Window::undo).
#[derive(Debug)]
#[must_use = "a slot is held until this is given back"]
pub struct RateHold {
    pub(super) generation: u64,
    pub(super) tokens: u64,
}
