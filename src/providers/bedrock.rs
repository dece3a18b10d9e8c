//! Amazon Bedrock: a host for each region, and a signature or a bearer token.

use super::site::{Param, Placed, Site};
use crate::dialects::Auth;
use crate::dialects::converse::sign::{SigV4, credentials};
use crate::domain::Secret;

/// Bedrock's runtime.
#[derive(Clone, Copy, Debug)]
pub struct Bedrock;

/// LiteLLM's region where none is named.
const REGION: &str = "us-west-2";
/// Ways to credentials that are not gone here.
const ELSEWHERE: [&str; 4] =
    ["aws_role_name", "aws_profile_name", "aws_web_identity_token", "aws_session_name"];

impl Site for Bedrock {
    fn place(&self, model: &str, param: &Param<'_>) -> Result<Placed, String> {
        if model.starts_with("invoke/") {
            return Err("Bedrock is asked by Converse only".to_owned());
        }
        let model = model.strip_prefix("converse/").unwrap_or(model);
        let (named, model) = match model.split_once('/') {
            Some((region, rest)) if is_region(region) => (Some(region), rest),
            _ => (None, model),
        };
        let region = param("aws_region_name", &[])
            .or_else(|| named.map(str::to_owned))
            .or_else(|| param("", &["AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"]))
            .unwrap_or_else(|| REGION.to_owned());
        if !is_region(&region) {
            return Err("aws_region_name is no region".to_owned());
        }
        let base = param("aws_bedrock_runtime_endpoint", &["AWS_BEDROCK_RUNTIME_ENDPOINT"])
            .or_else(|| param("api_base", &[]))
            .or_else(|| param("base_url", &[]))
            .unwrap_or_else(|| host(&region));
        let (auth, key) = shown(param, &region)?;
        let (query, key) = (String::new(), Some(key));
        Ok(Placed { base, query, auth, key, model: model.to_owned(), dialect: None })
    }
}

fn host(region: &str) -> String {
    let end = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://bedrock-runtime.{region}.amazonaws.com{end}")
}

/// `us-east-1`, `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let numbered = text.rsplit_once('-').is_some_and(|(_, last)| last.parse::<u8>().is_ok());
    plain && numbered && text.matches('-').count() >= 2
}

fn shown(param: &Param<'_>, region: &str) -> Result<(Auth, Secret), String> {
    let own = param("aws_access_key_id", &[]).is_some();
    let token = if own { None } else { param("api_key", &["AWS_BEARER_TOKEN_BEDROCK"]) };
    if let Some(token) = token.as_deref().and_then(Secret::new) {
        return Ok((Auth::Bearer, token));
    }
    if let Some(name) = ELSEWHERE.iter().find(|name| param(name, &[]).is_some()) {
        return Err(format!("{name} is not served yet"));
    }
    let access = param("aws_access_key_id", &["AWS_ACCESS_KEY_ID"]);
    let secret = param("aws_secret_access_key", &["AWS_SECRET_ACCESS_KEY"]);
    let (Some(access), Some(secret)) = (access, secret) else {
        return Err(
            "it needs aws_access_key_id and aws_secret_access_key, or AWS_BEARER_TOKEN_BEDROCK".to_owned()
        );
    };
    // The variable's token belongs to the variables' key.
    let session = param("aws_session_token", if own { &[] } else { &["AWS_SESSION_TOKEN"] });
    let key = credentials(&access, &secret, region, session.as_deref());
    key.map(|key| (Auth::Signed(&SigV4), key)).ok_or_else(|| "the credentials are blank".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(model: &str, given: &[(&str, &str)]) -> Result<Placed, String> {
        let find =
            |name: &str| given.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        Bedrock.place(model, &|name, env| find(name).or_else(|| env.iter().find_map(|name| find(name))))
    }

    const KEYS: [(&str, &str); 2] = [("aws_access_key_id", "AKID"), ("aws_secret_access_key", "canary")];

    #[test]
    fn the_region_is_in_the_host_and_in_the_credentials() {
        let place = placed("converse/eu-west-1/anthropic.claude-3", &KEYS).unwrap();
        assert_eq!(place.base, "https://bedrock-runtime.eu-west-1.amazonaws.com");
        assert_eq!(place.model, "anthropic.claude-3");
        assert_eq!(place.key.unwrap().expose(), "AKID\ncanary\neu-west-1");
        assert!(matches!(place.auth, Auth::Signed(_)));
        let place = placed("x", &[KEYS[0], KEYS[1], ("AWS_REGION", "cn-north-1")]).unwrap();
        assert_eq!(place.base, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn");
        assert!(placed("x", &[KEYS[0], KEYS[1], ("aws_region_name", "evil.example/#")]).is_err());
        let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/x";
        assert_eq!(placed(arn, &KEYS).unwrap().model, arn);
    }

    #[test]
    fn a_bearer_token_does_without_a_signature() {
        let place = placed("x", &[("AWS_BEARER_TOKEN_BEDROCK", "t")]).unwrap();
        assert!(matches!(place.auth, Auth::Bearer) && place.key.unwrap().expose() == "t");
        let both = [KEYS[0], KEYS[1], ("AWS_BEARER_TOKEN_BEDROCK", "t"), ("AWS_SESSION_TOKEN", "other's")];
        let place = placed("x", &both).unwrap();
        assert_eq!(place.key.unwrap().expose(), "AKID\ncanary\nus-west-2");
    }

    #[test]
    fn what_is_missing_is_told_without_what_is_there() {
        assert!(placed("x", &[]).unwrap_err().contains("aws_access_key_id"));
        assert!(!placed("x", &KEYS[1..]).unwrap_err().contains("canary"));
        assert!(placed("x", &[("aws_role_name", "r")]).unwrap_err().contains("aws_role_name"));
        assert!(placed("invoke/x", &KEYS).is_err());
    }
}
