//! What calls read of a deployment that others have too, held once for all of them: where a model has a thousand keys,
//! every call meets another deployment, and what only that one has is in no cache any more.

use super::head::Alike;
use crate::dialects::Dialect;
use crate::domain::{Prices, TargetId};
use crate::providers::{Params, Target};
use http::HeaderValue;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What deployments have in common that differ in their names, keys and shares of the traffic only.
pub struct Traits {
    number: u64,
    /// The model the upstream is asked for, without the prefix; may hold `*`.
    pub model: String,
    /// What the upstream speaks.
    pub dialect: &'static dyn Dialect,
    /// How they are asked.
    pub params: Params,
    /// What they cost; `None` if nobody knows.
    pub prices: Option<Prices>,
    /// The largest prompt they take.
    pub max_input_tokens: Option<u64>,
    /// Whether they can be served.
    pub is_served: bool,
    /// What answers and records say of them.
    pub words: Words,
}

/// What answers and records say of deployments, in the forms in which every call needs them.
pub struct Words {
    /// Their `api_base` as configured.
    pub api_base: HeaderValue,
    /// The same as records have it.
    pub base: Arc<str>,
    /// Their group.
    pub group: HeaderValue,
    /// The upstream's model with the provider's prefix.
    pub upstream_model: Arc<str>,
    /// The provider.
    pub provider: Arc<str>,
    /// Names their prices, if they have any.
    pub price_version: Option<u64>,
}

/// Tells traits apart that were made one after the other.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// So many texts of others a thread has copies of.
const MOST_OWN: usize = 4096;

type Own<K, V> = RefCell<HashMap<K, V, foldhash::fast::FixedState>>;

thread_local! {
    static WORDS: Own<u64, Rc<Words>> = RefCell::default();
    static NAMES: Own<u64, (TargetId, HeaderValue)> = RefCell::default();
}

impl Traits {
    pub(super) fn new(target: &Target, alike: &mut Alike) -> Self {
        Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            model: target.model.clone(),
            dialect: target.dialect,
            params: target.params.clone(),
            prices: target.info.prices,
            max_input_tokens: target.info.max_input_tokens,
            is_served: target.unserved.is_none(),
            words: Words {
                api_base: value(&target.api_base),
                base: alike.word(&target.api_base),
                group: value(&target.group),
                upstream_model: alike.word(&format!("{}/{}", target.provider, target.model)),
                provider: alike.word(&target.provider),
                price_version: target.info.prices.as_ref().map(Prices::version),
            },
        }
    }

    /// Whether they are this target's, too.
    pub(super) fn are_of(&self, target: &Target) -> bool {
        self.model == target.model
            && *self.words.provider == *target.provider
            && *self.words.base == *target.api_base
            && self.words.group == value(&target.group)
            && self.dialect.name() == target.dialect.name()
            && self.is_served == target.unserved.is_none()
            && self.max_input_tokens == target.info.max_input_tokens
            && self.prices == target.info.prices
            && self.params == target.params
    }

    /// The words in copies of this thread's own: to count those who use one text, threads would wait for each other, some
    /// ten times a call.
    #[must_use]
    pub fn own_words(&self) -> Rc<Words> {
        own(&WORDS, self.number, || Rc::new(self.words.copy()), Rc::clone)
    }
}

/// What is made of the names of a deployment, its id and the same as a header, in copies of this thread's own.
pub(super) fn of_own_names<R>(number: u64, id: &TargetId, of: impl Fn(&(TargetId, HeaderValue)) -> R) -> R {
    own(&NAMES, number, || (TargetId::new(id.as_str()), value(id.as_str())), of)
}

fn own<V, R>(
    all: &'static std::thread::LocalKey<Own<u64, V>>,
    number: u64,
    make: impl FnOnce() -> V,
    of: impl Fn(&V) -> R,
) -> R {
    all.with_borrow_mut(|own| {
        if let Some(known) = own.get(&number) {
            return of(known);
        }
        if own.len() >= MOST_OWN {
            own.clear();
        }
        of(own.entry(number).or_insert_with(make))
    })
}

impl Words {
    fn copy(&self) -> Self {
        Self {
            api_base: copy(&self.api_base),
            base: Arc::from(&*self.base),
            group: copy(&self.group),
            upstream_model: Arc::from(&*self.upstream_model),
            provider: Arc::from(&*self.provider),
            price_version: self.price_version,
        }
    }
}

/// A text as a header; empty if it cannot be one.
pub(super) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

fn copy(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, Overrides, parse_and_compile};

    fn alike(params: &[&str]) -> Vec<Arc<Traits>> {
        let entry = |params: &&str| {
            format!("- {{model_name: m, litellm_params: {{api_base: 'http://127.0.0.1:9', {params}}}}}\n")
        };
        let yaml = format!("model_list:\n{}", params.iter().map(entry).collect::<String>());
        let config = parse_and_compile(&yaml, &Env::of(&[]), &Overrides::default()).unwrap().config;
        let mut alike = Alike::default();
        config.targets.iter().map(|target| alike.traits(target)).collect()
    }

    #[test]
    fn keys_of_one_model_share_what_calls_read() {
        let all = alike(&[
            "model: openai/x, api_key: a",
            "model: openai/x, api_key: b, rpm: 7",
            "model: openai/x, api_key: b, temperature: 0.5",
            "model: openai/x, api_key: b, timeout: 3",
            "model: openai/x, api_key: b, input_cost_per_token: 0.1",
            "model: openai/y, api_key: b",
            "model: anthropic/x, api_key: b",
        ]);
        assert!(Arc::ptr_eq(&all[0], &all[1]));
        for (at, one) in all.iter().enumerate().skip(1) {
            assert!(all[at + 1..].iter().all(|other| !Arc::ptr_eq(one, other)), "{at}");
        }
    }

    #[test]
    fn a_threads_own_words_say_the_same() {
        let all = alike(&["model: openai/x, api_key: a", "model: openai/y, api_key: b"]);
        for traits in all {
            let own = traits.own_words();
            assert!(Rc::ptr_eq(&own, &traits.own_words()));
            assert_eq!((&own.api_base, &own.group), (&traits.words.api_base, &traits.words.group));
            assert_eq!(own.upstream_model, traits.words.upstream_model);
            assert!(!Arc::ptr_eq(&own.upstream_model, &traits.words.upstream_model));
            assert_eq!(own.price_version, traits.words.price_version);
        }
    }
}
