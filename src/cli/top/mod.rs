//! `tollgate top`: a running gateway on one screen, from its `/metrics` and `/health/readiness`. Looking costs no token.

mod arguments;
mod draw;
mod reading;
mod samples;
#[cfg(test)]
mod tests;
mod view;

pub(super) use arguments::Top;

use super::http::Client;
use super::output::{complain, print};
use super::style::Style;
use crate::config::Env;
use crate::domain::{Secret, unix_ms};
use draw::draw;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use reading::Reading;
use std::io;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};
use view::{Look, View};

/// Longest wait for one look.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often keys and new looks are looked for.
const TICK: Duration = Duration::from_millis(100);
/// The size of a frame that is printed.
const LINES: u16 = 24;

pub(super) fn run(arguments: &Top) -> ExitCode {
    let env = Env::from_process();
    let url = arguments.url.clone().unwrap_or_else(|| super::health::local(&env));
    let client = Client::new(&url, TIMEOUT);
    let key = env.filled("LITELLM_MASTER_KEY").and_then(Secret::new);
    // The key is shown only to a gateway that wants one for its metrics.
    let is_wanted = client.get("/metrics").is_ok_and(|answer| matches!(answer.status, 401 | 403));
    let client = match key.filter(|_| is_wanted) {
        Some(key) => client.with_key(key),
        None => client,
    };
    let interval = Duration::from_secs_f64(arguments.interval);
    let shown = if arguments.once { once(&client, interval) } else { watch(client, interval) };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Two looks, for there are no rates in one.
fn once(client: &Client, interval: Duration) -> io::Result<()> {
    let mut view = View::new(client.base().to_owned());
    view.take(look(client));
    thread::sleep(interval);
    view.take(look(client));
    if let Some(error) = view.error {
        return Err(io::Error::other(error));
    }
    let width = u16::try_from(Style::of_stdout().width).unwrap_or(u16::MAX);
    let text = text(&view, width, LINES)?;
    if print(&text) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
}

/// A frame as text.
fn text(view: &View, width: u16, height: u16) -> io::Result<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).map_err(io::Error::other)?;
    let frame = terminal.draw(|frame| draw(frame, view)).map_err(io::Error::other)?;
    Ok(lines(frame.buffer))
}

fn lines(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let line = |cells: &[ratatui::buffer::Cell]| {
        let text: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        format!("{}\n", text.trim_end())
    };
    buffer.content.chunks(width).map(line).collect()
}

fn watch(client: Client, interval: Duration) -> io::Result<()> {
    let mut view = View::new(client.base().to_owned());
    let looks = looks(client, interval);
    let mut terminal = ratatui::try_init()?;
    let shown = watch_on(&mut terminal, &mut view, &looks);
    ratatui::try_restore()?;
    shown
}

fn watch_on(
    terminal: &mut ratatui::DefaultTerminal,
    view: &mut View,
    looks: &Receiver<Look>,
) -> io::Result<()> {
    terminal.draw(|frame| draw(frame, view))?;
    loop {
        let mut is_new = false;
        while let Ok(look) = looks.try_recv() {
            view.take(look);
            is_new = true;
        }
        if event::poll(TICK)? {
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Press && ends(key.code, key.modifiers) => {
                    return Ok(());
                }
                Event::Resize(..) => is_new = true,
                _ => {}
            }
        }
        if is_new {
            terminal.draw(|frame| draw(frame, view))?;
        }
    }
}

fn ends(code: KeyCode, modifiers: KeyModifiers) -> bool {
    let is_interrupt = code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL);
    is_interrupt || matches!(code, KeyCode::Char('q' | 'Q') | KeyCode::Esc)
}

/// Looks on a thread of its own, so that keys count while a look takes long. It ends with whoever receives.
fn looks(client: Client, interval: Duration) -> Receiver<Look> {
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        while sender.send(look(&client)).is_ok() {
            thread::sleep(interval);
        }
    });
    receiver
}

fn look(client: &Client) -> Look {
    let reading = match client.get("/metrics") {
        Ok(answer) if answer.status == 200 => Ok(Reading::of(&answer.text, Instant::now())),
        Ok(answer) => Err(answer.complaint()),
        Err(error) => Err(error.to_string()),
    };
    let readiness = client.get("/health/readiness").ok().map(|answer| answer.json());
    let database = readiness.and_then(|body| body["db"].as_str().map(str::to_owned));
    #[expect(clippy::cast_precision_loss, reason = "seconds are enough")]
    let now = unix_ms(std::time::SystemTime::now()) as f64 / 1000.0;
    Look { reading, database, now }
}
