//! `GET /customer/info`: also of one that has no row, once it has made calls.

use super::{ROW, shown, unknown};
use crate::control::Control;
use crate::control::input::{Answer, Caller, Params, Refusal};
use crate::domain::{Money, Scope};
use crate::store::{CUSTOMERS, Dimension, Doc, SumQuery};
use axum::Json;
use axum::extract::State;
use serde_json::Value;

pub(in crate::control) async fn run(
    State(control): State<Control>,
    caller: Caller,
    params: Params,
) -> Answer {
    caller.must_see_all()?;
    let id = params.need("end_user_id")?;
    Ok(Json(match control.store.get(&CUSTOMERS, id).await? {
        Some(doc) => shown(&control, id, &doc).await?,
        None => seen(&control, id).await?,
    }))
}

/// One without a row: what counts for its budget if it has one by default, or else what all of its calls cost.
async fn seen(control: &Control, id: &str) -> Result<Value, Refusal> {
    let counters = control.store.spent(Scope::Customer, id).await?;
    if !counters.is_empty() {
        return shown(control, id, &Doc::new()).await;
    }
    let query = SumQuery {
        only: vec![(Dimension::Customer, vec![id.to_owned()])],
        from: FIRST_DAY.to_owned(),
        to: LAST_DAY.to_owned(),
        limit: 1,
        ..SumQuery::default()
    };
    let sums = control.store.usage_sums(&query).await?;
    let sums = sums.first().filter(|sums| sums.requests > 0).ok_or_else(|| unknown(id))?;
    Ok(Value::Object(ROW.show(id, &Doc::new(), Money::from_pico(sums.cost).dollars())))
}

const FIRST_DAY: &str = "0000-00-00";
const LAST_DAY: &str = "9999-99-99";
