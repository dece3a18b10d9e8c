use super::*;
use proptest::prelude::*;

const CLIENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// What an upstream is told, which must be the same in both forms.
fn sent(trace: &TraceContext, attempt: usize) -> Vec<String> {
    let sent: Vec<String> =
        trace.headers(attempt).map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    let lines: String = sent.iter().map(|line| format!("{line}\r\n")).collect();
    assert_eq!(std::str::from_utf8(&trace.lines(attempt)).unwrap(), lines);
    sent
}

#[test]
fn what_is_off_looks_at_nothing() {
    assert_eq!(Tracer::default().begin(&headers(&[(TRACEPARENT, CLIENT)])), None);
}

#[test]
fn a_clients_trace_goes_on_and_each_attempt_has_a_span_of_its_own() {
    let tracer = Tracer::new(Some(Sampler::default()), true);
    let trace = tracer.begin(&headers(&[(TRACEPARENT, CLIENT), (TRACESTATE, "a=1,b=2")])).unwrap();
    assert!(trace.is_kept());
    assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(trace.parent().as_deref(), Some("00f067aa0ba902b7"));
    let spans = [trace.span(), trace.attempt(0), trace.attempt(1), trace.parent().unwrap()];
    let different: std::collections::HashSet<_> = spans.iter().collect();
    assert_eq!(different.len(), 4);
    let parent = format!("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", spans[2]);
    assert_eq!(sent(&trace, 1), [parent, "tracestate: a=1,b=2".to_owned()]);
}

#[test]
fn without_spans_of_ours_the_upstream_gets_what_the_client_sent_or_nothing() {
    let tracer = Tracer::new(None, true);
    assert_eq!(tracer.begin(&HeaderMap::new()), None);
    let trace = tracer.begin(&headers(&[(TRACEPARENT, CLIENT)])).unwrap();
    assert!(!trace.is_kept());
    assert_eq!(sent(&trace, 3), [format!("traceparent: {CLIENT}")]);
}

#[test]
fn an_upstream_is_told_only_if_that_is_wanted() {
    let trace = Tracer::new(Some(Sampler::default()), false).begin(&HeaderMap::new()).unwrap();
    assert!(trace.is_kept());
    assert_eq!(sent(&trace, 0), Vec::<String>::new());
}

#[test]
fn who_decides_what_is_kept() {
    let keeps = |sampler: &str, ratio, header: Option<&str>| {
        let tracer = Tracer::new(Sampler::named(sampler, ratio), true);
        let headers = header.map(|value| headers(&[(TRACEPARENT, value)])).unwrap_or_default();
        tracer.begin(&headers).unwrap().is_kept()
    };
    assert!(keeps("always_on", 0.0, Some(UNSAMPLED)));
    assert!(!keeps("always_off", 1.0, Some(CLIENT)));
    assert!(keeps("parentbased_always_off", 0.0, Some(CLIENT)));
    assert!(!keeps("parentbased_always_on", 0.0, Some(UNSAMPLED)));
    assert!(keeps("parentbased_always_on", 0.0, None));
    assert!(!keeps("traceidratio", 0.0, Some(CLIENT)) && keeps("traceidratio", 1.0, Some(UNSAMPLED)));
    assert_eq!(Sampler::named("sometimes", 1.0), None);
    let tracer = Tracer::new(Sampler::named("parentbased_traceidratio", 0.25), true);
    let kept = (0..4000).filter(|_| tracer.begin(&HeaderMap::new()).unwrap().is_kept()).count();
    assert!((800..1200).contains(&kept), "{kept} of 4000");
}

#[test]
fn what_is_no_trace_context_begins_a_trace_of_our_own() {
    let tracer = Tracer::new(Some(Sampler::default()), true);
    let [zero_id, zero_span] = [
        CLIENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
        CLIENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
    ];
    let long = format!("{CLIENT}-more");
    for bad in [
        "",
        "garbage",
        &CLIENT[..54],
        &long,
        &zero_id,
        &zero_span,
        &CLIENT.to_uppercase(),
        &CLIENT.replacen("00", "ff", 1),
    ] {
        let trace = tracer.begin(&headers(&[(TRACEPARENT, bad), (TRACESTATE, "a=1")])).unwrap();
        assert_eq!(trace.parent(), None, "{bad}");
        assert_eq!(trace.state(), None, "{bad}");
    }
    let twice = headers(&[(TRACEPARENT, CLIENT), (TRACEPARENT, CLIENT)]);
    assert_eq!(tracer.begin(&twice).unwrap().parent(), None);
    // A later version may say more.
    let later = long.replacen("00", "01", 1);
    assert!(tracer.begin(&headers(&[(TRACEPARENT, &later)])).unwrap().parent().is_some());
    let much = "a".repeat(LONGEST_STATE + 1);
    let trace = tracer.begin(&headers(&[(TRACEPARENT, CLIENT), (TRACESTATE, &much)])).unwrap();
    assert_eq!((trace.state(), trace.parent().is_some()), (None, true));
}

proptest! {
    #[test]
    fn any_header_is_read_without_harm(text in "\\PC{0,80}") {
        if let Some(parent) = Parent::read(&text) {
            prop_assert_ne!(parent.id, 0);
        }
    }

    #[test]
    fn what_is_written_reads_back(id in 1u128.., span in 1u64.., is_sampled in any::<bool>()) {
        let text = context::write(id, span, is_sampled);
        let parent = Parent::read(std::str::from_utf8(&text).unwrap());
        prop_assert_eq!(parent, Some(Parent { id, span, is_sampled }));
    }
}
