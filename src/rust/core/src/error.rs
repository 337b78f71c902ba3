//! What a constructor of the core refuses. The R face checks first, so a user sees these only through a defect.

use std::fmt;

/// A broken invariant, found before any work is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// A vector or matrix has the wrong number of elements.
    Length {
        /// What has the wrong length.
        what: &'static str,
        /// The length it should have.
        expected: usize,
        /// The length it has.
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
    /// Memory was refused.
    Memory {
        /// What the memory was for.
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
