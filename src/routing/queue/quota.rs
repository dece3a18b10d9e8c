//! The quota of one upstream key for one model: requests and tokens in any window of time.
//!
//! Nobody knows where the upstream's own window begins, or when exactly it counts a call. So a request
//! counts from before it is sent until a whole window after the upstream has surely counted it: that is
//! when its answer began, or, if that takes longer, [`DELIVERY`] after the last byte was sent. Tokens
//! are held as estimated from the start, and what was really used counts for a window after the end.

use super::Demand;
use super::sliding::Sliding;
use super::told::{Side, Told};

/// Within so many milliseconds after its last byte was sent an upstream has counted a request.
const DELIVERY: u64 = 2000;
/// After a refusal without a word about its end the key rests for this part of a window; twice as long each time.
const FIRST_REST: u64 = 12;

/// Limits for each window; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests.
    pub requests: Option<u64>,
    /// Tokens.
    pub tokens: Option<u64>,
}

/// What is known of one quota.
#[derive(Clone, Debug)]
pub struct Quota {
    window: u64,
    configured: Limits,
    told: Limits,
    requests: Sliding,
    tokens: Sliding,
    rests_until: u64,
    refusals: u32,
}

/// What one call takes of a quota, to be given to [`Quota::end`].
#[derive(Debug)]
#[must_use = "what is taken stays taken until this is given back"]
pub struct Hold {
    request: Counted,
    tokens: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// Not sent yet.
    Held,
    /// Sent: counts until then.
    Until(u64),
}

impl Limits {
    /// The smaller of two, each way.
    #[must_use]
    pub fn least(self, other: Self) -> Self {
        let least = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { requests: least(self.requests, other.requests), tokens: least(self.tokens, other.tokens) }
    }
}

impl Quota {
    /// An untouched quota; `window` is the upstream's, in milliseconds (at least 1).
    #[must_use]
    pub fn new(window: u64) -> Self {
        Self {
            window: window.max(1),
            configured: Limits::default(),
            told: Limits::default(),
            requests: Sliding::default(),
            tokens: Sliding::default(),
            rests_until: 0,
            refusals: 0,
        }
    }

    /// Takes over limits and window of a new configuration; what is taken stays taken.
    pub fn configure(&mut self, limits: Limits, window: u64) {
        self.configured = limits;
        self.window = window.max(1);
    }

    /// The limits that hold: the configured ones, or what the upstream said if that is less.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.configured.least(self.told)
    }

    /// Whether a limit is configured.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.configured != Limits::default()
    }

    /// When a call of about so many tokens can be made, if nothing else is taken. What can never be is at the end
    /// of time; where only calls under way stand in the way, a window from now is guessed.
    #[must_use]
    pub fn ready_at(&self, now: u64, tokens: u64) -> u64 {
        let limits = self.limits();
        let guess = now.saturating_add(self.window);
        let when = |taken: &Sliding, limit: Option<u64>, amount: u64| match limit {
            None => now,
            Some(0) => u64::MAX,
            // A call that is larger than the limit has the whole of it.
            Some(limit) => taken.free_at(now, limit, amount.clamp(1, limit)).unwrap_or(guess),
        };
        let requests = when(&self.requests, limits.requests, 1);
        requests.max(when(&self.tokens, limits.tokens, tokens)).max(self.rests_until).max(now)
    }

    /// Takes a request and about so many tokens.
    ///
    /// # Errors
    /// When it would go, as [`Quota::ready_at`]; nothing is taken then.
    pub fn take(&mut self, now: u64, tokens: u64) -> Result<Hold, u64> {
        self.requests.used(now);
        self.tokens.used(now);
        let at = self.ready_at(now, tokens);
        if at > now {
            return Err(at);
        }
        Ok(self.take_anyway(tokens))
    }

    /// Takes a request and about so many tokens, whatever the limits are.
    pub fn take_anyway(&mut self, tokens: u64) -> Hold {
        let tokens = tokens.clamp(1, self.limits().tokens.unwrap_or(u64::MAX).max(1));
        self.requests.hold(1);
        self.tokens.hold(tokens);
        Hold { request: Counted::Held, tokens }
    }

    /// The call's last byte was sent.
    pub fn sent(&mut self, now: u64, hold: &mut Hold) {
        if hold.request == Counted::Held {
            self.requests.release(1);
            let until = now.saturating_add(DELIVERY).saturating_add(self.window);
            hold.request = Counted::Until(self.requests.log(until, 1));
        }
    }

    /// The call's answer began, so that it was counted by now.
    pub fn answered(&mut self, now: u64, hold: &mut Hold) {
        self.sent(now, hold);
        let Counted::Until(from) = hold.request else { return };
        let until = now.saturating_add(self.window);
        if until < from && self.requests.shorten(from, until, 1) {
            hold.request = Counted::Until(until);
        }
    }

    /// The call is over and took `tokens`. One that was never sent was never made.
    pub fn end(&mut self, now: u64, hold: Hold, tokens: u64) {
        self.tokens.release(hold.tokens);
        if hold.request == Counted::Held {
            self.requests.release(1);
        } else if tokens > 0 {
            self.tokens.log(now.saturating_add(self.window), tokens);
        }
    }

    /// The upstream answered, and refused nothing.
    pub const fn served(&mut self) {
        self.refusals = 0;
    }

    /// The upstream said that the quota is used up, perhaps for how many milliseconds.
    pub fn refused(&mut self, now: u64, rest: Option<u64>) {
        self.refusals = self.refusals.saturating_add(1);
        let guess = (self.window / FIRST_REST).max(1).saturating_mul(1 << (self.refusals - 1).min(10));
        let rest = rest.filter(|rest| *rest > 0).unwrap_or(guess.min(self.window));
        self.rests_until = self.rests_until.max(now.saturating_add(rest));
    }

    /// Takes note of what the upstream says is left. Others may use the same key, so less than was known is believed;
    /// more is not, as its count may be older than the calls under way.
    pub fn heard(&mut self, now: u64, told: &Told) {
        let rests = [
            hear(
                &mut self.requests,
                &mut self.told.requests,
                self.configured.requests,
                told.requests,
                (now, self.window),
            ),
            hear(
                &mut self.tokens,
                &mut self.told.tokens,
                self.configured.tokens,
                told.tokens,
                (now, self.window),
            ),
        ];
        for until in rests.into_iter().flatten() {
            self.rests_until = self.rests_until.max(until);
        }
    }

    /// The share of the scarcer limit that is left, from 0 to 1; 1 without limits.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
    pub fn headroom(&mut self, now: u64) -> f64 {
        if now < self.rests_until {
            return 0.0;
        }
        let limits = self.limits();
        let share = |taken: &mut Sliding, limit: Option<u64>| {
            limit.map_or(1.0, |limit| limit.saturating_sub(taken.used(now)) as f64 / limit.max(1) as f64)
        };
        share(&mut self.requests, limits.requests).min(share(&mut self.tokens, limits.tokens))
    }

    /// How much can be begun between `now` and `then`, all in all.
    #[must_use]
    pub fn room(&self, now: u64, then: u64) -> Demand {
        if then < self.rests_until {
            return Demand::default();
        }
        let limits = self.limits();
        // Whatever is begun is free again a window later.
        let windows = then.saturating_sub(now) / self.window;
        let rest = then.saturating_sub(windows.saturating_mul(self.window));
        let room = |taken: &Sliding, limit: Option<u64>| {
            let Some(limit) = limit else { return u64::MAX };
            let used = taken.logged_at(rest).saturating_add(taken.held());
            windows.saturating_mul(limit).saturating_add(limit.saturating_sub(used))
        };
        Demand { requests: room(&self.requests, limits.requests), tokens: room(&self.tokens, limits.tokens) }
    }
}

/// One side of what an upstream said. Gives the moment until which nothing more will be served, if so.
fn hear(
    taken: &mut Sliding,
    limit: &mut Option<u64>,
    configured: Option<u64>,
    said: Side,
    (now, window): (u64, u64),
) -> Option<u64> {
    let reset = said.reset.unwrap_or(window);
    let until = now.saturating_add(reset);
    // A longer period is another limit than this one; that it is used up is true all the same.
    if reset > window {
        return (said.remaining == Some(0)).then_some(until);
    }
    *limit = said.limit.filter(|limit| *limit > 0).or(*limit);
    let known = match (configured, *limit) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let (Some(limit), Some(remaining)) = (known, said.remaining) else {
        return (said.remaining == Some(0)).then_some(until);
    };
    let foreign = limit.saturating_sub(taken.used(now)).saturating_sub(remaining);
    if foreign > 0 {
        taken.log(until, foreign);
    }
    None
}
