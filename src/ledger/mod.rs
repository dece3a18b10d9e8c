//! Floor 4: the spend ledger.
use crate::domain::UsageRecord;
/// The ledger.
pub struct Ledger;
/// Full.
#[derive(Debug)]
pub struct LedgerFull;
impl Ledger {
    /// Appends.
    ///
    /// # Errors
    /// Full.
    pub fn append(&self, _: &UsageRecord) -> Result<(), LedgerFull> {
        Ok(())
    }
    /// Room.
    pub fn has_room(&self) -> bool {
        true
    }
}
