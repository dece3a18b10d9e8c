//! Integer money: pico-dollars in 64 bits, so that sums are exact and order does not matter.
//!
//! One token may cost 37.5 nano-dollars, hence pico. The range is ±9.2 million dollars a counter.
//! Floats exist only at the edges: prices read from configuration and costs shown in JSON.

use std::fmt;
use std::iter::Sum;

const PICO_PER_DOLLAR: f64 = 1e12;

/// An amount in pico-dollars (10⁻¹² USD).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// The price of one token, in pico-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenPrice(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount given in pico-dollars.
    #[must_use]
    pub const fn from_pico(pico: i64) -> Self {
        Self(pico)
    }

    /// The amount in pico-dollars.
    #[must_use]
    pub const fn pico(self) -> i64 {
        self.0
    }

    /// The sum, held at the largest amount rather than wrapping.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The amount in US dollars, for JSON and metrics.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shown to people; sums are kept as integers")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / PICO_PER_DOLLAR
    }

    /// Whether nothing was spent.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Self::saturating_add)
    }
}

/// US dollars as LiteLLM prints them: the shortest form that reads back to the same number, with an
/// exponent below 10⁻⁴ (`3.3964e-05`).
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.dollars();
        if dollars == 0.0 {
            return f.write_str("0.0");
        }
        if dollars.abs() < 1e-4 {
            let text = format!("{dollars:e}");
            let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let exponent: i32 = exponent.parse().unwrap_or(0);
            return write!(f, "{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
        }
        if dollars.fract() == 0.0 { write!(f, "{dollars:.1}") } else { write!(f, "{dollars}") }
    }
}

impl TokenPrice {
    /// Free.
    pub const ZERO: Self = Self(0);

    /// Reads a price in US dollars a token; `None` if it is negative, not a number or over 1,000 USD.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        (dollars.is_finite() && (0.0..=1000.0).contains(&dollars))
            .then(|| Self((dollars * PICO_PER_DOLLAR).round() as i64))
    }

    /// The price in pico-dollars a token.
    #[must_use]
    pub const fn pico(self) -> i64 {
        self.0
    }

    /// What `tokens` tokens cost, held at the largest amount rather than wrapping.
    #[must_use]
    pub fn times(self, tokens: u64) -> Money {
        Money(i64::try_from(tokens).map_or(i64::MAX, |n| self.0.saturating_mul(n)))
    }

    /// The price in US dollars a token, for JSON.
    #[must_use]
    pub fn dollars(self) -> f64 {
        Money(self.0).dollars()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_exact_to_the_pico() {
        let price = TokenPrice::from_dollars(0.000_001_078).unwrap();
        assert_eq!(price.pico(), 1_078_000);
        assert_eq!(TokenPrice::from_dollars(3.75e-8).unwrap().times(2), Money::from_pico(75_000));
    }

    #[test]
    fn dollars_are_printed_the_way_litellm_prints_them() {
        assert_eq!(Money::from_pico(33_964_000).to_string(), "3.3964e-05");
        assert_eq!(Money::from_pico(1_234_000_000).to_string(), "0.001234");
        assert_eq!(Money::from_pico(2_000_000_000_000).to_string(), "2.0");
        assert_eq!(Money::ZERO.to_string(), "0.0");
    }

    #[test]
    fn nonsense_prices_are_refused_and_sums_do_not_wrap() {
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(TokenPrice::from_dollars(bad).is_none(), "{bad} is not a price");
        }
        assert_eq!(TokenPrice(i64::MAX).times(u64::MAX), Money(i64::MAX));
    }
}
