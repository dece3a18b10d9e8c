//! `POST /team/update`: a team's own members are changed, null clears.

use super::{FIELDS, OF_MEMBERS, ROW, fold, managed};
use crate::control::Control;
use crate::control::input::{Answer, Caller, Field, Input, Kind, Refusal, check_id, need, want};
use crate::control::records::{self, BUDGET, RATES, take};
use crate::domain::Scope;
use crate::store::TEAMS;
use axum::Json;
use axum::extract::State;
use serde_json::json;

const WHICH: &[Field] = &[need("team_id", Kind::Text), want("spend", Kind::Money)];
/// What a team's own admins may change of it.
const OWN: [&str; 1] = ["team_alias"];

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller, input: Input) -> Answer {
    let mut which = input.read(&[WHICH])?;
    let mut said = input.read(&[FIELDS, RATES, BUDGET])?;
    let of_members = input.read(&[OF_MEMBERS])?;
    let (id, present) = managed(&control, &caller, &which).await?;
    let spend = take(&mut which, "spend");
    let beyond = said.keys().find(|name| !OWN.contains(&name.as_str()));
    if !caller.is_admin() && (beyond.is_some() || spend.is_some()) {
        let name = beyond.map_or("spend", String::as_str);
        return Err(Refusal::forbidden(format!("Only proxy admin can change a team's {name}.")).of(name));
    }
    check_id("team_alias", records::text(&said, "team_alias").unwrap_or_default())?;
    fold(&control, &mut said, of_members, Some(&present), caller.name()).await?;
    let changed = records::change(&control, &TEAMS, &id, |team| {
        records::lay_over(team, &said);
        records::touch(team, caller.name());
        Ok::<_, Refusal>(())
    });
    let team = changed.await?.ok_or_else(|| super::unknown(&id))?;
    records::set_spend(&control, Scope::Team, &id, spend).await?;
    let row = records::show_one(&control, &ROW, Some(Scope::Team), &id, &team).await?;
    Ok(Json(json!({ "team_id": id, "data": row })))
}
