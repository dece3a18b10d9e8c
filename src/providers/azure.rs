//! Azure's OpenAI: OpenAI's dialect at a path for each deployment, with a version and a header of its own.

use super::Base;
use super::site::{Param, Placed, Site};
use crate::dialects::Auth;
use crate::domain::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Azure's OpenAI service.
#[derive(Clone, Copy, Debug)]
pub struct Azure;

/// Models in Azure's AI Foundry.
#[derive(Clone, Copy, Debug)]
pub struct Foundry;

/// LiteLLM's version where none is named.
const VERSION: &str = "2025-02-01-preview";
/// Versions of the surface that names models in the body.
const UNVERSIONED: [&str; 3] = ["v1", "preview", "latest"];
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Site for Azure {
    fn place(&self, model: &str, param: &Param<'_>) -> Result<Placed, String> {
        let base = base(param, &["AZURE_API_BASE"])?;
        let path = Base::parse(&base)?.path;
        let version = param("api_version", &["AZURE_API_VERSION"]).unwrap_or_else(|| VERSION.to_owned());
        let query = query(&version)?;
        let model =
            ["o_series/", "gpt5_series/"].iter().find_map(|kind| model.strip_prefix(kind)).unwrap_or(model);
        let (auth, key) = shown(param, &["AZURE_API_KEY", "AZURE_OPENAI_API_KEY"]);
        let place = |base: String, query| {
            Ok(Placed { base, query, auth, key, model: model.to_owned(), dialect: None })
        };
        if UNVERSIONED.contains(&version.as_str()) || path.ends_with("/openai/v1") {
            let root = base.strip_suffix("/v1").unwrap_or(&base);
            let root = root.strip_suffix("/openai").unwrap_or(root);
            let query = if version == "preview" { query } else { String::new() };
            return place(format!("{root}/openai/v1"), query);
        }
        if path.contains("/openai/deployments/") {
            let own = base.strip_suffix("/chat/completions").unwrap_or(&base).to_owned();
            return place(own, query);
        }
        if model.contains('*') {
            return Err("a pattern of models needs api_version: v1".to_owned());
        }
        let root = base.strip_suffix("/openai").unwrap_or(&base);
        place(format!("{root}/openai/deployments/{}", utf8_percent_encode(model, PLAIN)), query)
    }
}

impl Site for Foundry {
    fn place(&self, model: &str, param: &Param<'_>) -> Result<Placed, String> {
        let base = base(param, &["AZURE_AI_API_BASE"])?;
        let parsed = Base::parse(&base)?;
        let (auth, key) = shown(param, &["AZURE_AI_API_KEY"]);
        let is_foundry = parsed.origin.host.ends_with(".services.ai.azure.com");
        // Others are servers that speak as OpenAI does.
        let auth = if is_foundry { auth } else { Auth::Bearer };
        let path = match (parsed.path.is_empty(), is_foundry) {
            (true, true) => "/models",
            (true, false) => "/v1",
            (false, _) => "",
        };
        let query = match param("api_version", &[]) {
            Some(version) => query(&version)?,
            None if is_foundry && path == "/models" => query("2024-05-01-preview")?,
            None => String::new(),
        };
        let base = base.strip_suffix("/chat/completions").unwrap_or(&base);
        let base = format!("{base}{path}");
        Ok(Placed { base, query, auth, key, model: model.to_owned(), dialect: None })
    }
}

fn base(param: &Param<'_>, env: &[&str]) -> Result<String, String> {
    let base = param("api_base", &[]).or_else(|| param("base_url", env));
    let base = base.ok_or_else(|| format!("it needs an api_base, or {}", env.join(" or ")))?;
    Ok(base.trim().trim_end_matches('/').to_owned())
}

fn query(version: &str) -> Result<String, String> {
    let plain = version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    if plain { Ok(format!("?api-version={version}")) } else { Err("api_version is none".to_owned()) }
}

/// A key in a header of Azure's own, or a token of its directory.
fn shown(param: &Param<'_>, env: &[&str]) -> (Auth, Option<Secret>) {
    let own = param("api_key", &[]);
    let token = if own.is_some() { None } else { param("azure_ad_token", &[]) };
    if let Some(token) = token.as_deref().and_then(Secret::new) {
        return (Auth::Bearer, Some(token));
    }
    let key = own.or_else(|| param("", env)).as_deref().and_then(Secret::new);
    if key.is_some() {
        return (Auth::Header("api-key"), key);
    }
    (Auth::Bearer, param("", &["AZURE_AD_TOKEN"]).as_deref().and_then(Secret::new))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(site: &dyn Site, model: &str, given: &[(&str, &str)]) -> Result<Placed, String> {
        let find =
            |name: &str| given.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        site.place(model, &|name, env| find(name).or_else(|| env.iter().find_map(|name| find(name))))
    }

    #[test]
    fn a_deployment_has_a_path_and_a_version() {
        let url = |model, base, version| {
            let place = placed(&Azure, model, &[("api_base", base), ("api_version", version)]).unwrap();
            format!("{}/x{}", place.base, place.query)
        };
        let root = "https://r.openai.azure.com";
        let expected = format!("{root}/openai/deployments/gpt-4o/x?api-version=2024-10-21");
        for base in [root, "https://r.openai.azure.com/", "https://r.openai.azure.com/openai"] {
            assert_eq!(url("gpt-4o", base, "2024-10-21"), expected, "{base}");
        }
        assert_eq!(
            url("o_series/a b", root, "1"),
            format!("{root}/openai/deployments/a%20b/x?api-version=1")
        );
        assert_eq!(url("*", root, "v1"), format!("{root}/openai/v1/x"));
        assert_eq!(
            url("m", &format!("{root}/openai/v1"), "preview"),
            format!("{root}/openai/v1/x?api-version=preview")
        );
        let by_default = placed(&Azure, "m", &[("AZURE_API_BASE", root)]).unwrap();
        assert_eq!(by_default.query, format!("?api-version={VERSION}"));
    }

    #[test]
    fn the_key_has_a_header_of_its_own() {
        let base = ("api_base", "https://r.openai.azure.com");
        let shown = |more| {
            let place = placed(&Azure, "m", &[base, more]).unwrap();
            (matches!(place.auth, Auth::Header("api-key")), place.key.map(|key| key.expose().to_owned()))
        };
        assert_eq!(shown(("AZURE_API_KEY", "k")), (true, Some("k".to_owned())));
        assert_eq!(shown(("azure_ad_token", "t")), (false, Some("t".to_owned())));
        assert_eq!(shown(("x", "y")), (false, None));
    }

    #[test]
    fn what_has_no_place_is_told() {
        assert!(placed(&Azure, "m", &[]).unwrap_err().contains("AZURE_API_BASE"));
        let base = ("api_base", "https://r.openai.azure.com");
        assert!(placed(&Azure, "gpt-*", &[base]).is_err());
        assert!(placed(&Azure, "m", &[base, ("api_version", "1&x=y")]).is_err());
    }

    #[test]
    fn foundry_has_a_path_of_its_own() {
        let url = |base| {
            let place = placed(&Foundry, "m", &[("api_base", base), ("AZURE_AI_API_KEY", "k")]).unwrap();
            (format!("{}/x{}", place.base, place.query), matches!(place.auth, Auth::Header("api-key")))
        };
        let foundry = "https://r.services.ai.azure.com/models/x?api-version=2024-05-01-preview";
        assert_eq!(url("https://r.services.ai.azure.com"), (foundry.to_owned(), true));
        assert_eq!(
            url("https://m.eastus.models.ai.azure.com"),
            ("https://m.eastus.models.ai.azure.com/v1/x".to_owned(), false)
        );
    }
}
