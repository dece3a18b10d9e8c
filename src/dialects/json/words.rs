//! Eight bytes at a time, in a register.
//!
//! Marks are words whose bytes have their top bit set where a byte fits. Above the lowest one that
//! fits others may be set wrongly, so only the lowest counts.

const LENGTH: usize = 8;

/// A word of eight times this byte.
pub(super) const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; LENGTH])
}

/// Marks the bytes that are `byte`.
pub(super) const fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ each(byte), 1)
}

/// Marks the bytes that are less than `bound`, which is at most 128.
pub(super) const fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(each(bound)) & !word & each(0x80)
}

/// The first byte at or after `from` that `mark` marks, looking at no more than `most` words; else where
/// it stopped, which is less than a word before the end if it met the end.
pub(super) fn first(
    bytes: &[u8],
    from: usize,
    most: usize,
    mark: impl Fn(u64) -> u64,
) -> Result<usize, usize> {
    let mut at = from;
    let (words, _) = bytes.get(from..).unwrap_or_default().as_chunks::<LENGTH>();
    for word in words.iter().take(most) {
        let marks = mark(u64::from_le_bytes(*word));
        if marks != 0 {
            return Ok(at + marks.trailing_zeros() as usize / LENGTH);
        }
        at += LENGTH;
    }
    Err(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fitting_byte_is_found_among_any_others() {
        for byte in 0..=u8::MAX {
            for place in 0..24 {
                let mut bytes = [b'"' ^ 1; 24];
                bytes[place] = b'"';
                bytes[place + 1..].fill(byte);
                let found = first(&bytes, 0, 3, |w| equal(w, b'"'));
                assert_eq!(found, Ok(place), "{byte} after {place}");
                bytes[..place].fill(byte);
                let expected = bytes.iter().position(|b| *b < 0x20).ok_or(24);
                assert_eq!(first(&bytes, 0, 3, |w| below(w, 0x20)), expected, "{byte} around {place}");
            }
        }
    }

    #[test]
    fn a_search_ends_where_the_words_end() {
        assert_eq!(first(b"0123456789\"", 1, 4, |w| equal(w, b'"')), Err(9));
        assert_eq!(first(b"\"", 4, 4, |w| equal(w, b'"')), Err(4));
    }
}
