//! The arguments of `tollgate top`.

use clap::Args;

/// What to watch.
#[derive(Args)]
pub(in crate::cli) struct Top {
    /// Where the gateway is [default: http://127.0.0.1:4000, or $PORT there]
    #[arg(value_name = "URL")]
    pub(super) url: Option<String>,
    /// Seconds between two looks
    #[arg(short, long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    pub(super) interval: f64,
    /// Print one frame as text and end
    #[arg(long)]
    pub(super) once: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.2..=3600.0).contains(&value) { Ok(value) } else { Err("wants 0.2 to 3600".to_owned()) }
}
