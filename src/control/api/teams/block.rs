//! `POST /team/block` and `POST /team/unblock`: effective with the next request.

use super::new::shown;
use super::unknown;
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, need};
use crate::control::records;
use crate::store::TEAMS;
use axum::extract::State;
use serde_json::Value;

const FORM: &[Field] = &[need("team_id", Kind::Text)];

/// `POST /team/block`
pub(in crate::control) async fn block(
    State(control): State<Control>,
    caller: Caller,
    input: Input,
) -> Answer {
    set(&control, &caller, &input, true).await
}

/// `POST /team/unblock`
pub(in crate::control) async fn unblock(
    State(control): State<Control>,
    caller: Caller,
    input: Input,
) -> Answer {
    set(&control, &caller, &input, false).await
}

async fn set(control: &Control, caller: &Caller, input: &Input, blocked: bool) -> Answer {
    caller.must_be_admin()?;
    let form = input.read(&[FORM])?;
    let id = records::text(&form, "team_id").unwrap_or_default();
    let changed = records::change(control, &TEAMS, id, |team| {
        team.insert("blocked".to_owned(), Value::Bool(blocked));
        records::touch(team, caller.name());
        Ok::<_, Refusal>(())
    });
    let team = changed.await?.ok_or_else(|| unknown(id))?;
    shown(control, id, &team).await
}
