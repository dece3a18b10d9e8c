//! Tokens that are lent for a time: asked for in the background, ahead of their end, by one task for each account.

use super::outbox::Outbox;
use crate::domain::{Secret, unix_ms};
use crate::providers::vertex::account::{self, Account, Loan};
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{HeaderValue, header};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;

/// How long a token endpoint may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A token is renewed so long before its end, or in the middle of its life if that is short.
const AHEAD: Duration = Duration::from_secs(300);
/// Waits between attempts that fail: from the first, doubled, up to the last.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_AT_MOST: Duration = Duration::from_secs(60);
/// A token that is younger is not doubted: the account may lack a right, which no other token has either.
const TRUSTED: Duration = Duration::from_secs(30);

/// Lends the tokens of one account.
pub(super) struct Lender {
    account: Account,
    outbox: Outbox,
    token: ArcSwapOption<Token>,
    /// Whether the last attempt failed.
    failed: AtomicBool,
    /// An attempt has ended.
    news: Notify,
    /// The token is doubted, or nobody needs it any more.
    wish: Arc<Notify>,
}

struct Token {
    header: HeaderValue,
    since: Instant,
    until: Instant,
}

impl Lender {
    /// The lender for a deployment's key, at work; within a runtime only.
    pub(super) fn start(key: &Secret) -> Result<Arc<Self>, String> {
        let account = Account::parse(key.expose())?;
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = vec![(header::CONTENT_TYPE, form)];
        let outbox = Outbox::new(account.origin().clone(), account.path().to_owned(), headers, PATIENCE);
        let wish = Arc::new(Notify::new());
        let lender = Arc::new(Self {
            account,
            outbox,
            token: ArcSwapOption::empty(),
            failed: AtomicBool::new(false),
            news: Notify::new(),
            wish: Arc::clone(&wish),
        });
        tokio::spawn(lend(Arc::downgrade(&lender), wish));
        Ok(lender)
    }

    /// The token, as a header has it.
    pub(super) fn token(&self) -> Option<HeaderValue> {
        let token = self.token.load();
        token.as_ref().filter(|token| Instant::now() < token.until).map(|token| token.header.clone())
    }

    /// Waits for the first token, so long at most; whether there is one.
    pub(super) async fn has_token(&self, patience: Duration) -> bool {
        if self.token().is_some() {
            return true;
        }
        let news = self.news.notified();
        tokio::pin!(news);
        news.as_mut().enable();
        if self.token().is_none() && !self.failed.load(Ordering::Acquire) {
            let _ = tokio::time::timeout(patience.min(PATIENCE), news).await;
        }
        self.token().is_some()
    }

    /// The upstream does not take the token.
    pub(super) fn doubt(&self) {
        if self.token.load().as_ref().is_some_and(|token| token.since.elapsed() > TRUSTED) {
            self.wish.notify_one();
        }
    }

    /// Asks for a token; after what time to ask for the next.
    async fn renew(&self, failures: u32) -> Result<Duration, Duration> {
        let renewed = self.ask().await;
        self.failed.store(renewed.is_err(), Ordering::Release);
        let next = match renewed {
            Ok(loan) => {
                let life = loan.life;
                self.keep(&loan);
                Ok(if life > AHEAD * 2 { life.saturating_sub(AHEAD) } else { life / 2 })
            }
            Err(why) => {
                log::warn!("no token of {} for {}: {why}", self.account.origin(), self.account.email());
                Err(RETRY.saturating_mul(1 << failures.min(6)).min(RETRY_AT_MOST))
            }
        };
        self.news.notify_waiters();
        next
    }

    async fn ask(&self) -> Result<Loan, String> {
        let now = unix_ms(SystemTime::now()) / 1000;
        let form = self.account.form(now).map_err(str::to_owned)?;
        let (status, answer) =
            self.outbox.post(Bytes::from(form)).await.map_err(|error| error.to_string())?;
        account::loan(status, &answer)
    }

    fn keep(&self, loan: &Loan) {
        let Ok(mut header) = HeaderValue::try_from(format!("Bearer {}", loan.token.expose())) else { return };
        header.set_sensitive(true);
        let since = Instant::now();
        self.token.store(Some(Arc::new(Token { header, since, until: since + loan.life })));
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        self.wish.notify_one();
    }
}

/// Renews the token for as long as somebody keeps the lender.
async fn lend(lender: Weak<Lender>, wish: Arc<Notify>) {
    let mut failures = 0;
    while let Some(lender) = lender.upgrade() {
        let renewed = lender.renew(failures).await;
        drop(lender);
        let wait = match renewed {
            Ok(wait) => {
                failures = 0;
                wait
            }
            Err(wait) => {
                failures += 1;
                wait
            }
        };
        let _ = tokio::time::timeout(wait, wish.notified()).await;
    }
}
