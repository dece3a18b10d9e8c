//! `tollgate.realtime`: how long sessions may last.

use super::super::field::{Report, Section};
use super::super::model::RealtimeConfig;
use std::time::Duration;

const IDLE: Duration = Duration::from_secs(600);
/// Twice what OpenAI lets a session last.
const LONGEST: Duration = Duration::from_hours(2);
const BOOKED_EVERY: Duration = Duration::from_secs(60);

pub(super) fn compile(tollgate: &Section<'_>, report: &mut Report) -> RealtimeConfig {
    let section = tollgate.field("realtime").and_then(|field| field.map(report));
    let mut time = |name: &str, usual: Duration| {
        let field = section.as_ref().and_then(|section| section.field(name));
        let Some((field, time)) = field.and_then(|field| field.seconds(report).map(|time| (field, time)))
        else {
            return usual;
        };
        if time < Duration::from_secs(1) {
            report.fault(field.place(), "wants seconds from 1");
        }
        time
    };
    RealtimeConfig {
        idle: time("idle_timeout", IDLE),
        longest: time("max_duration", LONGEST),
        booked_every: time("booked_every", BOOKED_EVERY),
    }
}
