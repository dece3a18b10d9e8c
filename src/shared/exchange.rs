//! The task that speaks with Redis: asks for what calls need, tells what changed, and says that this process lives.

use super::cooldowns;
use super::held::Held;
use super::link::{Away, Link, Names, Scripts};
use super::question::Question;
use super::{BEAT, EVERY, Hears, Message, OnLoss, Settings, Stats};
use crate::domain::unix_ms;
use crate::limits::{Meters, Noted, Sharing, Together};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

/// Time between two tries to find Redis again.
const RETRY: Duration = Duration::from_millis(500);
/// Messages that are taken at one time, and counters that are told of at one time.
const BATCH: usize = 512;

/// The task, before it runs.
pub(super) struct Exchange {
    settings: Settings,
    sharing: Arc<Sharing>,
    meters: Arc<Meters>,
    hears: Hears,
    stats: Arc<Stats>,
    scripts: Scripts,
    names: Names,
    me: String,
    held: Held,
    processes: u64,
    /// Whether it was said that Redis is away.
    is_missed: bool,
    next_look: tokio::time::Instant,
    next_beat: tokio::time::Instant,
}

/// Why an exchange ended.
enum End {
    /// Redis is away.
    Away(Away),
    /// The process ends.
    Left,
}

impl From<Away> for End {
    fn from(away: Away) -> Self {
        Self::Away(away)
    }
}

/// A task that ends when this is dropped.
struct Listener(JoinHandle<()>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn clock() -> (i64, Instant) {
    (unix_ms(SystemTime::now()), Instant::now())
}

impl Exchange {
    pub(super) fn new(
        settings: Settings,
        sharing: Arc<Sharing>,
        meters: Arc<Meters>,
        hears: Hears,
        stats: Arc<Stats>,
    ) -> Self {
        let me = uuid::Uuid::new_v4().simple().to_string();
        let names = Names::new(&settings.namespace, &me);
        let (scripts, held) = (Scripts::new(), Held::default());
        let (processes, is_missed) = (1, false);
        let (next_look, next_beat) = (tokio::time::Instant::now(), tokio::time::Instant::now());
        Self {
            settings,
            sharing,
            meters,
            hears,
            stats,
            scripts,
            names,
            me,
            held,
            processes,
            is_missed,
            next_look,
            next_beat,
        }
    }

    /// Runs until the process ends. `tried` hears when Redis was asked for the first time.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Message>,
        wake: Arc<Notify>,
        tried: oneshot::Sender<()>,
    ) {
        let mut tried = Some(tried);
        loop {
            match self.connect(&mut inbox, &wake, &mut tried).await {
                End::Left => return,
                End::Away(why) => self.lost(&why),
            }
            tried = None;
            if drain(&mut inbox, tokio::time::sleep(RETRY)).await.is_none() {
                return;
            }
        }
    }

    async fn connect(
        &mut self,
        inbox: &mut mpsc::Receiver<Message>,
        wake: &Notify,
        tried: &mut Option<oneshot::Sender<()>>,
    ) -> End {
        let opening = Link::open(&self.settings, &self.scripts, &self.names);
        let mut link = match drain(inbox, opening).await {
            None => return End::Left,
            Some(Err(why)) => return End::Away(why),
            Some(Ok(link)) => link,
        };
        if let Err(why) = self.begin(&mut link).await {
            return why;
        }
        *tried = None;
        let (settings, names) = (self.settings.clone(), self.names.clone());
        let listening = cooldowns::listen(settings, names, self.me.clone(), self.hears.clone());
        let _listener = Listener(tokio::spawn(async move {
            if let Err(error) = listening.await {
                log::debug!("cooldowns of other processes are not heard: {error}");
            }
        }));
        loop {
            if let Err(end) = self.turn(&mut link, inbox, wake).await {
                return end;
            }
        }
    }

    /// Tells all that is known here, and asks from now on.
    async fn begin(&mut self, link: &mut Link) -> Result<(), End> {
        self.processes = link.beat(&self.scripts).await?.count;
        self.held.forget_told();
        self.take_noted();
        let questions = self.held.tell(clock());
        self.exchange(link, questions).await?;
        self.sharing.set(Together::Yes);
        self.stats.is_up.store(true, Ordering::Relaxed);
        self.stats.processes.store(self.processes, Ordering::Relaxed);
        let back = if std::mem::take(&mut self.is_missed) { "is back" } else { "is there" };
        log::info!(
            "Redis at {} {back}: limits hold for {} gateway(s) together",
            self.settings,
            self.processes
        );
        Ok(())
    }

    fn lost(&mut self, why: &Away) {
        self.cut();
        if std::mem::replace(&mut self.is_missed, true) {
            return;
        }
        self.stats.losses.fetch_add(1, Ordering::Relaxed);
        let then = match self.settings.on_loss {
            OnLoss::Local => "limits hold for each process alone until it is back",
            OnLoss::Refuse => "whoever has limits is refused until it is back",
        };
        log::warn!("Redis at {} is away, {then}: {why}", self.settings);
    }

    fn cut(&self) {
        self.sharing.set(self.settings.on_loss.mode());
        self.stats.is_up.store(false, Ordering::Relaxed);
    }

    /// Waits for something to do, and does it.
    async fn turn(
        &mut self,
        link: &mut Link,
        inbox: &mut mpsc::Receiver<Message>,
        wake: &Notify,
    ) -> Result<(), End> {
        let mut messages = Vec::new();
        tokio::select! {
            count = inbox.recv_many(&mut messages, BATCH) => {
                if count == 0 { Err(End::Left) } else { self.heed(link, messages).await }
            }
            () = wake.notified() => {
                let noted = self.take_noted();
                let questions = self.held.tell_of(&noted, clock());
                self.exchange(link, questions).await
            }
            () = tokio::time::sleep_until(self.next_look), if !self.held.is_empty() => {
                self.next_look = tokio::time::Instant::now() + EVERY;
                let questions = self.held.tell(clock());
                self.exchange(link, questions).await
            }
            () = tokio::time::sleep_until(self.next_beat) => {
                self.next_beat = tokio::time::Instant::now() + BEAT;
                self.beat(link).await
            }
        }
    }

    async fn beat(&mut self, link: &mut Link) -> Result<(), End> {
        let alive = link.beat(&self.scripts).await?;
        self.processes = alive.count;
        self.stats.processes.store(alive.count, Ordering::Relaxed);
        if alive.is_new {
            // Others have taken what it held.
            self.held.forget_told();
        }
        Ok(())
    }

    async fn heed(&mut self, link: &mut Link, messages: Vec<Message>) -> Result<(), End> {
        let (mut wants, mut waiting, mut cooled, mut leaves) = (Vec::new(), Vec::new(), Vec::new(), None);
        for message in messages {
            match message {
                Message::Lend(asked, done) => {
                    wants.extend(asked);
                    waiting.push(done);
                }
                Message::Cooled(one) => cooled.push(one),
                Message::Leave(done) => leaves = Some(done),
            }
        }
        if !wants.is_empty() {
            let questions = self.held.ask(wants, clock());
            self.exchange(link, questions).await?;
        }
        // Whoever waits hears of it, or has gone.
        drop(waiting);
        if !cooled.is_empty() {
            self.or_cut(link.announce(&cooled).await)?;
        }
        match leaves {
            None => Ok(()),
            Some(done) => {
                self.leave(link).await?;
                drop(done);
                Err(End::Left)
            }
        }
    }

    async fn leave(&mut self, link: &mut Link) -> Result<(), End> {
        self.held.give_up();
        let questions = self.held.tell(clock());
        self.exchange(link, questions).await?;
        self.or_cut(link.leave().await)
    }

    async fn exchange(&mut self, link: &mut Link, questions: Vec<Question>) -> Result<(), End> {
        for questions in questions.chunks(BATCH) {
            let answers = link.exchange(&self.scripts, questions, self.processes).await;
            let answers = self.or_cut(answers)?;
            let (now, instant) = clock();
            for (question, answer) in questions.iter().zip(&answers) {
                question.answered(now, answer);
                self.held.told(question, answer, instant);
            }
            self.stats.exchanged.fetch_add(answers.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Who waits must find that nobody is asked any more.
    fn or_cut<T>(&self, done: Result<T, Away>) -> Result<T, End> {
        done.map_err(|why| {
            self.cut();
            End::Away(why)
        })
    }

    fn take_noted(&mut self) -> Vec<Noted> {
        let noted = self.sharing.take_noted();
        self.held.add(&noted, &self.meters, Instant::now());
        noted
    }
}

/// Waits for something while nobody is asked; `None` if the process ends meanwhile.
async fn drain<F: Future>(inbox: &mut mpsc::Receiver<Message>, what: F) -> Option<F::Output> {
    let mut what = pin!(what);
    loop {
        tokio::select! {
            done = &mut what => return Some(done),
            message = inbox.recv() => match message {
                Some(Message::Lend(..) | Message::Cooled(_)) => {}
                Some(Message::Leave(_)) | None => return None,
            },
        }
    }
}
