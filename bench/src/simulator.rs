//! Command line of the simulated upstream; the words are those of `tollgate::simulator::words`.

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use tollgate::simulator::{Behaviour, Script, run_blocking};

/// An OpenAI-compatible upstream with faults.
#[derive(clap::Parser, Debug)]
pub struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// What keys get that have no `--key`, as words: `chunks=50+gap=20`.
    #[arg(long, default_value = "ok")]
    default: Behaviour,
    /// What a key gets: `sk-a:429+retry-after=2`. Can be repeated.
    #[arg(long = "key", value_parser = keyed)]
    keys: Vec<(String, Behaviour)>,
    /// Refuse keys that have no `--key`.
    #[arg(long)]
    known_keys_only: bool,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

impl Args {
    /// Serves until killed.
    pub fn run(self) -> Result<(), Box<dyn Error>> {
        let mut script = Script { record: 0, ..Script::of(self.default) };
        script.known_keys_only = self.known_keys_only;
        for (key, behaviour) in self.keys {
            script = script.with_key(key, behaviour);
        }
        let listener = TcpListener::bind(self.listen)?;
        println!("{}", listener.local_addr()?);
        Ok(run_blocking(listener, script, self.workers)?)
    }
}

fn keyed(text: &str) -> Result<(String, Behaviour), String> {
    let (key, words) = text.rsplit_once(':').ok_or("expected KEY:WORDS")?;
    let behaviour = words.parse::<Behaviour>().map_err(|unknown| unknown.to_string())?;
    Ok((key.to_owned(), behaviour))
}
