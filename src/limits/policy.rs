//! What to do when money cannot be counted.

/// What becomes of a call to a model whose price is unknown, made by somebody who has a budget.
///
/// A price of zero is a known price: such calls pass all budgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unpriced {
    /// The call is refused: nothing is spent that is not counted.
    Deny,
    /// The call is made if the budget is not used up, costs nothing, and its record says that it had no price.
    #[default]
    AllowAndFlag,
}
