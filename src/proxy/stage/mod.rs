//! What a call is at any moment. A field exists in the stage that knows it.

mod attempt;
mod call;
mod caller;
mod context;
mod kept;
mod progress;
mod refused;
mod relay;
mod served;
mod weight;

pub(super) use attempt::{Attempt, Capture, Form, HeldAnswer, Hold, Superseded};
pub(super) use call::{Admitted, Books, Controls, Extra, Leanings, MOST_RETRIES};
pub(super) use caller::Caller;
pub use context::Ctx;
pub(super) use context::Stage;
pub(super) use kept::Kept;
pub(super) use progress::{MOST_ATTEMPTS, Progress};
pub(super) use refused::{Explained, Refused};
pub(super) use relay::{Meter, Relay};
pub(super) use served::Served;
pub(super) use weight::Weight;
