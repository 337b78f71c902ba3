//! Vectors that R allocates before the core starts.

use extendr_api::prelude::*;

/// `N` vectors of one length, written row by row.
///
/// They are allocated before anything else, since a failed allocation jumps out of Rust: nothing is lost then but the
/// vectors that R has allocated already.
pub(crate) struct Columns<const N: usize> {
    vectors: [Doubles; N],
    written: usize,
}

impl<const N: usize> Columns<N> {
    /// Allocates vectors of the given length.
    pub(crate) fn new(length: usize) -> Self {
        Self { vectors: [(); N].map(|()| Doubles::new(length)), written: 0 }
    }

    /// Writes the next rows, an element of each vector in turn.
    pub(crate) fn write(&mut self, rows: impl IntoIterator<Item = [f64; N]>) {
        let Self { vectors, written } = self;
        let mut slices = vectors.each_mut().map(|vector| &mut vector[..]);
        for row in rows {
            for (slice, value) in slices.iter_mut().zip(row) {
                // A row beyond the end is counted, which `into_vectors` reports.
                if let Some(slot) = slice.get_mut(*written) {
                    *slot = value.into();
                }
            }
            *written += 1;
        }
    }

    /// Returns the vectors.
    ///
    /// # Errors
    /// An internal error if not every row was written once: R does not initialise its vectors.
    pub(crate) fn into_vectors(self) -> Result<[Doubles; N], String> {
        let Self { vectors, written } = self;
        match vectors.iter().find(|vector| vector.len() != written) {
            Some(vector) => Err(format!("internal error: {written} values were written to {} elements", vector.len())),
            None => Ok(vectors),
        }
    }
}
