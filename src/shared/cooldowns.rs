//! Deployments out of rotation, told by each process to all others. A hint: who hears it would have found out by a
//! failure of its own.

use super::Settings;
use super::link::Names;
use crate::domain::{TargetId, UpstreamClass};
use futures::StreamExt;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The longest time that is believed.
const LONGEST: Duration = Duration::from_hours(1);

/// A deployment that is out of rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cooled {
    /// Which one; the same entry has the same id everywhere.
    pub target: TargetId,
    /// What took it out, which decides what else is out with it.
    pub class: UpstreamClass,
    /// For how long.
    pub length: Duration,
}

/// What is done with what others tell.
#[derive(Clone)]
pub struct Hears(Arc<dyn Fn(Cooled) + Send + Sync>);

impl Hears {
    /// Hands it to `hear`, which may not wait.
    pub fn new(hear: impl Fn(Cooled) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }
}

impl fmt::Debug for Hears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hears")
    }
}

impl Cooled {
    /// Who says it, its milliseconds, what it was, and the deployment.
    pub(super) fn to_message(&self, me: &str) -> String {
        let word = match self.class {
            UpstreamClass::Authentication => "key",
            UpstreamClass::RateLimit | UpstreamClass::PermissionDenied => "quota",
            _ => "host",
        };
        format!("{me} {} {word} {}", self.length.as_millis(), self.target)
    }

    /// What another process said; nothing of what this one did.
    fn from_message(message: &str, me: &str) -> Option<Self> {
        let mut words = message.splitn(4, ' ');
        if words.next()? == me {
            return None;
        }
        let length = Duration::from_millis(words.next()?.parse().ok()?).min(LONGEST);
        let class = match words.next()? {
            "key" => UpstreamClass::Authentication,
            "quota" => UpstreamClass::RateLimit,
            "host" => UpstreamClass::Internal,
            _ => return None,
        };
        Some(Self { target: TargetId::new(words.next()?), class, length })
    }
}

/// Hears what others say until the connection ends.
pub(super) async fn listen(
    settings: Settings,
    names: Names,
    me: String,
    hears: Hears,
) -> redis::RedisResult<()> {
    let mut connection = settings.client()?.get_async_pubsub().await?;
    connection.subscribe(names.channel()).await?;
    let mut messages = connection.into_on_message();
    while let Some(message) = messages.next().await {
        let text: String = message.get_payload()?;
        if let Some(cooled) = Cooled::from_message(&text, &me) {
            (hears.0)(cooled);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back_but_for_ones_own() {
        for class in [UpstreamClass::Authentication, UpstreamClass::RateLimit, UpstreamClass::Internal] {
            let cooled = Cooled { target: TargetId::new("a b"), class, length: Duration::from_millis(1500) };
            let message = cooled.to_message("p1");
            assert_eq!(Cooled::from_message(&message, "p2"), Some(cooled));
            assert_eq!(Cooled::from_message(&message, "p1"), None);
        }
        for strange in ["", "p", "p x key t", "p 1 word t", "p 1 key"] {
            assert_eq!(Cooled::from_message(strange, "me"), None);
        }
        let ever = Cooled::from_message("p 99999999999 host t", "me");
        assert_eq!(ever.map(|cooled| cooled.length), Some(LONGEST));
    }
}
