//! `GET /openapi.json`: what is served, written from the tables of routes and endpoints.

use crate::auth::Access;
use crate::control::route::Route;
use crate::control::verbs::Verbs;
use crate::endpoints;
use axum::response::Redirect;
use axum::{Extension, Json};
use serde_json::{Map, Value, json};

pub(in crate::control) async fn run(Extension(routes): Extension<&'static [Route]>) -> Json<Value> {
    Json(document(routes))
}

/// Where people look for it.
pub(in crate::control) async fn docs() -> Redirect {
    Redirect::temporary("/openapi.json")
}

/// The description in OpenAPI 3.1.
fn document(routes: &[Route]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let Verbs { methods, about, .. } = (route.handler)();
        for method in methods {
            let operation = operation(route.path, method.as_str(), about, route.access);
            let path = paths.entry(route.path.replace("{*", "{")).or_insert_with(|| json!({}));
            path[method.as_str().to_lowercase()] = operation;
        }
    }
    for endpoint in endpoints::ALL {
        for path in endpoint.routes.iter().flatten().chain(endpoint.twins) {
            let about = Some(endpoint.operation);
            let operation = operation(path, "POST", about, Access::Key);
            paths.entry((*path).to_owned()).or_insert_with(|| json!({ "post": operation }));
        }
    }
    for (path, method) in endpoints::stored::patterns() {
        let document = paths.entry(path.to_owned()).or_insert_with(|| json!({}));
        document[method.as_str().to_lowercase()] = operation(path, method.as_str(), None, Access::Key);
    }
    for method in &endpoints::METHODS {
        for path in method.routes {
            let operation = operation(path, "POST", Some(method.name), Access::Key);
            paths.entry(path.to_owned()).or_insert_with(|| json!({ "post": operation }));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "tollgate", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": { "securitySchemes": {
            "bearer": { "type": "http", "scheme": "bearer", "description": "The master key or a virtual key." },
        }},
    })
}

fn operation(path: &str, method: &str, about: Option<&str>, access: Access) -> Value {
    let words = about.map_or_else(|| path.trim_matches('/').replace(['/', '_', '-'], " "), str::to_owned);
    let mut operation = json!({
        "summary": words,
        "operationId": format!("{}{}", method.to_lowercase(), path.replace(|c: char| !c.is_alphanumeric(), "_")),
        "responses": { "200": { "description": "Done." }, "default": { "description": "An error." } },
    });
    if access != Access::Public {
        operation["security"] = json!([{ "bearer": [] }]);
        operation["x-access"] = json!(format!("{access:?}"));
    }
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let parameters: Vec<Value> = names
        .map(|name| name.trim_start_matches('*'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if method != "GET" {
        operation["requestBody"] =
            json!({ "content": { "application/json": { "schema": { "type": "object" } } } });
    }
    operation
}
