use super::{counter, pico, reached};
use crate::domain::{BudgetTerms, RateTerms, Scope};
use crate::limits::{
    Account, AccountNews, Expected, Load, Manner, Noted, Refuses, Sharing, Together, TooMuch, Window,
    WindowNews,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const MINUTE: i64 = 60_000;
const NOW: i64 = 1_000_000;

/// A window of a key with 100 requests and 4 slots.
const TERMS: RateTerms = RateTerms { rpm: Some(100), tpm: None, parallel: Some(4) };

fn sharing(together: Together) -> (Arc<Sharing>, Arc<AtomicU64>) {
    let woken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&woken);
    let sharing = Sharing::new(Box::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    sharing.set(together);
    (Arc::new(sharing), woken)
}

fn window(sharing: &Arc<Sharing>) -> Window {
    Window::new(MINUTE, NOW).shared(counter(Scope::Key, "k", ""), Arc::clone(sharing))
}

fn news(requests: u64, slots: u64, others: u64) -> WindowNews {
    let granted = Load { requests, tokens: 0, parallel: slots };
    WindowNews { window: 7, ends_in: 30_000, granted, others: Load { requests: others, ..Load::default() } }
}

fn passes(window: &Window, now: i64, manner: Manner) -> Result<(), TooMuch<crate::limits::TooFast>> {
    window.admit(now, &TERMS, 1, manner).map(|(hold, _)| window.release(hold))
}

#[test]
fn leave_is_asked_for_and_kept_to() {
    let (sharing, _) = sharing(Together::Yes);
    let window = window(&sharing);
    assert_eq!(passes(&window, NOW, Manner::Waits), Err(TooMuch::Unknown));
    window.hear(NOW, &news(2, 2, 90));
    assert_eq!(passes(&window, NOW, Manner::Waits), Ok(()));
    assert_eq!(passes(&window, NOW, Manner::Waits), Ok(()));
    assert_eq!(passes(&window, NOW, Manner::Waits), Err(TooMuch::Unknown), "more may be had");
    // All is taken: for a moment that is believed without asking.
    window.hear(NOW, &news(2, 2, 98));
    let why = reached(passes(&window, NOW + 99, Manner::Waits).unwrap_err());
    assert_eq!((why.limit, why.remaining, why.resets_at), (100, 0, NOW + 30_000));
    assert_eq!(passes(&window, NOW + 100, Manner::Waits), Err(TooMuch::Unknown));
    // The window of all ends, and with it what was heard.
    assert_eq!(window.load(NOW + 29_999).requests, 100);
    assert_eq!(window.load(NOW + 30_000).requests, 0);
    assert_eq!(passes(&window, NOW + 30_000, Manner::Waits), Err(TooMuch::Unknown));
    assert!(sharing.take_noted().len() <= 1, "nothing was taken without leave");
}

#[test]
fn who_cannot_wait_is_judged_by_what_is_known_and_noted() {
    let (sharing, woken) = sharing(Together::Yes);
    let window = window(&sharing);
    assert_eq!(passes(&window, NOW, Manner::Decides), Ok(()));
    assert_eq!(passes(&window, NOW, Manner::Decides), Ok(()));
    assert_eq!(sharing.take_noted(), [Noted::Window(counter(Scope::Key, "k", ""))], "once");
    assert_eq!(woken.load(Ordering::Relaxed), 1);
    let report = window.report(NOW, false);
    assert_eq!((report.window, report.held.requests), (0, 2));
    window.hear(NOW, &news(2, 0, 97));
    assert_eq!(passes(&window, NOW, Manner::Decides), Ok(()));
    assert_eq!(window.report(NOW, false).held.requests, 3, "told, though there was no leave");
    assert!(passes(&window, NOW, Manner::Decides).is_err());
}

#[test]
fn alone_what_was_known_of_others_still_counts() {
    let (sharing, _) = sharing(Together::Yes);
    let window = window(&sharing);
    window.hear(NOW, &news(1, 1, 90));
    sharing.set(Together::Alone);
    let passed = (0..100).take_while(|_| passes(&window, NOW, Manner::Waits).is_ok()).count();
    assert_eq!(passed, 10);
    let passed = (0..200).take_while(|_| passes(&window, NOW + 30_000, Manner::Waits).is_ok()).count();
    assert_eq!(passed, 100, "of the next window nothing is known");
    sharing.set(Together::Closed);
    assert_eq!(passes(&window, NOW + 90_000, Manner::Waits), Err(TooMuch::Closed));
    assert_eq!(passes(&window, NOW + 90_000, Manner::Decides), Err(TooMuch::Closed));
}

#[test]
fn what_is_not_used_is_given_up() {
    let (sharing, _) = sharing(Together::Yes);
    let window = window(&sharing);
    window.hear(NOW, &news(20, 0, 0));
    let terms = RateTerms { parallel: None, ..TERMS };
    let (hold, left) = window.admit(NOW, &terms, 1, Manner::Waits).unwrap();
    window.release(hold);
    assert_eq!(left.requests, 99);
    assert_eq!(window.report(NOW, true).held.requests, 20);
    assert_eq!(window.report(NOW, false).held.requests, 1);
    assert!(matches!(window.admit(NOW, &terms, 1, Manner::Waits), Err(TooMuch::Unknown)));
}

#[test]
fn a_slot_goes_back_at_once_whenever_others_are_told() {
    let (sharing, woken) = sharing(Together::Yes);
    let window = window(&sharing);
    window.hear(NOW, &news(10, 2, 0));
    let (first, _) = window.admit(NOW, &TERMS, 1, Manner::Waits).unwrap();
    let (second, _) = window.admit(NOW, &TERMS, 1, Manner::Waits).unwrap();
    assert!(matches!(window.admit(NOW, &TERMS, 1, Manner::Waits), Err(TooMuch::Unknown)));
    window.release(first);
    assert_eq!((woken.load(Ordering::Relaxed), sharing.take_noted().len()), (1, 1));
    assert_eq!(window.report(NOW, true).held.parallel, 1);
    // It ends while others are asked: what they answer is of before.
    window.release(second);
    window.hear(NOW, &news(10, 1, 0));
    assert_eq!(window.report(NOW, true).held.parallel, 0);
}

#[test]
fn a_new_window_of_all_begins_it_anew() {
    let (sharing, _) = sharing(Together::Yes);
    let window = window(&sharing);
    window.hear(NOW, &news(5, 5, 0));
    let (hold, _) = window.admit(NOW, &TERMS, 1, Manner::Waits).unwrap();
    window.hear(NOW + 10, &WindowNews { window: 8, ends_in: MINUTE, ..news(3, 5, 0) });
    window.release(hold);
    let report = window.report(NOW + 10, true);
    assert_eq!((report.window, report.used.requests, report.held.requests), (8, 0, 3));
}

fn budget(max: i64) -> BudgetTerms {
    BudgetTerms { max: Some(pico(max)), ..BudgetTerms::default() }
}

fn pays(
    account: &Account,
    now: i64,
    cost: i64,
    manner: Manner,
) -> Result<(), TooMuch<crate::limits::Overspent>> {
    let asked = (Expected::About(pico(cost)), manner);
    let hold = account.reserve(now, 0, &budget(100), Refuses::AtMax, asked)?;
    account.settle(hold, pico(cost), None);
    Ok(())
}

#[test]
fn money_is_spent_within_leave() {
    let (sharing, _) = sharing(Together::Yes);
    let account = Account::new(counter(Scope::Key, "k", ""), NOW).shared(Arc::clone(&sharing));
    account.load(0, pico(10), 0);
    assert_eq!(pays(&account, NOW, 5, Manner::Waits), Err(TooMuch::Unknown));
    assert!(account.reserve(NOW, 0, &budget(100), Refuses::AtMax, (Expected::Free, Manner::Waits)).is_ok());
    let heard = AccountNews { period_end: 0, base: 10, pending: 0, held: 0, granted: 12 };
    account.hear(NOW, &heard);
    assert_eq!(pays(&account, NOW, 5, Manner::Waits), Ok(()));
    assert_eq!(pays(&account, NOW, 5, Manner::Waits), Ok(()));
    assert_eq!(pays(&account, NOW, 5, Manner::Waits), Err(TooMuch::Unknown));
    let report = account.report(true);
    assert_eq!((report.base, report.pending, report.used, report.held), (10, 10, 10, 12));
    // The database has it now: the leave for it is gone with it.
    account.written(0, pico(20), 0, pico(10));
    let report = account.report(true);
    assert_eq!((report.base, report.pending, report.held, report.set_back), (20, 0, 2, false));
    // Others have spent nearly all, and are under way with the rest.
    account.hear(NOW, &AccountNews { base: 60, pending: 30, held: 40, granted: 0, ..heard });
    let why = reached(pays(&account, NOW, 5, Manner::Waits).unwrap_err());
    assert_eq!((why.spent, why.reserved), (pico(90), pico(10)));
    assert_eq!(pays(&account, NOW + 100, 5, Manner::Waits), Err(TooMuch::Unknown));
    // Somebody set it back.
    account.written(0, pico(0), 0, pico(0));
    assert!(account.report(true).set_back && !account.report(true).set_back);
}

#[test]
fn what_is_heard_of_another_period_is_not_believed() {
    let (sharing, _) = sharing(Together::Yes);
    let account = Account::new(counter(Scope::Key, "k", ""), NOW).shared(Arc::clone(&sharing));
    let news = AccountNews { period_end: NOW, base: 0, pending: 0, held: 0, granted: 100 };
    account.hear(NOW, &news);
    assert_eq!(pays(&account, NOW, 5, Manner::Waits), Err(TooMuch::Unknown));
}

#[test]
fn what_is_not_shared_asks_nobody() {
    let window = Window::new(MINUTE, NOW);
    assert_eq!(passes(&window, NOW, Manner::Waits), Ok(()));
    let account = Account::new(counter(Scope::Key, "k", ""), NOW);
    assert_eq!(pays(&account, NOW, 5, Manner::Waits), Ok(()));
}
