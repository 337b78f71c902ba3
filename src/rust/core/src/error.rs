//! Errors of the constructors of the core. The R interface validates first, so users see them only if it has a bug.

use std::fmt;

/// An invalid argument, or a lack of memory, detected before any computation.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// A vector or matrix has the wrong number of elements.
    Length {
        /// The name of the vector or matrix.
        what: &'static str,
        /// The required length.
        expected: usize,
        /// The actual length.
        found: usize,
    },
    /// A number is outside its range.
    Range {
        /// The name of the number.
        what: &'static str,
        /// The range, in words.
        expected: &'static str,
        /// Its value.
        found: f64,
    },
    /// An allocation failed.
    Memory {
        /// The purpose of the allocation.
        what: &'static str,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { what, expected, found } => {
                write!(formatter, "{what} has {found} elements where {expected} are needed")
            }
            Self::Range { what, expected, found } => {
                write!(formatter, "{what} must be {expected}, not {found}")
            }
            Self::Memory { what } => write!(formatter, "no memory for {what}"),
        }
    }
}

impl std::error::Error for Error {}
