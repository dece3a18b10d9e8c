//! What the service manager is told: that we serve, that we reload, that we go, and that we are alive.
//! Without `NOTIFY_SOCKET` nothing is done.

use super::beats::Beats;
use crate::runtime::Snapshot;
use sd_notify::NotifyState;
use std::collections::HashSet;
use std::time::Duration;

/// Says that we serve, and what.
pub(super) fn ready(snapshot: &Snapshot) {
    tell(&[NotifyState::Ready, NotifyState::Status(&status(snapshot))]);
}

/// Says that the configuration is read again; [`ready`] says that it was.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => log::warn!("the service manager is not told of the reload: {error}"),
    }
}

/// Says that we go, and how long that may take.
pub(super) fn stopping(longest: Duration) {
    let longest = u32::try_from(longest.as_micros()).unwrap_or(u32::MAX);
    let status = "going away: open requests end";
    tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(longest), NotifyState::Status(status)]);
}

/// Says that another process is the service now.
pub(super) fn succeeded_by(pid: u32) {
    tell(&[NotifyState::MainPid(pid), NotifyState::Status("another process took over: open requests end")]);
}

/// How often the watchdog wants to hear of us.
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|within| !within.is_zero())
}

/// Says for ever that we are alive, as long as each data-plane thread is.
pub(super) async fn keep_alive(beats: Beats, within: Duration) {
    let mut tick = tokio::time::interval((within / 3).max(Duration::from_millis(1)));
    let mut stuck = false;
    loop {
        tick.tick().await;
        let oldest = beats.oldest();
        if oldest < within {
            stuck = false;
            tell(&[NotifyState::Watchdog]);
        } else if !std::mem::replace(&mut stuck, true) {
            log::error!(
                "a data-plane thread has stood still for {oldest:?}: the watchdog is not told that we live"
            );
        }
    }
}

fn status(snapshot: &Snapshot) -> String {
    let groups: HashSet<&str> = snapshot.groups.iter().map(|group| &*group.name).collect();
    format!(
        "serving configuration {}: {} deployments in {} groups",
        snapshot.generation,
        snapshot.deployments.len(),
        groups.len()
    )
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::warn!("the service manager cannot be told: {error}");
    }
}
