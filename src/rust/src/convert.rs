//! Conversions between R objects and the types of the core. Only these files look into R objects.

mod blocks;
mod columns;
mod custom_prior;
mod matrix;
mod model;
mod options;
mod prior;
mod results;
mod units;

pub(crate) use columns::Columns;
pub(crate) use matrix::Matrix;
pub(crate) use options::Options;
pub(crate) use prior::{normal_means_list, write_posteriors};
pub(crate) use results::{
    certificate_list, certified_list, deflation_list, eigenpairs_list, em_list, prediction_list, standard_errors_list,
    summary_list,
};
pub(crate) use units::Units;

use nmu_core::distributions::emg::Side;
use nmu_core::error::Error;

/// The message of an error of the core. R has checked what the user gave, so it means a bug of the package.
pub(crate) fn message(error: Error) -> String {
    error.to_string()
}

/// Converts one of R's sizes.
pub(crate) fn size(value: i32) -> Result<usize, String> {
    usize::try_from(value).map_err(|_| format!("internal error: a size of {value}"))
}

/// Pairs the elements of two vectors of equal length.
pub(crate) fn pairs<'a>(x: &'a [f64], y: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    x.iter().copied().zip(y.iter().copied())
}

/// Returns a log, or the number that it is the log of.
pub(crate) fn log_or_value(value: f64, log: bool) -> f64 {
    if log {
        value
    } else {
        value.exp()
    }
}

/// Converts R's `lower.tail`.
pub(crate) fn tail(lower: bool) -> Side {
    if lower {
        Side::Lower
    } else {
        Side::Upper
    }
}

/// Assembles a seed of 64 bits from its upper and lower 32 bits, which R's doubles can hold.
pub(crate) fn seed(high: f64, low: f64) -> u64 {
    (high as u64) << 32 | low as u64
}
