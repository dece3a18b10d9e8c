//! `POST /tollgate/salt/rotate`: encrypts every stored credential with the present salt.

use crate::control::Control;
use crate::control::api::models;
use crate::control::input::{Answer, Caller, Refusal};
use crate::control::records;
use crate::store::{CREDENTIALS, Doc, MODELS, Query, SealError, Table, Vault};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

/// Rows fetched at a time.
const PAGE: u32 = 200;

pub(in crate::control) async fn run(State(control): State<Control>, caller: Caller) -> Answer {
    caller.must_be_admin()?;
    let vault = control.runtime.load().config.stored.vault.clone();
    let mut unreadable = Vec::new();
    let models = rotate(&control, &MODELS, &vault, models::seal_row, &mut unreadable).await?;
    let credentials = rotate(&control, &CREDENTIALS, &vault, credential, &mut unreadable).await?;
    control.reloader.models_may_have_changed();
    Ok(Json(json!({ "models": models, "credentials": credentials, "unreadable": unreadable })))
}

/// Goes through a table; answers with how many rows were changed, and adds to the ids of those that no key opens.
async fn rotate(
    control: &Control,
    table: &Table,
    vault: &Vault,
    seal: fn(&Vault, &mut Doc) -> Result<(), SealError>,
    unreadable: &mut Vec<Value>,
) -> Result<u32, Refusal> {
    let (mut changed, mut offset) = (0, 0);
    loop {
        let page = control.store.list(table, &Query { limit: PAGE, offset, ..Query::default() }).await?.rows;
        for (id, before) in &page {
            let mut after = before.clone();
            match seal(vault, &mut after) {
                Err(SealError::WrongKey) => unreadable.push(json!({ "kind": table.kind, "id": id })),
                Err(error) => return Err(error.into()),
                Ok(()) if after == *before => {}
                Ok(()) => {
                    let edited =
                        records::change(control, table, id, |doc| Ok::<_, Refusal>(seal(vault, doc)?));
                    changed += u32::from(edited.await?.is_some());
                }
            }
        }
        if page.len() < PAGE as usize {
            return Ok(changed);
        }
        offset += PAGE;
    }
}

fn credential(vault: &Vault, doc: &mut Doc) -> Result<(), SealError> {
    doc.get_mut("credential_values").map_or(Ok(()), |values| vault.seal_all(values))
}
