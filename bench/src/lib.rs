//! What the benches and the `measure` program share: matrices to work on, and the least that any pass must do.

pub mod bound;
pub mod case;
pub mod matrix;
pub mod total;
