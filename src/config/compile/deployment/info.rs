//! What is known of a deployment's model.

use super::Deployment;
use crate::config::compile::provider::Meaning;
use crate::config::compile::{prices, shown};
use crate::config::field::{Report, Section};
use crate::providers::ModelInfo;
use crate::providers::catalog::{Facts, ImagePrice};

impl Deployment<'_> {
    /// What is known of the model: by `base_model` if that is set, else by its name.
    pub(super) fn facts(&self, meaning: &Meaning, report: &mut Report) -> Facts {
        let named = self.info.field("base_model").or_else(|| self.params.field("base_model"));
        let found = match named.as_ref().and_then(|field| field.text(report).map(|name| (field, name))) {
            Some((field, name)) => {
                let found = self.catalog.named(&name);
                if found.is_none() {
                    report.warn(field.place(), "nothing is known of this model");
                }
                found
            }
            None => self.catalog.find(&meaning.provider, &meaning.model),
        };
        found.unwrap_or_default()
    }
}

/// Modes whose endpoints are served.
const SERVED: [&str; 12] = [
    "chat",
    "completion",
    "embedding",
    "audio_speech",
    "audio_transcription",
    "image_generation",
    "image_edit",
    "moderation",
    "rerank",
    "batch",
    "responses",
    "realtime",
];

pub(super) fn model_info(
    params: &Section<'_>,
    info: &Section<'_>,
    (facts, images): (Facts, Vec<ImagePrice>),
    report: &mut Report,
) -> ModelInfo {
    let own = prices::compile(params, info, report);
    let images = if own.is_some() { Vec::new() } else { images };
    let prices = own.or(facts.prices);
    report.lenient(|report| {
        let mode = info.field("mode").and_then(|f| {
            let mode = f.text(report)?;
            if !SERVED.contains(&mode.as_str()) {
                report.warn(f.place(), format!("the endpoints of mode \"{mode}\" are not served yet"));
            }
            Some(mode)
        });
        ModelInfo {
            mode: mode.or(facts.mode),
            max_input_tokens: info
                .field("max_input_tokens")
                .and_then(|f| f.count(report))
                .or(facts.max_input_tokens),
            max_output_tokens: info
                .field("max_output_tokens")
                .and_then(|f| f.count(report))
                .or(facts.max_output_tokens),
            max_tokens: info.field("max_tokens").and_then(|f| f.count(report)),
            prices,
            images,
            access_groups: info.field("access_groups").map(|f| f.texts(report)).unwrap_or_default(),
            raw: info.node().map(shown::info).unwrap_or_default(),
            params: shown::params(params),
            is_stored: false,
        }
    })
}
