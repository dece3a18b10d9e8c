//! What a push gives back.

use bytes::Bytes;

/// What a push gives back: a part of what came in for as long as nothing differs.
pub(super) struct Output<'a> {
    data: &'a Bytes,
    copied: Option<Vec<u8>>,
    /// Up to here the data goes out as it is.
    plain: usize,
}

impl<'a> Output<'a> {
    /// What comes of `data`, of which nothing is looked at yet.
    pub(super) const fn of(data: &'a Bytes) -> Self {
        Self { data, copied: None, plain: 0 }
    }

    pub(super) fn pass(&mut self, start: usize, end: usize) {
        match &mut self.copied {
            Some(copied) => copied.extend_from_slice(&self.data[start..end]),
            None => self.plain = end,
        }
    }

    pub(super) fn remove(&mut self, start: usize) {
        self.copy(start);
    }

    pub(super) fn copy(&mut self, start: usize) -> &mut Vec<u8> {
        self.copied.get_or_insert_with(|| {
            let mut copied = Vec::with_capacity(self.data.len() + 64);
            copied.extend_from_slice(&self.data[..start]);
            copied
        })
    }

    pub(super) fn finish(self) -> Bytes {
        self.copied.map_or_else(|| self.data.slice(..self.plain), Bytes::from)
    }
}
