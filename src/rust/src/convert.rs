//! Between R objects and the core's terms: the only files that look into R's objects.

mod blocks;
mod custom;
mod lists;
mod matrix;
mod model;
mod options;
mod prior;

pub(crate) use lists::{
    certificate_list, certified_list, deflation_list, em_list, errors_list, prediction_list, scan_list,
};
pub(crate) use matrix::Matrix;
pub(crate) use options::Options;
pub(crate) use prior::{normal_means_list, write_posteriors, Priors};

use crate::interrupt;
use extendr_api::prelude::*;
use nmu_core::distributions::emg::Side;
use nmu_core::memory;
use nmu_core::residual::ResidualView;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Runs `work`, and turns what it returns into R's; NULL where the user interrupts it. A panic, which would be a defect,
/// comes back as an error too and never reaches R as a longjmp.
pub(crate) fn guarded<T: Into<Robj>>(work: impl FnOnce() -> Result<T, String>) -> Result<Robj, String> {
    defects(|| interrupt::with_cancellation(work))
}

/// The same of a fit, which returns what it has where the user interrupts it: NULL only where that is nothing.
pub(crate) fn guarded_fit<T: Into<Robj>>(work: impl FnOnce() -> Result<T, String>) -> Result<Robj, String> {
    defects(|| interrupt::heeding_late(work))
}

/// Asks for the memory of a fit before it starts.
pub(crate) fn ask_for(view: &ResidualView, factors: usize) -> Result<(), String> {
    memory::check_available(view, factors).map_err(|error| error.to_string())
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
pub(crate) fn extent(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}

/// Two vectors of equal length, element by element.
pub(crate) fn pair_lengths<'a>(x: &'a [f64], y: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    x.iter().copied().zip(y.iter().copied())
}

/// A log as it is, or what it is the log of.
pub(crate) fn log_or_value(value: f64, log: bool) -> f64 {
    if log {
        value
    } else {
        value.exp()
    }
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

/// A vector of so many values, which R is asked for before anything else; guarded.
pub(crate) fn fill<I>(length: usize, values: impl FnOnce() -> I) -> Result<Robj, String>
where
    I: Iterator<Item = f64>,
{
    let mut columns = Columns::new(length);
    guarded(|| {
        let mut slots = columns.slots();
        values().for_each(|value| slots.write([value]));
        let [filled] = columns.into_vectors();
        Ok(filled)
    })
}

/// Vectors of R's, asked for before anything else: where R refuses the memory, nothing of ours is lost but those that it
/// has granted already.
pub(crate) struct Columns<const N: usize>([Doubles; N]);

impl<const N: usize> Columns<N> {
    /// Vectors of one length.
    pub(crate) fn new(length: usize) -> Self {
        Self([(); N].map(|()| Doubles::new(length)))
    }

    /// Their elements, from the first on.
    pub(crate) fn slots(&mut self) -> Slots<'_, N> {
        Slots { columns: self.0.each_mut().map(|column| &mut column[..]), next: 0 }
    }

    /// The vectors.
    pub(crate) fn into_vectors(self) -> [Doubles; N] {
        self.0
    }
}

/// Elements that are written row after row.
pub(crate) struct Slots<'a, const N: usize> {
    columns: [&'a mut [Rfloat]; N],
    next: usize,
}

impl<const N: usize> Slots<'_, N> {
    /// Writes the next element of each vector; what there is no room for is dropped.
    pub(crate) fn write(&mut self, row: [f64; N]) {
        for (column, value) in self.columns.iter_mut().zip(row) {
            if let Some(slot) = column.get_mut(self.next) {
                *slot = value.into();
            }
        }
        self.next += 1;
    }
}
