//! Pingora's phases, one file each, in the order they run.

mod asking;
mod cut;
pub(super) mod failure;
pub(super) mod logging;
mod pick;
pub(super) mod queue;
pub(super) mod request;
pub(super) mod response_body;
pub(super) mod seat;
pub(super) mod upstream_peer;
pub(super) mod upstream_request;
pub(super) mod upstream_response;
