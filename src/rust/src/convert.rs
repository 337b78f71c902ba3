//! Between R objects and the core's terms: the only files that name R's types.

mod blocks;
mod custom;
mod lists;
mod matrix;
mod options;
mod prior;

pub(crate) use lists::{
    certificate_list, certified_list, deflation_list, em_list, errors_list, projection_list, scan_list,
};
pub(crate) use matrix::Matrix;
pub(crate) use options::Options;
pub(crate) use prior::{normal_means_list, Priors};

use crate::interrupt;
use extendr_api::prelude::*;
use nmu_core::emg::Side;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Runs `work`, and turns what it returns into R's; NULL where the user interrupts it. A panic, which would be a defect,
/// comes back as an error too and never reaches R as a longjmp.
pub(crate) fn guarded<T: Into<Robj>>(work: impl FnOnce() -> Result<T, String>) -> Result<Robj, String> {
    defects(|| interrupt::heeding(work))
}

/// The same of a fit, which returns what it has where the user interrupts it: NULL only where that is nothing.
pub(crate) fn guarded_fit<T: Into<Robj>>(work: impl FnOnce() -> Result<T, String>) -> Result<Robj, String> {
    defects(|| interrupt::heeding_late(work))
}

fn defects<T: Into<Robj>>(work: impl FnOnce() -> Option<Result<T, String>>) -> Result<Robj, String> {
    let found = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Some(Err(format!("a defect in the core: {}", text.unwrap_or("unknown"))))
    });
    found.map_or_else(|| Ok(NULL.into()), |value| value.map(Into::into))
}

/// R's extents are nonnegative.
fn extent(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}

/// Two vectors of equal length, element by element.
pub(crate) fn pair_lengths<'a>(x: &'a [f64], y: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    x.iter().copied().zip(y.iter().copied())
}

/// Logs as they are, or what they are logs of.
pub(crate) fn logs_or_values(logs: impl Iterator<Item = f64>, log: bool) -> Vec<f64> {
    logs.map(|value| if log { value } else { value.exp() }).collect()
}

/// The tail that R's `lower.tail` means.
pub(crate) fn tail(lower: bool) -> Side {
    if lower {
        Side::Lower
    } else {
        Side::Upper
    }
}

/// A seed of 64 bits, from the upper and the lower 32 of them, which R's doubles can hold.
pub(crate) fn seed(high: f64, low: f64) -> u64 {
    (high as u64) << 32 | low as u64
}

/// A vector of `count` times `length` values, which R is asked for before anything else; guarded.
pub(crate) fn fill<I>(length: usize, count: i32, values: impl FnOnce(usize) -> I) -> Result<Robj, String>
where
    I: Iterator<Item = f64>,
{
    let count = extent(count);
    let mut filled = Doubles::new(length * count);
    guarded(|| {
        for (slot, value) in filled.iter_mut().zip(values(count)) {
            *slot = value.into();
        }
        Ok(filled)
    })
}
