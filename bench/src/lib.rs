//! Shared code of the benchmarks and the `measure` program: test matrices, cases, and the memory-bandwidth reference.

pub mod case;
pub mod elbo;
pub mod matrix;
pub mod total;
