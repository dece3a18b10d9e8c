//! The listening socket goes from a process to its successor, and no connection is refused meanwhile.
//!
//! The successor waits at a Unix socket in a folder that only its user may enter. The old process comes there when it
//! is told to (SIGQUIT), hands over a copy of its listening socket, and goes on serving until the successor says that
//! it serves too. Should the successor end before that, nothing has changed.

use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use rustix::process::geteuid;
use std::fs;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// What goes with the socket; a successor that does not know the word does not take it.
const WORD: &[u8; 16] = b"tollgate socket1";
/// What the successor says when it serves.
const SERVING: u8 = b'!';
const POLL: Duration = Duration::from_millis(20);

/// Where a successor waits.
#[derive(Debug)]
pub(super) struct Inbox {
    listener: UnixListener,
    path: PathBuf,
}

/// Owed to the old process until the new one serves; dropped, it tells the old one to go on.
#[derive(Debug)]
pub(super) struct Receipt(UnixStream);

impl Inbox {
    /// Makes the place; another successor that waited there is put out.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        make_folder(path)?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Waits for the old process; blocks.
    pub(super) fn receive(self, within: Duration) -> io::Result<(TcpListener, Receipt)> {
        let by = Instant::now() + within;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    stream.set_read_timeout(Some(within))?;
                    return take(&stream).map(|socket| (socket, Receipt(stream)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if Instant::now() >= by {
                let words = format!(
                    "nobody handed a socket over within {within:?}: is the old process told by SIGQUIT?"
                );
                return Err(io::Error::new(io::ErrorKind::TimedOut, words));
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // Whoever took the place since has another file there; the next one removes what is left.
        drop(fs::remove_file(&self.path));
    }
}

impl Receipt {
    /// Tells the old process that it may go.
    pub(super) fn serving(mut self) -> io::Result<()> {
        self.0.write_all(&[SERVING])
    }
}

/// Notes that this process serves, for who wants to tell it that there is a successor.
pub(super) fn note_pid(place: &Path) -> io::Result<()> {
    make_folder(place)?;
    let draft = place.with_extension("new");
    fs::write(&draft, format!("{}\n", std::process::id()))?;
    fs::rename(draft, place.with_extension("pid"))
}

/// Which process serves, if that was noted.
pub(super) fn noted_pid(place: &Path) -> Option<u32> {
    fs::read_to_string(place.with_extension("pid")).ok()?.trim().parse().ok()
}

/// Removes the note, unless another process serves since.
pub(super) fn forget_pid(place: &Path) {
    if noted_pid(place) == Some(std::process::id()) {
        // What stays is written over by the next one.
        drop(fs::remove_file(place.with_extension("pid")));
    }
}

fn make_folder(place: &Path) -> io::Result<()> {
    match place.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => fs::DirBuilder::new().recursive(true).mode(0o700).create(folder),
        None => Ok(()),
    }
}

/// Hands the socket to the successor that waits at `path`, or comes there within `meet`, and waits up to
/// `start` until it serves. Answers with its process id; blocks.
pub(super) fn give(path: &Path, socket: &TcpListener, meet: Duration, start: Duration) -> io::Result<u32> {
    let mut stream = connect(path, meet)?;
    let pid = of_our_user(&stream)?;
    stream.set_read_timeout(Some(start))?;
    let sockets = [socket.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(io::Error::other("a socket does not fit into a message"));
    }
    sendmsg(&stream, &[IoSlice::new(WORD)], &mut control, SendFlags::NOSIGNAL)?;
    let mut said = [0];
    match stream.read_exact(&mut said) {
        Ok(()) if said == [SERVING] => Ok(pid),
        Ok(()) => Err(io::Error::other("the new process speaks otherwise")),
        Err(error) => {
            Err(io::Error::new(error.kind(), format!("process {pid} did not begin to serve: {error}")))
        }
    }
}

fn connect(path: &Path, within: Duration) -> io::Result<UnixStream> {
    let by = Instant::now() + within;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() >= by => {
                let words = format!("no new process waits at {}: {error}", path.display());
                return Err(io::Error::new(error.kind(), words));
            }
            Err(_) => thread::sleep(POLL),
        }
    }
}

fn take(stream: &UnixStream) -> io::Result<TcpListener> {
    of_our_user(stream)?;
    let mut word = [0; WORD.len()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(stream, &mut [IoSliceMut::new(&mut word)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let sockets = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
        _ => None,
    });
    match sockets.flatten().next() {
        Some(socket) if received.bytes == WORD.len() && word == *WORD => Ok(TcpListener::from(socket)),
        _ => Err(io::Error::other("what came was no listening socket of a tollgate")),
    }
}

/// The process at the other end, if it is of our user, or the superuser's.
fn of_our_user(stream: &UnixStream) -> io::Result<u32> {
    let peer = socket_peercred(stream)?;
    if peer.uid != geteuid() && !peer.uid.is_root() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the other process is of another user"));
    }
    u32::try_from(peer.pid.as_raw_pid()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[test]
    fn a_socket_is_handed_over_and_accepts_what_came_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own/upgrade.sock");
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let early = std::net::TcpStream::connect(address).unwrap();
        let inbox = Inbox::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        let successor = thread::spawn(move || {
            let (socket, receipt) = inbox.receive(SOON).unwrap();
            let (_, peer) = socket.accept().unwrap();
            receipt.serving().unwrap();
            (socket.local_addr().unwrap(), peer)
        });
        assert_eq!(give(&path, &socket, SOON, SOON).unwrap(), std::process::id());
        assert_eq!(successor.join().unwrap(), (address, early.local_addr().unwrap()));
        assert!(!path.exists());
    }

    #[test]
    fn who_serves_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("own/4000.sock");
        assert_eq!(noted_pid(&place), None);
        note_pid(&place).unwrap();
        assert_eq!(noted_pid(&place), Some(std::process::id()));
        fs::write(place.with_extension("pid"), "1\n").unwrap();
        forget_pid(&place);
        assert_eq!(noted_pid(&place), Some(1), "another serves since");
        note_pid(&place).unwrap();
        forget_pid(&place);
        assert_eq!(noted_pid(&place), None);
    }

    #[test]
    fn a_successor_that_ends_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("upgrade.sock");
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let none = give(&path, &socket, Duration::ZERO, SOON).unwrap_err();
        assert!(none.to_string().contains("no new process waits"), "{none}");
        let inbox = Inbox::open(&path).unwrap();
        let successor = thread::spawn(move || drop(inbox.receive(SOON).unwrap()));
        let error = give(&path, &socket, SOON, SOON).unwrap_err();
        successor.join().unwrap();
        assert!(error.to_string().contains("did not begin to serve"), "{error}");
        assert!(std::net::TcpStream::connect(socket.local_addr().unwrap()).is_ok());
    }

    #[test]
    fn something_else_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("upgrade.sock");
        let inbox = Inbox::open(&path).unwrap();
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(WORD).unwrap();
        assert!(inbox.receive(SOON).is_err());
    }
}
