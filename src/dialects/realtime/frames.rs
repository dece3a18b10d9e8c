//! WebSocket frames (RFC 6455), read as they pass and written where a session is ended.

use bytes::{Bytes, BytesMut};

/// A message's beginning is kept up to here, to see whether the rest is worth keeping.
const PEEKED: usize = 1024;
/// Longest message that is kept, in bytes.
const LONGEST: usize = 1024 * 1024;
/// Longest head of a frame.
const HEAD: usize = 14;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message before.
    More,
    /// The beginning of a text.
    Text,
    /// The beginning of bytes.
    Binary,
    /// The last frame that its sender sends.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
}

/// Bytes that are no frames, or frames of an extension that nobody agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a WebSocket frame")]
pub struct Malformed;

/// Reads the frames of one direction.
#[derive(Debug)]
pub struct Reader {
    /// The head of the present frame as far as it came.
    head: [u8; HEAD],
    have: usize,
    /// What is left of the present frame's payload.
    left: u64,
    mask: Option<[u8; 4]>,
    /// How many bytes of the present payload went by.
    at: u64,
    opcode: Opcode,
    is_last: bool,
    message: BytesMut,
    /// What the present message is good for.
    kept: Kept,
    in_message: bool,
    is_closed: bool,
    /// Which beginnings are worth keeping the rest.
    wanted: fn(&[u8]) -> bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// It is not known yet.
    Peeking,
    /// It is wanted.
    Whole,
    /// It is not, or it is too long.
    No,
}

impl Opcode {
    const fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::More,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    const fn number(self) -> u8 {
        match self {
            Self::More => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

impl Reader {
    /// A reader that keeps the texts whose beginning (1 KiB, or all) is wanted.
    #[must_use]
    pub fn new(wanted: fn(&[u8]) -> bool) -> Self {
        Self {
            head: [0; HEAD],
            have: 0,
            left: 0,
            mask: None,
            at: 0,
            opcode: Opcode::More,
            is_last: false,
            message: BytesMut::new(),
            kept: Kept::No,
            in_message: false,
            is_closed: false,
            wanted,
        }
    }

    /// Reads on; `each` is given the wanted texts as they become whole.
    ///
    /// # Errors
    /// [`Malformed`]; nothing can be read after that.
    pub fn push(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            if self.left == 0 && !self.is_head_whole() {
                bytes = self.read_head(bytes)?;
            } else {
                bytes = self.read_payload(bytes);
            }
            if self.is_head_whole() && self.left == 0 {
                self.end_frame(each);
            }
        }
        Ok(())
    }

    /// Whether no frame is under way, so that one of ours can stand here.
    #[must_use]
    pub const fn is_between_frames(&self) -> bool {
        self.have == 0
    }

    /// Whether a close frame went by.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }

    fn head_length(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let [_, second, ..] = self.head;
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let length = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + mask
    }

    fn is_head_whole(&self) -> bool {
        self.have >= 2 && self.have == self.head_length()
    }

    fn read_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let mut rest = bytes;
        while !self.is_head_whole() {
            let Some((byte, after)) = rest.split_first() else { return Ok(rest) };
            let Some(place) = self.head.get_mut(self.have) else { return Err(Malformed) };
            *place = *byte;
            self.have += 1;
            rest = after;
        }
        self.begin_frame()?;
        Ok(rest)
    }

    fn begin_frame(&mut self) -> Result<(), Malformed> {
        let [first, second, rest @ ..] = self.head;
        let opcode = Opcode::of(first & 0x0F).ok_or(Malformed)?;
        let is_last = first & 0x80 != 0;
        let (length, mask_at) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes([rest[0], rest[1]])), 2),
            127 => {
                let [a, b, c, d, e, f, g, h, ..] = rest;
                (u64::from_be_bytes([a, b, c, d, e, f, g, h]), 8)
            }
            short => (u64::from(short), 0),
        };
        let is_begun = matches!(opcode, Opcode::Text | Opcode::Binary);
        let is_odd = first & 0x70 != 0
            || length > u64::MAX / 2
            || (opcode.is_control() && (length > 125 || !is_last))
            || (is_begun && self.in_message)
            || (opcode == Opcode::More && !self.in_message);
        if is_odd {
            return Err(Malformed);
        }
        let mask = rest.get(mask_at..mask_at + 4).and_then(|mask| mask.try_into().ok());
        self.mask = mask.filter(|_| second & 0x80 != 0);
        (self.opcode, self.is_last, self.left, self.at) = (opcode, is_last, length, 0);
        if is_begun {
            self.in_message = true;
            self.kept = if opcode == Opcode::Text { Kept::Peeking } else { Kept::No };
            self.message.clear();
        }
        self.is_closed |= opcode == Opcode::Close;
        Ok(())
    }

    fn read_payload<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        let (now, rest) = bytes.split_at(take);
        if !self.opcode.is_control() {
            self.keep(now);
        }
        self.at += take as u64;
        self.left -= take as u64;
        rest
    }

    fn keep(&mut self, mut bytes: &[u8]) {
        let mut at = self.at;
        while !bytes.is_empty() && self.kept != Kept::No {
            let room = match self.kept {
                Kept::Peeking => PEEKED - self.message.len(),
                _ => LONGEST.saturating_sub(self.message.len()),
            };
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            let start = self.message.len();
            self.message.extend_from_slice(now);
            if let (Some(mask), Some(new)) = (self.mask, self.message.get_mut(start..)) {
                for (byte, at) in new.iter_mut().zip(at..) {
                    *byte ^= mask[(at % 4) as usize];
                }
            }
            at += now.len() as u64;
            bytes = rest;
            if self.kept == Kept::Peeking && self.message.len() == PEEKED {
                self.kept = if (self.wanted)(&self.message) { Kept::Whole } else { Kept::No };
            } else if !bytes.is_empty() {
                // Too long to be what is wanted.
                self.kept = Kept::No;
            }
        }
        if self.kept == Kept::No {
            self.message.clear();
        }
    }

    fn end_frame(&mut self, each: &mut dyn FnMut(&[u8])) {
        self.have = 0;
        if self.opcode.is_control() || !self.is_last {
            return;
        }
        self.in_message = false;
        let is_wanted = match self.kept {
            Kept::Whole => true,
            Kept::Peeking => (self.wanted)(&self.message),
            Kept::No => false,
        };
        if is_wanted {
            each(&self.message);
        }
        self.message.clear();
        self.kept = Kept::No;
    }
}

/// A frame; a client's is masked, a server's is not.
#[must_use]
pub fn frame(opcode: Opcode, is_last: bool, payload: &[u8], mask: Option<[u8; 4]>) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + HEAD);
    let bit = if mask.is_some() { 0x80 } else { 0 };
    out.extend_from_slice(&[opcode.number() | if is_last { 0x80 } else { 0 }]);
    match payload.len() {
        short @ 0..126 => out.extend_from_slice(&[bit | u8::try_from(short).unwrap_or_default()]),
        length => match u16::try_from(length) {
            Ok(length) => {
                out.extend_from_slice(&[bit | 126]);
                out.extend_from_slice(&length.to_be_bytes());
            }
            Err(_) => {
                out.extend_from_slice(&[bit | 127]);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        },
    }
    match mask {
        None => out.extend_from_slice(payload),
        Some(mask) => {
            out.extend_from_slice(&mask);
            out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        }
    }
    out.freeze()
}

/// A server's frame that ends a session, with its code and why.
#[must_use]
pub fn close(code: u16, why: &str) -> Bytes {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend(why.bytes().take(120));
    frame(Opcode::Close, true, &payload, None)
}
