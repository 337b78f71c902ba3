//! Calls of the core: what R gets if a call fails, is interrupted or panics.

use crate::convert::Columns;
use crate::interrupt;
use extendr_api::prelude::*;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Calls the core and converts its value to R's. Returns `NULL` if the user interrupts it.
pub(crate) fn call_core<T: Into<Robj>>(work: impl FnOnce() -> Result<T, String>) -> Result<Robj, String> {
    catch_panic(|| interrupt::with_cancellation(work))
}

/// Calls the core for a fit, which returns what it has found so far if the user interrupts it; `NULL` if that is nothing.
pub(crate) fn call_core_keeping_partial<T: Into<Robj>>(
    work: impl FnOnce() -> Result<T, String>,
) -> Result<Robj, String> {
    catch_panic(|| interrupt::with_grace_period(work))
}

/// Turns a panic, which is a bug of the package, into an error. It must not reach R, which would be jumped over.
fn catch_panic<T: Into<Robj>>(work: impl FnOnce() -> Option<Result<T, String>>) -> Result<Robj, String> {
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Some(Err(format!("a defect in the core: {}", text.unwrap_or("unknown"))))
    });
    match result {
        Some(value) => value.map(Into::into),
        None => Ok(NULL.into()),
    }
}

/// Returns a vector of `length` values, which the core computes.
pub(crate) fn fill<I>(length: usize, values: impl FnOnce() -> I) -> Result<Robj, String>
where
    I: Iterator<Item = f64>,
{
    let mut columns = Columns::new(length);
    call_core(|| {
        columns.write(values().map(|value| [value]));
        let [filled] = columns.into_vectors()?;
        Ok(filled)
    })
}
