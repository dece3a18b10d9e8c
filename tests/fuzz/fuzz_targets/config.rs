//! Any text is compiled or refused, and never both slow and silent: no panic, no endless alias.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate::config::{Env, Overrides, parse_and_compile};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let env = Env::of(&[("LITELLM_MASTER_KEY", "sk-canary-master"), ("K_COUNT", "2"), ("K_0", "a"), ("K_1", "b")]);
    if let Err(faults) = parse_and_compile(text, &env, &Overrides::default()) {
        assert!(!faults.is_empty());
        assert!(faults.iter().all(|fault| !fault.to_string().contains("sk-canary-master")));
    }
});
