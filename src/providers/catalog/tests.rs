use super::{Catalog, TABLE, row, search};
use crate::domain::{Money, TokenPrice};

fn price(dollars: f64) -> TokenPrice {
    TokenPrice::from_dollars(dollars).unwrap()
}

#[test]
fn the_table_is_sorted_and_every_line_is_found() {
    let names: Vec<&str> = TABLE.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert!(names.len() > 2000 && names.is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()));
    for line in TABLE.lines() {
        let name = line.split('\t').next().unwrap();
        assert_eq!(search::line(TABLE, name), Some(line));
        assert!(row::of_line(line).mode.is_some(), "{line}");
        assert!(line.split('\t').count() <= 26, "{line}");
        let wrong = line.split('\t').skip(3).find(|cell| !cell.is_empty() && cell.parse::<f64>().is_err());
        assert_eq!(wrong, None, "{line}");
    }
    for name in ["", "\u{0}", "zzzz", "gpt-4o-", "~"] {
        assert_eq!(search::line(TABLE, name), None, "{name}");
    }
}

#[test]
fn a_model_is_found_with_its_prefix_or_bare_if_it_is_the_providers() {
    let catalog = Catalog::default();
    let plain = catalog.find("openai", "gpt-4o").unwrap();
    let prices = plain.prices.unwrap();
    assert_eq!((prices.input, prices.output), (price(2.5e-6), price(1e-5)));
    assert_eq!(prices.cache_read, Some(price(1.25e-6)));
    assert_eq!(plain.max_input_tokens, Some(128_000));
    assert_eq!(prices.batch.unwrap().output, price(5e-6));
    let deepseek = catalog.find("deepseek", "deepseek-chat").unwrap().prices.unwrap();
    // A price of nothing for a part is no price of its own.
    assert_eq!((deepseek.input, deepseek.cache_write), (price(2.8e-7), None));
    assert!(catalog.find("hosted_vllm", "gpt-4o").is_none(), "somebody else's");
    assert!(catalog.find("openai", "no-such-model").is_none());
    assert_eq!(catalog.named("azure/gpt-4o").unwrap().mode.as_deref(), Some("chat"));
    assert_eq!(catalog.find("ollama_chat", "llama3").map(|facts| facts.prices.unwrap().are_zero()), None);
    assert_eq!(
        catalog.find("openai", "tts-1").unwrap().prices.unwrap().units.character,
        Money::from_dollars(1.5e-5)
    );
}

#[test]
fn long_prompts_images_and_seconds_have_prices_of_their_own() {
    let catalog = Catalog::default();
    let gemini = catalog.find("gemini", "gemini-2.5-pro").unwrap().prices.unwrap();
    assert_eq!((gemini.at(200_000).input, gemini.at(200_001).input), (price(1.25e-6), price(2.5e-6)));
    assert_eq!(
        catalog.find("openai", "whisper-1").unwrap().prices.unwrap().units.second,
        Money::from_dollars(1e-4)
    );
    let image = |model: &str, size: &str, quality: &str| {
        let images = catalog.images("openai", model);
        images.into_iter().find(|own| own.size == size && own.quality == quality).map(|own| own.price)
    };
    assert_eq!(image("dall-e-3", "1024x1024", "standard"), Money::from_dollars(0.04));
    assert_eq!(image("dall-e-3", "1024x1792", "hd"), Money::from_dollars(0.12));
    assert_eq!(image("gpt-image-1", "1024x1024", "low"), Money::from_dollars(0.011));
    assert!(catalog.images("hosted_vllm", "dall-e-3").is_empty());
}

#[test]
fn a_price_file_is_laid_over_the_table() {
    let text = r#"{"sample_spec": {"mode": "one of: chat"},
        "gpt-4o": {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "max_tokens": 7, "mode": "chat"},
        "mine": {"input_cost_per_token": 3e-6}}"#;
    let catalog = Catalog::with_prices(text).unwrap();
    let own = catalog.find("openai", "gpt-4o").unwrap();
    assert_eq!((own.prices.unwrap().output, own.max_input_tokens), (price(2e-6), Some(7)));
    assert_eq!(catalog.find("hosted_vllm", "mine").unwrap().prices.unwrap().input, price(3e-6));
    assert!(catalog.find("openai", "gpt-4o-mini").is_some(), "the rest is as it was");
}

#[test]
fn a_price_file_that_is_none_is_refused() {
    for text in [
        "",
        "[]",
        r#"{"m": 7}"#,
        r#"{"m": {"input_cost_per_token": -1}}"#,
        r#"{"m": {"input_cost_per_token": 1e9}}"#,
    ] {
        assert!(Catalog::with_prices(text).is_err(), "{text}");
    }
}
