//! `POST /team/model/add` and `POST /team/model/delete`: what a team may call.

use super::new::shown;
use super::unknown;
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, need};
use crate::control::records;
use crate::store::{Doc, TEAMS};
use axum::extract::State;
use serde_json::json;

const FORM: &[Field] = &[need("team_id", Kind::Text), need("models", Kind::Texts)];
/// LiteLLM's word for a list that allows nothing; an empty one allows all.
const NONE: &str = "no-default-models";

/// `POST /team/model/add`
pub(in crate::control) async fn add(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    let edit = |models: &mut Vec<String>, said: &[String]| {
        models.retain(|known| known != NONE && !said.contains(known));
        models.extend(said.iter().cloned());
    };
    change(&control, &caller, &input, edit).await
}

/// `POST /team/model/delete`; a team that loses its last model may call none, not all.
pub(in crate::control) async fn delete(
    State(control): State<Control>,
    caller: Caller,
    input: Input,
) -> Answer {
    let edit = |models: &mut Vec<String>, said: &[String]| {
        let had = !models.is_empty();
        models.retain(|known| !said.contains(known));
        if had && models.is_empty() {
            models.push(NONE.to_owned());
        }
    };
    change(&control, &caller, &input, edit).await
}

async fn change(
    control: &Control,
    caller: &Caller,
    input: &Input,
    edit: impl Fn(&mut Vec<String>, &[String]),
) -> Answer {
    caller.must_be_admin()?;
    let form: Doc = input.read(&[FORM])?;
    let id = records::text(&form, "team_id").unwrap_or_default();
    let said = records::texts(&form, "models");
    let changed = records::change(control, &TEAMS, id, |team| {
        let mut models = records::texts(team, "models");
        edit(&mut models, &said);
        team.insert("models".to_owned(), json!(models));
        records::touch(team, caller.name());
        Ok::<_, Refusal>(())
    });
    let team = changed.await?.ok_or_else(|| unknown(id))?;
    shown(control, id, &team).await
}
