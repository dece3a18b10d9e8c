//! Where the listening socket comes from: bound here, from systemd, or from the process before this one.

use super::ServeError;
use super::handover::{Inbox, Receipt, noted_pid};
use listenfd::ListenFd;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A successor waits so long for the socket.
const WAIT: Duration = Duration::from_secs(60);

/// How to come by the socket.
#[derive(Clone, Debug, Default)]
pub struct Startup {
    /// Take it over from the process that serves now (`--upgrade`).
    pub upgrade: bool,
    /// Where processes meet for that, if not in the data folder.
    pub upgrade_sock: Option<PathBuf>,
}

impl Startup {
    /// Where processes that serve this port meet.
    pub(super) fn meeting_place(&self, data_dir: &Path, port: u16) -> PathBuf {
        let usual = || data_dir.join("upgrade").join(format!("{port}.sock"));
        self.upgrade_sock.clone().unwrap_or_else(usual)
    }
}

/// The socket, or what it will come through.
#[derive(Debug)]
pub(super) enum Incoming {
    Ready(TcpListener),
    Promised(Inbox),
}

impl Incoming {
    /// Finds out early what cannot work. Must run before there are threads: it clears the variables that systemd set.
    pub(super) fn open(address: SocketAddr, startup: &Startup, place: &Path) -> Result<Self, ServeError> {
        let fault = |error| ServeError::Listen(address, error);
        if startup.upgrade {
            let fault = |error| ServeError::Upgrade(place.to_owned(), error);
            return Inbox::open(place).map(Self::Promised).map_err(fault);
        }
        let passed = ListenFd::from_env().take_tcp_listener(0).map_err(fault)?;
        match passed {
            Some(socket) => Ok(Self::Ready(socket)),
            None => TcpListener::bind(address).map(Self::Ready).map_err(fault),
        }
    }

    /// The socket at last, and what is owed for it.
    pub(super) fn socket(
        self,
        address: SocketAddr,
        place: &Path,
    ) -> Result<(TcpListener, Option<Receipt>), ServeError> {
        let inbox = match self {
            Self::Ready(socket) => return Ok((socket, None)),
            Self::Promised(inbox) => inbox,
        };
        let whom = noted_pid(place)
            .map_or_else(|| "the process that serves it".to_owned(), |pid| format!("process {pid}"));
        log::info!("ready to take over {address}: send SIGQUIT to {whom}");
        let fault = |error| ServeError::Upgrade(place.to_owned(), error);
        let (socket, receipt) = inbox.receive(WAIT).map_err(fault)?;
        let given = socket.local_addr().map_err(fault)?;
        if given != address {
            let words = format!("the socket handed over listens on {given}, and not on {address}");
            return Err(fault(io::Error::other(words)));
        }
        Ok((socket, Some(receipt)))
    }
}
