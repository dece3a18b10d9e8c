//! Integer money: pico-dollars in 64 bits, so that sums are exact and order does not matter.
//!
//! One token may cost 37.5 nano-dollars, hence pico. The range is ±9.2 million dollars a counter.
//! Floats exist only at the edges: prices read from configuration and costs shown in JSON.

use super::Decimal;
use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

const PICO_PER_DOLLAR: f64 = 1e12;
/// 10⁻⁴ dollars: below it LiteLLM writes an exponent.
const SMALLEST_PLAIN: u64 = 100_000_000;

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

    /// So many of it, held at the largest amount rather than wrapping.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self(i64::try_from(count).map_or(i64::MAX, |n| self.0.saturating_mul(n)))
    }

    /// What so many thousandths of it are, rounded up to a pico-dollar.
    #[must_use]
    pub fn thousandths(self, count: u64) -> Self {
        let exact = (i128::from(self.0) * i128::from(count) + 999) / 1000;
        Self(i64::try_from(exact).unwrap_or(i64::MAX))
    }

    /// The amount in US dollars, for JSON and metrics.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shown to people; sums are kept as integers")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / PICO_PER_DOLLAR
    }

    /// Reads an amount in US dollars; `None` if it is negative, not a number or over 9 million USD.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        (dollars.is_finite() && (0.0..=9e6).contains(&dollars))
            .then(|| Self((dollars * PICO_PER_DOLLAR).round() as i64))
    }

    /// Whether nothing was spent.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// A text that is no amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an amount of money")]
pub struct BadMoney;

/// More digits than any database writes.
const LONGEST: usize = 64;

/// Reads US dollars digit by digit (`3.3964e-05`, `12.5`, `-1`), so that nothing is lost on the way through a float;
/// what is below a pico-dollar is rounded, what is out of range is held at the end of it.
impl FromStr for Money {
    type Err = BadMoney;

    fn from_str(text: &str) -> Result<Self, BadMoney> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().map_err(|_| BadMoney)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = || whole.bytes().chain(part.bytes());
        if digits().next().is_none() || number.len() > LONGEST || !digits().all(|b| b.is_ascii_digit()) {
            return Err(BadMoney);
        }
        // How many of the digits stand before the point of a number of pico-dollars.
        let whole = i32::try_from(whole.len()).map_err(|_| BadMoney)?;
        let kept = whole.saturating_add(exponent).saturating_add(12);
        let mut pico: i64 = 0;
        let mut next = digits().map(|b| i64::from(b - b'0')).chain(std::iter::repeat(0));
        // An i64 has 19 digits; zeros in front of them are the only reason for more.
        for _ in 0..kept.clamp(0, 200) {
            pico = pico.saturating_mul(10).saturating_add(next.next().unwrap_or(0));
        }
        let rounds_up = kept >= 0 && next.next().is_some_and(|digit| digit >= 5);
        let pico = pico.saturating_add(i64::from(rounds_up));
        Ok(Self(if negative { -pico } else { pico }))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Self::saturating_add)
    }
}

/// US dollars as LiteLLM prints them: the shortest form that reads back to the same number, with an
/// exponent below 10⁻⁴ (`3.3964e-05`). Made from the integer's own digits, so nothing is rounded.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

/// An amount as text, made without the formatter, which costs several times as much.
#[derive(Clone, Copy, Debug)]
pub struct MoneyText {
    bytes: [u8; LONGEST_TEXT],
    length: usize,
}

/// Room for the longest amount: a sign, 19 digits, a point, and more than an exponent needs.
const LONGEST_TEXT: usize = 32;

impl MoneyText {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The same as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn put(&mut self, text: &[u8]) {
        let end = self.length + text.len();
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(text);
            self.length = end;
        }
    }
}

impl Money {
    /// What `Display` shows.
    #[must_use]
    pub fn text(self) -> MoneyText {
        let mut text = MoneyText { bytes: [0; LONGEST_TEXT], length: 0 };
        if self.0 < 0 {
            text.put(b"-");
        }
        let pico = self.0.unsigned_abs();
        match pico {
            0 => text.put(b"0.0"),
            1..SMALLEST_PLAIN => scientific(&mut text, pico),
            _ => plain(&mut text, pico),
        }
        text
    }
}

fn plain(text: &mut MoneyText, pico: u64) {
    let (needed, zeros) = without_trailing_zeros(pico);
    // One decimal always stays.
    let dropped = zeros.min(11);
    let kept = needed * 10u64.pow(zeros - dropped);
    text.put(Decimal::new(kept, 12 - dropped as usize).as_bytes());
}

fn scientific(text: &mut MoneyText, pico: u64) {
    let (digits, _) = without_trailing_zeros(pico);
    let exponent = 12 - u64::from(pico.ilog10());
    let digits = Decimal::new(digits, 0);
    if let Some((first, rest)) = digits.as_bytes().split_first() {
        text.put(&[*first]);
        if !rest.is_empty() {
            text.put(b".");
            text.put(rest);
        }
    }
    text.put(if exponent < 10 { b"e-0" } else { b"e-" });
    text.put(Decimal::new(exponent, 0).as_bytes());
}

/// The number without the zeros at its end, and how many there were.
fn without_trailing_zeros(mut number: u64) -> (u64, u32) {
    let mut zeros = 0;
    // By fours first: amounts have many of them.
    while number != 0 && number.is_multiple_of(10_000) {
        number /= 10_000;
        zeros += 4;
    }
    while number != 0 && number.is_multiple_of(10) {
        number /= 10;
        zeros += 1;
    }
    (number, zeros)
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
        assert_eq!(Money::from_pico(-1_050_000_000_000).to_string(), "-1.05");
        assert_eq!(Money::from_pico(1).to_string(), "1e-12");
        assert_eq!(Money::from_pico(100_000_000).to_string(), "0.0001");
    }

    #[test]
    fn what_is_printed_reads_back_to_the_same_number() {
        let mut pico: i64 = 7;
        for _ in 0..40 {
            pico =
                (pico.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)) >> 20;
            let money = Money::from_pico(pico % 1_000_000_000_000_000);
            let read: f64 = money.to_string().parse().unwrap();
            assert_eq!(read, money.dollars(), "{money}");
        }
    }

    #[test]
    fn a_text_is_read_to_the_last_digit() {
        for (text, pico) in [
            ("3.3964e-05", 33_964_000),
            ("0", 0),
            ("-1.05", -1_050_000_000_000),
            ("12345.678901234567", 12_345_678_901_234_567),
            ("1E3", 1_000_000_000_000_000),
            ("0.0000000000005", 1),
            ("4.9e-13", 0),
            ("9e-400", 0),
            ("1e40", i64::MAX),
            ("000000000000000000000000000001.5", 1_500_000_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Money::from_pico(pico)), "{text}");
        }
        for text in ["", "-", ".", "e5", "NaN", "1,5", "0x1", "1e", "1e99999999999", "--1"] {
            assert_eq!(text.parse::<Money>(), Err(BadMoney), "{text}");
        }
    }

    #[test]
    fn parts_of_a_price_are_never_free() {
        assert_eq!(Money(100_000_000).thousandths(12_345), Money(1_234_500_000));
        assert_eq!((Money(1).thousandths(1), Money(1).thousandths(0)), (Money(1), Money::ZERO));
        assert_eq!(
            (Money(i64::MAX).thousandths(u64::MAX), Money(3).times(u64::MAX)),
            (Money(i64::MAX), Money(i64::MAX))
        );
    }

    #[test]
    fn nonsense_prices_are_refused_and_sums_do_not_wrap() {
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(TokenPrice::from_dollars(bad).is_none(), "{bad} is not a price");
        }
        assert_eq!(TokenPrice(i64::MAX).times(u64::MAX), Money(i64::MAX));
    }
}
