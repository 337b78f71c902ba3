//! Check of the available memory before a fit.

use crate::error::Error;
use crate::residual::ResidualView;

/// The peak number of values that a fit holds per row, and per column of a general matrix: a base and an increment per
/// factor. Fits of symmetric sparse matrices in a limited address space took 51 to 60 with one factor, and 81 to 110
/// with four that are refitted.
const VALUES_PER_ROW: [usize; 2] = [48, 20];

/// Checks that the memory for a fit of `factors` factors, beside the matrix, is available. It is allocated and freed.
///
/// A failed allocation within a fit would abort the process; here it is an error.
///
/// # Errors
/// [`Error::Memory`] if the allocation fails.
pub fn check_available(view: &ResidualView, factors: usize) -> Result<(), Error> {
    let length = view.nrow() + if view.is_symmetric() { 0 } else { view.ncol() };
    let [base, per_factor] = VALUES_PER_ROW;
    let values = per_factor.saturating_mul(factors).saturating_add(base).saturating_mul(length);
    let error = |_| Error::Memory { what: "the vectors of a fit" };
    Vec::<f64>::new().try_reserve_exact(values).map_err(error)
}
