//! `tollgate.groups.<name>.hedge`: a second attempt when the first token is late.

use super::super::field::{Field, Report};
use super::super::tree::Value;
use crate::routing::HedgeTerms;
use std::time::Duration;

const SHARE: f64 = 0.05;
/// What is late after less would hedge every call.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_hours(1);

/// Whether calls are hedged (`true`, or a mapping), and how.
pub(super) fn of(field: &Field<'_>, report: &mut Report) -> Option<HedgeTerms> {
    let plain = HedgeTerms { after: None, share: SHARE };
    if !matches!(field.node().value, Value::Map(_)) {
        return field.bool(report)?.then_some(plain);
    }
    let section = field.map(report)?;
    let after = section.field("after").and_then(|f| {
        let after = f.seconds(report).filter(|after| (SHORTEST..=LONGEST).contains(after));
        if after.is_none() {
            report.fault(f.place(), "wants seconds from 0.001 to 3600; without it what is late is learned");
        }
        after
    });
    let share = section.field("share").map_or(SHARE, |f| {
        let share = f.number(report).filter(|share| (0.0..=1.0).contains(share));
        if share.is_none() {
            report.fault(f.place(), "wants a share of the calls, from 0 to 1");
        }
        share.unwrap_or(SHARE)
    });
    Some(HedgeTerms { after, share })
}

#[cfg(test)]
mod tests {
    use crate::config::{Env, Overrides, parse_and_compile};
    use crate::routing::HedgeTerms;
    use std::time::Duration;

    fn hedge(text: &str) -> Result<Option<HedgeTerms>, usize> {
        let yaml = format!(
            "model_list: [{{model_name: m, litellm_params: {{model: openai/m}}}}]\n\
             tollgate: {{groups: {{m: {{hedge: {text}}}}}}}"
        );
        let compiled = parse_and_compile(&yaml, &Env::of(&[]), &Overrides::default());
        let config = compiled.map_err(|errors| errors.len())?.config;
        Ok(config.groups.of("m").unwrap().hedge)
    }

    #[test]
    fn it_is_off_unless_asked_for_and_its_terms_are_checked() {
        let terms = |after, share| Ok(Some(HedgeTerms { after, share }));
        assert_eq!(hedge("false"), Ok(None));
        assert_eq!(hedge("true"), terms(None, 0.05));
        assert_eq!(hedge("{after: 0.5}"), terms(Some(Duration::from_millis(500)), 0.05));
        assert_eq!(hedge("{share: 0.2}"), terms(None, 0.2));
        assert_eq!(hedge("{after: 0, share: 2}"), Err(2));
        assert_eq!(hedge("soon"), Err(1));
    }

    #[test]
    fn where_limits_hold_it_is_said_that_no_call_is_made_twice() {
        let warned_of = |own: &str, more: &str| {
            let yaml = format!(
                "model_list: [{{model_name: m, litellm_params: {{model: openai/m, api_key: k{more}}}}}]\n\
                 tollgate: {{{own}}}"
            );
            let compiled = parse_and_compile(&yaml, &Env::of(&[]), &Overrides::default()).unwrap();
            compiled.warnings.iter().any(|warning| warning.message.contains("made twice"))
        };
        let warned = |own: &str| warned_of(own, ", rpm: 9");
        assert!(warned("groups: {m: {hedge: true, max_wait: 5}}"));
        assert!(warned("queue: true, groups: {m: {hedge: true}}"));
        assert!(!warned("groups: {m: {hedge: true}}") && !warned("queue: true, groups: {m: {max_wait: 5}}"));
        assert!(!warned_of("queue: true, groups: {m: {hedge: true}}", ""), "nothing is counted");
    }
}
