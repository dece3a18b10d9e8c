//! The leave to make one call: taken at all gates or at none, given back whatever happens.

use super::refusal::Refusal;
use super::{
    Expected, Gate, Left, Manner, MoneyHold, Purse, RateHold, Settled, Share, SoftCrossing, Standing,
};
use crate::domain::{Charge, Money, RateTerms};
use smallvec::SmallVec;
use std::mem;
use std::sync::Arc;

/// What a call will take.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// About how many tokens.
    pub tokens: u64,
    /// About how much money.
    pub cost: Expected,
    /// What becomes of it where other processes are to be asked first.
    pub manner: Manner,
}

/// The leave to make one call. Dropped, it gives back slots, tokens and money; the request stays counted.
#[derive(Debug)]
#[must_use = "dropping a permit ends its request"]
pub struct Permit(Box<Held>);

/// What is held, where. On the heap, because a permit is passed on from hand to hand.
#[derive(Debug, Default)]
struct Held {
    gates: SmallVec<[Arc<Gate>; 6]>,
    rates: SmallVec<[HeldRate; 6]>,
    money: SmallVec<[HeldMoney; 6]>,
}

#[derive(Debug)]
struct HeldRate {
    gate: usize,
    hold: RateHold,
    left: Left,
}

#[derive(Debug)]
struct HeldMoney {
    gate: usize,
    purse: usize,
    hold: MoneyHold,
}

/// Lets a call through all `gates` at `now` (unix milliseconds), budgets first and then speeds (LiteLLM's order), each
/// in the order given.
///
/// # Errors
/// The first limit that is reached, or [`Refusal::Unknown`] if others are to be asked first; nothing is taken then.
pub fn admit<'a>(
    now: i64,
    gates: impl IntoIterator<Item = &'a Arc<Gate>>,
    ask: Ask,
) -> Result<Permit, Refusal> {
    let mut permit = Permit::empty(gates);
    match permit.take(now, ask) {
        Ok(()) => Ok(permit),
        Err(refusal) => {
            permit.undo();
            Err(refusal)
        }
    }
}

/// Lets one more attempt of a call through that passed these gates already: money is asked for, speed is not.
///
/// # Errors
/// The first budget that is used up; nothing is taken then.
pub fn admit_again<'a>(
    now: i64,
    gates: impl IntoIterator<Item = &'a Arc<Gate>>,
    ask: Ask,
) -> Result<Permit, Refusal> {
    let mut permit = Permit::empty(gates);
    permit.take_money(now, ask)?;
    Ok(permit)
}

/// Whether [`admit`] would let a call through; nothing is taken.
///
/// # Errors
/// As [`admit`].
pub fn check(now: i64, gates: &[&Arc<Gate>], ask: Ask) -> Result<(), Refusal> {
    for gate in gates {
        for purse in gate.purses() {
            let ends = purse.period_end(now);
            let checked = purse.account().check(now, ends, purse.terms(), purse.refuses(), ask.cost);
            checked.map_err(|why| Refusal::money(gate, purse, why))?;
        }
    }
    for gate in gates {
        let Some((window, terms)) = gate.rates() else { continue };
        window.check(now, terms, ask.tokens).map_err(|why| Refusal::rate(gate, why, now))?;
    }
    Ok(())
}

impl Permit {
    /// Nothing is taken yet.
    fn empty<'a>(gates: impl IntoIterator<Item = &'a Arc<Gate>>) -> Self {
        let mut held = Box::<Held>::default();
        held.gates.extend(gates.into_iter().cloned());
        Self(held)
    }

    fn take(&mut self, now: i64, ask: Ask) -> Result<(), Refusal> {
        self.take_money(now, ask)?;
        let Held { gates, rates, .. } = &mut *self.0;
        for (at, gate) in gates.iter().enumerate() {
            let Some(admitted) = gate.admit(now, ask.tokens, ask.manner) else { continue };
            let (hold, left) = admitted.map_err(|why| Refusal::rate(gate, why, now))?;
            rates.push(HeldRate { gate: at, hold, left });
        }
        Ok(())
    }

    fn take_money(&mut self, now: i64, ask: Ask) -> Result<(), Refusal> {
        let Held { gates, money, .. } = &mut *self.0;
        for (at, gate) in gates.iter().enumerate() {
            for (which, purse) in gate.purses().iter().enumerate() {
                let hold = purse
                    .reserve(now, (ask.cost, ask.manner))
                    .map_err(|why| Refusal::money(gate, purse, why))?;
                money.push(HeldMoney { gate: at, purse: which, hold });
            }
        }
        Ok(())
    }

    /// Parts with what it holds of its callers' speed, which another permit for the same call is to end.
    pub fn split_rates(&mut self) -> Self {
        let (gates, rates) = (self.0.gates.clone(), mem::take(&mut self.0.rates));
        Self(Box::new(Held { gates, rates, money: SmallVec::new() }))
    }

    /// How its callers stand after it was given; only those whose requests or tokens are limited.
    pub fn standing(&self) -> impl Iterator<Item = Standing> {
        self.0.rates.iter().filter_map(|held| {
            let gate = self.0.gates.get(held.gate)?;
            let (_, RateTerms { rpm, tpm, .. }) = gate.rates()?;
            let requests = rpm.map(|limit| Share { limit, remaining: held.left.requests });
            let tokens = tpm.map(|limit| Share { limit, remaining: held.left.tokens });
            (requests.is_some() || tokens.is_some()).then_some(Standing {
                descriptor: gate.descriptor(),
                requests,
                tokens,
            })
        })
    }

    /// Raises what is reserved to what the call cost so far, while it streams.
    pub fn top_up(&mut self, so_far: Money) {
        let Held { gates, money, .. } = &mut *self.0;
        for held in money {
            if let Some(purse) = purse(gates, held) {
                purse.top_up(&mut held.hold, so_far);
            }
        }
    }

    /// Ends the call, which took `tokens` and cost `cost`.
    pub fn settle(mut self, tokens: u64, cost: Money) -> Settled {
        let Held { gates, rates, money } = &mut *self.0;
        for held in rates.drain(..) {
            if let Some(gate) = gates.get(held.gate) {
                gate.settle(held.hold, tokens);
            }
        }
        let mut settled = Settled { charges: Vec::with_capacity(money.len() + 1), ..Settled::default() };
        for held in money.drain(..) {
            let Some(purse) = purse(gates, &held) else { continue };
            let (counter, soft) = (purse.counter(), purse.terms().soft);
            settled.charges.push(Charge { counter: counter.clone(), period_end: held.hold.period_end() });
            let spent = purse.settle(held.hold, cost);
            if let Some((spent, soft)) = spent.zip(soft) {
                settled.crossed.push(SoftCrossing { counter: counter.clone(), soft, spent });
            }
        }
        settled
    }

    /// Makes it the leave to call something else instead, for which these are all the gates: what is held at gates that
    /// stay is raised to what is asked, new gates are asked, and others let go. The request counts as one at gates that
    /// stay.
    ///
    /// # Errors
    /// The first limit that is reached. All that was held still is; some of it may be raised.
    pub fn transfer<'a>(
        &mut self,
        now: i64,
        gates: impl IntoIterator<Item = &'a Arc<Gate>>,
        ask: Ask,
    ) -> Result<(), Refusal> {
        let wanted: SmallVec<[&Arc<Gate>; 8]> = gates.into_iter().collect();
        let among = |gate: &Arc<Gate>, all: &[&Arc<Gate>]| all.iter().any(|other| Arc::ptr_eq(other, gate));
        let Held { gates, money, .. } = &mut *self.0;
        for held in money {
            let Some(gate) = gates.get(held.gate).filter(|gate| among(gate, &wanted)) else { continue };
            let Some(purse) = gate.purses().get(held.purse) else { continue };
            purse
                .account()
                .raise(now, &mut held.hold, purse.terms(), purse.refuses(), ask.cost)
                .map_err(|why| Refusal::money(gate, purse, why))?;
        }
        let new = wanted.iter().copied().filter(|gate| !gates.iter().any(|held| Arc::ptr_eq(held, gate)));
        let new = admit(now, new, ask)?;
        let old = mem::replace(self, new);
        self.take_over(old, |gate| among(gate, &wanted));
        Ok(())
    }

    /// Takes what another permit holds at the gates that `stays` is true of; the rest goes with it.
    fn take_over(&mut self, mut other: Self, stays: impl Fn(&Arc<Gate>) -> bool) {
        let (own, other) = (&mut *self.0, &mut *other.0);
        let mut places: SmallVec<[Option<usize>; 8]> = SmallVec::new();
        for gate in &other.gates {
            places.push(stays(gate).then_some(own.gates.len()));
            own.gates.extend(stays(gate).then(|| Arc::clone(gate)));
        }
        let place = |at: usize| places.get(at).copied().flatten();
        for held in mem::take(&mut other.rates) {
            match place(held.gate) {
                Some(gate) => own.rates.push(HeldRate { gate, ..held }),
                None => other.rates.push(held),
            }
        }
        for held in mem::take(&mut other.money) {
            match place(held.gate) {
                Some(gate) => own.money.push(HeldMoney { gate, ..held }),
                None => other.money.push(held),
            }
        }
    }

    fn undo(mut self) {
        let Held { gates, rates, .. } = &mut *self.0;
        for held in rates.drain(..) {
            if let Some(gate) = gates.get(held.gate) {
                gate.undo(held.hold);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Held { gates, rates, money } = &mut *self.0;
        for held in rates.drain(..) {
            if let Some(gate) = gates.get(held.gate) {
                gate.settle(held.hold, 0);
            }
        }
        for held in money.drain(..) {
            if let Some(purse) = purse(gates, &held) {
                purse.release(held.hold);
            }
        }
    }
}

fn purse<'a>(gates: &'a [Arc<Gate>], held: &HeldMoney) -> Option<&'a Purse> {
    gates.get(held.gate)?.purses().get(held.purse)
}
