//! Memory, asked for before it is needed.

use crate::error::Error;
use crate::residual::ResidualView;

/// The numbers that a fit holds at its peak for each row, and for each column of a general matrix: so many, and so many more
/// for each factor. Fits of symmetric sparse matrices in a limited address space took 51 to 60 with one factor, and 81 to 110
/// with four that are refitted.
const HELD: [usize; 2] = [48, 20];

/// Asks for the memory that a fit of so many factors takes beside the matrix, and gives it back.
///
/// A vector that is refused within a fit would end the process, as is Rust's way; refused here it is an error.
///
/// # Errors
/// [`Error::Memory`] where it is refused.
pub fn ask_for(view: &ResidualView, factors: usize) -> Result<(), Error> {
    let sides = view.nrow() + if view.is_symmetric() { 0 } else { view.ncol() };
    let [base, more] = HELD;
    let numbers = more.saturating_mul(factors).saturating_add(base).saturating_mul(sides);
    let refused = |_| Error::Memory { what: "the vectors of a fit" };
    Vec::<f64>::new().try_reserve_exact(numbers).map_err(refused)
}
