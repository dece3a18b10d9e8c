//! Numbers with decimals as text, without the formatter, which costs several times as much.

/// Room for the longest number and its point.
const LONGEST: usize = 24;

/// A number in decimal digits.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    text: [u8; LONGEST],
    from: usize,
}

impl Decimal {
    /// `number` with its last `decimals` digits (20 at most) behind the point: 1234 with 3 is `1.234`.
    #[must_use]
    pub fn new(number: u64, decimals: usize) -> Self {
        let decimals = decimals.min(20);
        let (mut text, mut from) = ([b'0'; LONGEST], LONGEST);
        let (mut rest, mut written) = (number, 0);
        while rest > 0 || written <= decimals {
            if written == decimals && decimals > 0 {
                from -= 1;
                text[from] = b'.';
            }
            from -= 1;
            text[from] = b'0' + (rest % 10) as u8;
            rest /= 10;
            written += 1;
        }
        Self { text, from }
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The same as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[self.from..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_point_stands_where_it_is_asked_for() {
        for (number, decimals, text) in [
            (0, 0, "0"),
            (7, 0, "7"),
            (0, 3, "0.000"),
            (7, 3, "0.007"),
            (1000, 3, "1.000"),
            (12_345_678, 3, "12345.678"),
            (u64::MAX, 0, "18446744073709551615"),
            (u64::MAX, 20, "0.18446744073709551615"),
        ] {
            assert_eq!(Decimal::new(number, decimals).as_str(), text);
        }
    }

    proptest! {
        #[test]
        fn digits_are_those_of_the_formatter(number: u64, decimals in 1usize..19) {
            let scale = 10u64.pow(u32::try_from(decimals).unwrap());
            let expected = format!("{}.{:0decimals$}", number / scale, number % scale);
            let text = Decimal::new(number, decimals);
            prop_assert_eq!(text.as_str(), expected);
        }
    }
}
