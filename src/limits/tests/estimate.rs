use crate::limits::{Learned, output_estimate};

#[test]
fn the_longest_of_the_last_64_answers_is_remembered() {
    let learned = Learned::default();
    assert_eq!(learned.longest(), None);
    learned.record(0);
    assert_eq!(learned.longest(), Some(0));
    learned.record(900);
    for _ in 0..63 {
        learned.record(7);
    }
    assert_eq!(learned.longest(), Some(900));
    learned.record(7);
    assert_eq!(learned.longest(), Some(7));
    let successor = Learned::default();
    successor.take_over(&learned);
    assert_eq!(successor.longest(), Some(7));
    learned.record(u32::MAX);
    assert_eq!(learned.longest(), Some(u32::MAX - 1));
}

#[test]
fn an_output_is_the_least_that_is_asked_or_likely() {
    assert_eq!(output_estimate(None, None, None), 4096);
    assert_eq!(output_estimate(None, None, Some(8000)), 8000);
    assert_eq!(output_estimate(Some(100), None, Some(8000)), 100);
    assert_eq!(output_estimate(Some(100_000), Some(300), Some(8000)), 300);
    assert_eq!(output_estimate(Some(100), Some(300), Some(8000)), 100);
}
