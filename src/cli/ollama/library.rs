//! Models of Ollama's library that many use. The whole of it is at ollama.com/library.

/// A model that can be pulled.
#[derive(Debug)]
pub(super) struct Available {
    pub(super) name: &'static str,
    /// Its kinds, first the one it is best known for.
    pub(super) kinds: &'static [&'static str],
    /// The tags it comes with, by size.
    pub(super) sizes: &'static str,
    pub(super) about: &'static str,
}

/// The kinds there are.
pub(super) const KINDS: [&str; 5] = ["chat", "code", "embedding", "reasoning", "vision"];

const fn row(
    name: &'static str,
    kinds: &'static [&'static str],
    sizes: &'static str,
    about: &'static str,
) -> Available {
    Available { name, kinds, sizes, about }
}

pub(super) static ALL: &[Available] = &[
    row("llama2", &["chat"], "7b 13b 70b", "Meta"),
    row("llama3.1", &["chat"], "8b 70b 405b", "Meta; calls tools"),
    row("llama3.2", &["chat"], "1b 3b", "Meta; small, calls tools"),
    row("llama3.3", &["chat"], "70b", "Meta; calls tools"),
    row("llama3.2-vision", &["vision", "chat"], "11b 90b", "Meta; reads images"),
    row("llama4", &["chat", "vision"], "16x17b 128x17b", "Meta; reads images, calls tools"),
    row("mistral", &["chat"], "7b", "Mistral AI; calls tools"),
    row("mistral-nemo", &["chat"], "12b", "Mistral AI; long context, calls tools"),
    row("mistral-small", &["chat"], "22b 24b", "Mistral AI; calls tools"),
    row("mixtral", &["chat"], "8x7b 8x22b", "Mistral AI; mixture of experts"),
    row("gemma2", &["chat"], "2b 9b 27b", "Google"),
    row("gemma3", &["chat", "vision"], "1b 4b 12b 27b", "Google; reads images from 4b on"),
    row("phi3", &["chat"], "3.8b 14b", "Microsoft"),
    row("phi4", &["chat"], "14b", "Microsoft"),
    row("qwen2.5", &["chat"], "0.5b 1.5b 3b 7b 14b 32b 72b", "Alibaba; calls tools"),
    row("qwen3", &["chat", "reasoning"], "0.6b 1.7b 4b 8b 14b 30b 32b 235b", "Alibaba; thinks, calls tools"),
    row("gpt-oss", &["chat", "reasoning"], "20b 120b", "OpenAI's open weights; thinks, calls tools"),
    row("deepseek-r1", &["reasoning"], "1.5b 7b 8b 14b 32b 70b 671b", "DeepSeek; thinks"),
    row("qwq", &["reasoning"], "32b", "Alibaba; thinks"),
    row("codellama", &["code"], "7b 13b 34b 70b", "Meta"),
    row("codegemma", &["code"], "2b 7b", "Google"),
    row("deepseek-coder", &["code"], "1.3b 6.7b 33b", "DeepSeek"),
    row("deepseek-coder-v2", &["code"], "16b 236b", "DeepSeek; mixture of experts"),
    row("qwen2.5-coder", &["code"], "0.5b 1.5b 3b 7b 14b 32b", "Alibaba; calls tools"),
    row("starcoder2", &["code"], "3b 7b 15b", "BigCode"),
    row("llava", &["vision"], "7b 13b 34b", "reads images"),
    row("moondream", &["vision"], "1.8b", "reads images; small"),
    row("nomic-embed-text", &["embedding"], "137m", "Nomic"),
    row("mxbai-embed-large", &["embedding"], "335m", "Mixedbread"),
    row("all-minilm", &["embedding"], "22m 33m", "sentence transformers; small"),
    row("bge-m3", &["embedding"], "567m", "BAAI; many languages"),
    row("snowflake-arctic-embed", &["embedding"], "22m 33m 110m 137m 335m", "Snowflake"),
];

/// Those of a kind, and with a text in name or description, whatever its case.
pub(super) fn find<'a>(
    kind: Option<&'a str>,
    text: Option<&'a str>,
) -> impl Iterator<Item = &'static Available> + 'a {
    let text = text.map(str::to_lowercase);
    let speaks = move |model: &Available, text: &str| {
        model.name.contains(text) || model.about.to_lowercase().contains(text)
    };
    ALL.iter()
        .filter(move |model| kind.is_none_or(|kind| model.kinds.contains(&kind)))
        .filter(move |model| text.as_ref().is_none_or(|text| speaks(model, text)))
}
