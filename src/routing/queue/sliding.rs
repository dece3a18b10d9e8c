//! How much of one limit is taken, and until when each part of it counts.

use std::collections::VecDeque;

/// So many parts are told apart; beyond that a part counts as long as its later neighbour.
const MOST_PARTS: usize = 256;

/// What is taken: some of it until further notice, the rest until known moments.
#[derive(Clone, Debug, Default)]
pub(super) struct Sliding {
    held: u64,
    logged: u64,
    /// Sorted by their ends.
    parts: VecDeque<Part>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    until: u64,
    amount: u64,
}

impl Sliding {
    /// Takes an amount until further notice.
    pub(super) const fn hold(&mut self, amount: u64) {
        self.held = self.held.saturating_add(amount);
    }

    /// Gives an amount back that was held.
    pub(super) const fn release(&mut self, amount: u64) {
        self.held = self.held.saturating_sub(amount);
    }

    /// Counts an amount until a moment; the moment that it really counts to, never an earlier one.
    pub(super) fn log(&mut self, until: u64, amount: u64) -> u64 {
        self.logged = self.logged.saturating_add(amount);
        let at = self.parts.partition_point(|part| part.until < until);
        let full = self.parts.len() >= MOST_PARTS;
        match self.parts.get_mut(at) {
            Some(part) if full || part.until == until => {
                part.amount = part.amount.saturating_add(amount);
                return part.until;
            }
            Some(_) => self.parts.insert(at, Part { until, amount }),
            None if full => {
                if let Some(last) = self.parts.back_mut() {
                    *last = Part { until, amount: last.amount.saturating_add(amount) };
                }
            }
            None => self.parts.push_back(Part { until, amount }),
        }
        until
    }

    /// Lets an amount that counts until `from` end at `to`. Where parts were joined nothing is changed.
    pub(super) fn shorten(&mut self, from: u64, to: u64, amount: u64) -> bool {
        let at = self.parts.partition_point(|part| part.until < from);
        let Some(part) = self.parts.get_mut(at).filter(|part| part.until == from && part.amount >= amount)
        else {
            return false;
        };
        part.amount -= amount;
        if part.amount == 0 {
            self.parts.remove(at);
        }
        self.logged = self.logged.saturating_sub(amount);
        self.log(to, amount);
        true
    }

    /// What is taken at `now`; forgets what has ended.
    pub(super) fn used(&mut self, now: u64) -> u64 {
        while let Some(part) = self.parts.front().filter(|part| part.until <= now) {
            self.logged = self.logged.saturating_sub(part.amount);
            self.parts.pop_front();
        }
        self.held.saturating_add(self.logged)
    }

    /// What is left at `then` of what is logged now.
    pub(super) fn logged_at(&self, then: u64) -> u64 {
        let ended = self.parts.iter().take_while(|part| part.until <= then);
        self.logged.saturating_sub(ended.map(|part| part.amount).sum())
    }

    /// What is held until further notice.
    pub(super) const fn held(&self) -> u64 {
        self.held
    }

    /// When an amount fits under a limit, if nothing more is taken; `None` while what is held leaves no room.
    pub(super) fn free_at(&self, now: u64, limit: u64, amount: u64) -> Option<u64> {
        let room = limit.checked_sub(self.held.saturating_add(amount))?;
        let mut logged = self.logged;
        let mut at = now;
        for part in &self.parts {
            if logged <= room {
                break;
            }
            logged = logged.saturating_sub(part.amount);
            at = part.until.max(now);
        }
        (logged <= room).then_some(at)
    }
}
