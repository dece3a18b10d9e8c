//! The connection to Redis, and what is said on it.

use super::question::{Answer, Question};
use super::{BEAT, Cooled, LOST, Settings};
use crate::limits::{AccountNews, Load, WindowNews};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, RedisError, Script};
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// Windows and accounts that nobody speaks of are kept for so long; what is held is told anew before.
const KEEP_WINDOW: Duration = Duration::from_secs(600);
const KEEP_ACCOUNT: Duration = Duration::from_hours(24);
/// An answer that is late is waited for so much longer.
const GRACE: Duration = Duration::from_millis(20);
/// A connection may take so long to come about.
const CONNECT: Duration = Duration::from_secs(2);

/// The scripts that run in Redis.
pub(super) struct Scripts {
    window: Script,
    account: Script,
    live: Script,
}

/// A connection.
pub(super) struct Link {
    connection: MultiplexedConnection,
    patience: Duration,
    names: Names,
}

/// The names of keys; all of one namespace are in one slot of a cluster.
#[derive(Clone)]
pub(super) struct Names {
    prefix: String,
    live: String,
    me: String,
}

/// Who lives.
pub(super) struct Alive {
    /// Whether this process was thought lost, or is new.
    pub(super) is_new: bool,
    /// How many live.
    pub(super) count: u64,
}

/// Why Redis is away.
#[derive(Debug, thiserror::Error)]
pub(super) enum Away {
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error("{0}")]
    Failed(#[from] RedisError),
    #[error("it answered something else than was asked")]
    Strange,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            window: Script::new(include_str!("window.lua")),
            account: Script::new(include_str!("account.lua")),
            live: Script::new(include_str!("live.lua")),
        }
    }
}

impl Names {
    pub(super) fn new(namespace: &str, me: &str) -> Self {
        let prefix = format!("{{{namespace}}}:");
        Self { live: format!("{prefix}live"), prefix, me: me.to_owned() }
    }

    /// Who lives, and when each last said so.
    pub(super) fn live(&self) -> &str {
        &self.live
    }

    /// Where cooldowns are announced.
    pub(super) fn channel(&self) -> String {
        format!("{}cooled", self.prefix)
    }

    fn of(&self, question: &Question) -> String {
        let id = question.id();
        let (kind, period) = match question {
            Question::Window { .. } => ("w", String::new()),
            Question::Account { report, .. } => ("a", format!(":{}", report.period_end)),
        };
        format!("{}{kind}:{}:{}:{}{period}", self.prefix, id.scope, id.id, id.slot)
    }
}

impl Link {
    pub(super) async fn open(settings: &Settings, scripts: &Scripts, names: &Names) -> Result<Self, Away> {
        let patience = settings.patience;
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(None);
        let opening = async {
            let client = settings.client()?;
            let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
            for script in [&scripts.window, &scripts.account, &scripts.live] {
                script.load_async(&mut connection).await?;
            }
            Ok::<_, RedisError>(connection)
        };
        let connection = timeout(CONNECT, opening).await.map_err(|_| Away::Silent(CONNECT))??;
        Ok(Self { connection, patience, names: names.clone() })
    }

    /// Says that this process lives.
    pub(super) async fn beat(&mut self, scripts: &Scripts) -> Result<Alive, Away> {
        let mut pipe = Pipeline::new();
        pipe.cmd("EVALSHA").arg(scripts.live.get_hash()).arg(1).arg(self.names.live());
        pipe.arg(&self.names.me).arg(millis(LOST.max(2 * BEAT)));
        let answers: Vec<(i64, u64)> = self.ask(&pipe).await?;
        let (is_new, count) = answers.first().copied().ok_or(Away::Strange)?;
        Ok(Alive { is_new: is_new == 1, count })
    }

    /// Says that this process is going.
    pub(super) async fn leave(&mut self) -> Result<(), Away> {
        let mut pipe = Pipeline::new();
        pipe.cmd("ZREM").arg(self.names.live()).arg(&self.names.me);
        self.ask::<Vec<i64>>(&pipe).await.map(drop)
    }

    /// Announces deployments that are out of rotation.
    pub(super) async fn announce(&mut self, cooled: &[Cooled]) -> Result<(), Away> {
        let channel = self.names.channel();
        let mut pipe = Pipeline::new();
        for cooled in cooled {
            pipe.cmd("PUBLISH").arg(&channel).arg(cooled.to_message(&self.names.me));
        }
        self.ask::<Vec<i64>>(&pipe).await.map(drop)
    }

    /// Asks about some counters; the answers are in order. What is left is divided among `processes`.
    pub(super) async fn exchange(
        &mut self,
        scripts: &Scripts,
        questions: &[Question],
        processes: u64,
    ) -> Result<Vec<Answer>, Away> {
        let mut pipe = Pipeline::with_capacity(questions.len());
        for question in questions {
            self.put(&mut pipe, scripts, question, 2 * processes.max(1));
        }
        let answers: Vec<Vec<redis::Value>> = self.ask(&pipe).await?;
        if answers.len() != questions.len() {
            return Err(Away::Strange);
        }
        questions.iter().zip(answers).map(|(question, answer)| read(question, &answer)).collect()
    }

    fn put(&self, pipe: &mut Pipeline, scripts: &Scripts, question: &Question, parts: u64) {
        let script = match question {
            Question::Window { .. } => &scripts.window,
            Question::Account { .. } => &scripts.account,
        };
        pipe.cmd("EVALSHA").arg(script.get_hash()).arg(2).arg(self.names.of(question)).arg(self.names.live());
        pipe.arg(&self.names.me);
        match question {
            Question::Window { window, report, terms, wish, .. } => {
                pipe.arg(window.length()).arg(report.window).arg(millis(LOST));
                pipe.arg(millis(KEEP_WINDOW)).arg(parts);
                let rows: [Row; 3] = [
                    (terms.rpm, |load| load.requests),
                    (terms.tpm, |load| load.tokens),
                    (terms.parallel, |load| load.parallel),
                ];
                for (limit, of) in rows {
                    pipe.arg(limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(MOST)));
                    for load in [&report.used, &report.held, &wish.need, &wish.least, &wish.more] {
                        pipe.arg(of(load).min(MOST.unsigned_abs()));
                    }
                }
            }
            Question::Account { report, budget, wish, .. } => {
                pipe.arg(report.base).arg(u8::from(report.set_back)).arg(report.pending);
                pipe.arg(report.used).arg(report.held);
                pipe.arg(budget.map_or(-1, |(max, _)| max.pico()));
                pipe.arg(u8::from(budget.is_some_and(|(_, at_max)| at_max)));
                pipe.arg(wish.need).arg(wish.least).arg(wish.more).arg(parts);
                pipe.arg(millis(LOST)).arg(millis(KEEP_ACCOUNT));
            }
        }
    }

    async fn ask<T: redis::FromRedisValue>(&mut self, pipe: &Pipeline) -> Result<T, Away> {
        let mut answer = pin!(pipe.query_async(&mut self.connection));
        if let Ok(answer) = timeout(self.patience, &mut answer).await {
            return Ok(answer?);
        }
        // Where this process itself stood still, the answer is there and was not read yet.
        Ok(timeout(GRACE, answer).await.map_err(|_| Away::Silent(self.patience))??)
    }
}

/// A limit, and which part of a load it is of.
type Row = (Option<u64>, fn(&Load) -> u64);

/// The largest whole number that Lua counts exactly.
const MOST: i64 = 1 << 53;

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn read(question: &Question, answer: &[redis::Value]) -> Result<Answer, Away> {
    let numbers: Vec<i64> =
        answer.iter().map(redis::from_redis_value_ref).collect::<Result<_, _>>().map_err(RedisError::from)?;
    let whole = |number: i64| u64::try_from(number).unwrap_or_default();
    let load = |requests, tokens, parallel| Load {
        requests: whole(requests),
        tokens: whole(tokens),
        parallel: whole(parallel),
    };
    match (question, numbers.as_slice()) {
        (Question::Window { .. }, &[window, ends_in, r, t, p, others_r, others_t, others_p]) => {
            Ok(Answer::Window(WindowNews {
                window: whole(window),
                ends_in,
                granted: load(r, t, p),
                others: load(others_r, others_t, others_p),
            }))
        }
        (Question::Account { report, .. }, &[base, pending, held, granted]) => {
            Ok(Answer::Account(AccountNews { period_end: report.period_end, base, pending, held, granted }))
        }
        _ => Err(Away::Strange),
    }
}
