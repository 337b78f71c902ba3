//! Entries that other processes go over.

/// Those who can read the entries of a storage and sweep over them, each over some tiles.
pub trait Remote {
    /// Has `errand` run over all tiles of the matrix, by [`crate::pass::remote::worker`] with the same numbers, and returns what each
    /// tile's answer is, in the order of the tiles: `lengths` says how many numbers.
    ///
    /// `None` where that failed; the storage is then lost.
    fn ask(&self, errand: &[f64], lengths: &[usize]) -> Option<Vec<Vec<f64>>>;
}
