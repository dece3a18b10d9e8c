//! A gateway that sends traces of one call in a hundred to the simulator, which takes them and does nothing.

use crate::process::Process;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// What its configuration says besides.
pub fn settings(collector: SocketAddr) -> String {
    format!(
        "litellm_settings:\n  callbacks: [prometheus, otel]\nenvironment_variables:\n  \
         OTEL_EXPORTER_OTLP_ENDPOINT: http://{collector}\n  OTEL_TRACES_SAMPLER: parentbased_traceidratio\n  \
         OTEL_TRACES_SAMPLER_ARG: \"0.01\"\n"
    )
}

/// Calls of which traces were taken by the collector, and those that were lost.
///
/// # Errors
/// Also when there were none: then what was measured had no traces.
pub fn counts(gateway: &Process) -> Result<(u64, u64), Box<dyn Error>> {
    let mut stream = TcpStream::connect(gateway.addr)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    let sum = |family: &str| -> u64 {
        let values = page.lines().filter_map(|line| line.strip_prefix(family)?.rsplit_once(' '));
        values.filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
    };
    match (sum("tollgate_sink_sent_total{"), sum("tollgate_sink_dropped_total{")) {
        (0, _) => Err("no trace reached the collector".into()),
        told => Ok(told),
    }
}
