//! Google's Vertex AI: a host for each location, a path for each project and publisher, and tokens of a service
//! account.

pub mod account;

use super::Base;
use super::site::{Param, Placed, Site};
use crate::dialects::anthropic::OnVertex as Claude;
use crate::dialects::gemini::OnVertex as Gemini;
use crate::dialects::openai::OpenAi;
use crate::dialects::{Auth, Dialect};
use crate::domain::Secret;
use account::Account;

/// Vertex AI.
#[derive(Clone, Copy, Debug)]
pub struct Vertex;

/// LiteLLM's location where none is named.
const LOCATION: &str = "us-central1";
/// The parameter with the account: JSON, or the path of a file with it.
pub const CREDENTIALS: &str = "vertex_credentials";
/// Variables that may hold the same.
const CREDENTIALS_ENV: [&str; 2] = ["VERTEXAI_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"];
/// Publishers whose models are asked in OpenAI's words.
const OPENAI_PUBLISHERS: [&str; 8] =
    ["meta", "deepseek-ai", "qwen", "openai", "moonshotai", "minimaxai", "minimax", "zai-org"];
/// Publishers whose models want words that are not there yet.
const UNSERVED_PUBLISHERS: [&str; 4] = ["mistralai", "ai21", "nvidia", "bge"];
/// Models of those, named without their publisher.
const UNSERVED_MODELS: [&str; 4] = ["mistral", "codestral", "jamba", "ministral"];

/// What is asked for, and in whose words.
struct Kind<'a> {
    dialect: &'static dyn Dialect,
    /// What follows the location in every path.
    below: String,
    model: &'a str,
}

impl Site for Vertex {
    fn place(&self, model: &str, param: &Param<'_>) -> Result<Placed, String> {
        let kind = kind(model)?;
        let (auth, key, own_project) = shown(param)?;
        let project = param("vertex_project", &[])
            .or_else(|| param("vertex_ai_project", &["VERTEXAI_PROJECT", "GOOGLE_CLOUD_PROJECT"]))
            .or(own_project);
        let location = param("vertex_location", &[])
            .or_else(|| param("vertex_ai_location", &["VERTEXAI_LOCATION", "VERTEX_LOCATION"]))
            .unwrap_or_else(|| LOCATION.to_owned());
        let project = project.ok_or("it needs vertex_project, or VERTEXAI_PROJECT")?;
        if !is_word(&project) || !is_word(&location) {
            return Err("vertex_project or vertex_location is none".to_owned());
        }
        let base = match param("api_base", &[]).or_else(|| param("base_url", &["VERTEXAI_API_BASE"])) {
            // A proxy that stands in for all of it, or for the host alone.
            Some(base) if Base::parse(&base)?.path.contains("/projects/") => base,
            Some(base) => format!("{}{}", base.trim_end_matches('/'), path(&base, &project, &location)?),
            None => format!("{}/v1/projects/{project}/locations/{location}", host(&location)),
        };
        let base = format!("{base}{}", kind.below);
        let query = String::new();
        Ok(Placed { base, query, auth, key, model: kind.model.to_owned(), dialect: Some(kind.dialect) })
    }
}

/// What is missing of a path in a base of the operator's.
fn path(base: &str, project: &str, location: &str) -> Result<String, String> {
    let parsed = Base::parse(base)?;
    let version = parsed.path.rsplit('/').next().unwrap_or_default();
    let versioned = version.starts_with("v1");
    let version = if versioned { "" } else { "/v1" };
    Ok(format!("{version}/projects/{project}/locations/{location}"))
}

fn kind(model: &str) -> Result<Kind<'_>, String> {
    let google = |model| Kind { dialect: &Gemini, below: "/publishers/google".to_owned(), model };
    if model.starts_with("claude") {
        let below = "/publishers/anthropic".to_owned();
        return Ok(Kind { dialect: &Claude, below, model });
    }
    if UNSERVED_MODELS.iter().any(|start| model.starts_with(start)) {
        return Err("this publisher's models are not served yet".to_owned());
    }
    match model.split_once('/') {
        // A tuned model has an endpoint of its own.
        Some(("gemini" | "endpoints", number)) if is_number(number) => Ok(tuned(number)),
        None if is_number(model) => Ok(tuned(model)),
        Some(("openai", number)) if is_number(number) => {
            Ok(Kind { dialect: &OpenAi, below: format!("/endpoints/{number}"), model: number })
        }
        Some(("gemini", model)) => Ok(google(model)),
        Some((publisher, _)) if OPENAI_PUBLISHERS.contains(&publisher) => {
            Ok(Kind { dialect: &OpenAi, below: "/endpoints/openapi".to_owned(), model })
        }
        Some((publisher, _)) if UNSERVED_PUBLISHERS.contains(&publisher) => {
            Err(format!("models of \"{publisher}\" are not served yet"))
        }
        Some((publisher, _)) => Err(format!("\"{publisher}\" is no publisher that is known")),
        None => Ok(google(model)),
    }
}

/// A model behind an endpoint, which is then all of its path.
fn tuned(number: &str) -> Kind<'_> {
    Kind { dialect: &Gemini, below: format!("/endpoints/{number}"), model: number }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// What may stand in a path and in a host.
fn is_word(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b':' | b'.' | b'_');
    !text.is_empty() && !text.contains("..") && text.bytes().all(plain)
}

fn host(location: &str) -> String {
    match location {
        "global" => "https://aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("https://aiplatform.{location}.rep.googleapis.com"),
        _ => format!("https://{location}-aiplatform.googleapis.com"),
    }
}

type Shown = (Auth, Option<Secret>, Option<String>);

/// How it is shown who asks, and the project of the account.
fn shown(param: &Param<'_>) -> Result<Shown, String> {
    let text = param(CREDENTIALS, &[]);
    let key = param("api_key", &[]).as_deref().and_then(Secret::new);
    if let (None, Some(key)) = (&text, key) {
        return Ok((Auth::Header("x-goog-api-key"), Some(key), None));
    }
    let text = text.or_else(|| param(CREDENTIALS, &CREDENTIALS_ENV));
    let text = text.ok_or("it needs vertex_credentials, or GOOGLE_APPLICATION_CREDENTIALS")?;
    let account = Account::parse(&text)?;
    let project = account.project().map(str::to_owned);
    Ok((Auth::Lent, account.written(), project))
}

#[cfg(test)]
mod tests;
