//! Texts of records: cut and cleaned on their way in, borrowed or shared on their way out.

use ahash::RandomState;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::HashSet;
use std::sync::Arc;

/// Longest text that a client can put into a record, in bytes.
pub(super) const LONGEST: usize = 1024;
/// Longest prompt and answer that are kept, in bytes each.
const LONGEST_CONTENT: usize = 64 * 1024;

/// Text on its way in is cut and cleaned, on its way out borrowed.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) &'a str);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        clean(self.0, LONGEST, serializer)
    }
}

/// What was said, which may be longer.
#[derive(Deserialize)]
pub(super) struct LongText<'a>(#[serde(borrow)] pub(super) &'a str);

impl Serialize for LongText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        clean(self.0, LONGEST_CONTENT, serializer)
    }
}

fn clean<S: Serializer>(text: &str, longest: usize, serializer: S) -> Result<S::Ok, S::Error> {
    let is_short = text.len() <= longest;
    let cut = if is_short { text } else { text.get(..text.floor_char_boundary(longest)).unwrap_or(text) };
    if memchr::memchr(0, cut.as_bytes()).is_some() {
        return serializer.serialize_str(&cut.replace('\0', " "));
    }
    serializer.serialize_str(cut)
}

/// Texts of the records of a batch, most of which are in many of them: each is made once, and shared.
#[derive(Default)]
pub(in crate::ledger) struct Known(HashSet<Arc<str>, RandomState>);

impl Known {
    pub(super) fn text(&mut self, text: Text<'_>) -> Arc<str> {
        if let Some(known) = self.0.get(text.0) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(text.0);
        self.0.insert(Arc::clone(&new));
        new
    }

    pub(super) fn option(&mut self, text: Option<Text<'_>>) -> Option<Arc<str>> {
        text.map(|text| self.text(text))
    }
}

pub(super) fn text(arc: &Arc<str>) -> Text<'_> {
    Text(arc)
}

pub(super) fn option(arc: &Option<Arc<str>>) -> Option<Text<'_>> {
    arc.as_ref().map(text)
}
