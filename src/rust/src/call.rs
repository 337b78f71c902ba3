//! Calls of the core: what R gets if a call fails, is interrupted or panics.

use crate::convert::Columns;
use crate::stop::{was_interrupted, OnInterrupt, RunningCall};
use extendr_api::prelude::*;
use nmu_core::runtime::cancel::end_of;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Calls the core and converts its value to R's. Returns `NULL` if the call ends before there is a value.
///
/// A panic, which is a bug of the package, becomes an error. It must not reach R, which would be jumped over.
pub(crate) fn call_core<T: Into<Robj>>(
    on_interrupt: OnInterrupt,
    work: impl FnOnce() -> Result<T, String>,
) -> Result<Robj, String> {
    let call = RunningCall::start(on_interrupt);
    let result = catch_unwind(AssertUnwindSafe(work));
    if let Some(reason) = call.failure() {
        return Err(reason);
    }
    let discarded = on_interrupt == OnInterrupt::End && was_interrupted();
    match result {
        Ok(value) if !discarded => value.map(Into::into),
        Err(panic) if end_of(panic.as_ref()).is_none() => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("a defect in the core: {}", text.unwrap_or("unknown")))
        }
        _ => Ok(NULL.into()),
    }
}

/// Returns a vector of `length` values, which the core computes.
pub(crate) fn fill<I>(length: usize, values: impl FnOnce() -> I) -> Result<Robj, String>
where
    I: Iterator<Item = f64>,
{
    let mut columns = Columns::new(length);
    call_core(OnInterrupt::End, || {
        columns.write(values().map(|value| [value]));
        let [filled] = columns.into_vectors()?;
        Ok(filled)
    })
}
