//! `/v1/responses/{id}` and what is below it: nothing is kept here, and whose an id is nobody knows.

use crate::control::input::Refusal;

pub(in crate::control) async fn run() -> Refusal {
    Refusal::missing(
        "This response is not kept here: the gateway keeps none, and does not know which upstream may. Send the whole \
         conversation as input, or ask the upstream itself.",
    )
    .of("response_id")
}
