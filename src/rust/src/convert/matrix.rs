//! R's matrices.

use super::{extent, Options};
use extendr_api::prelude::*;
use nmu_core::noise::Notebook;
use nmu_core::storage::{Dense, Masked, Storage};

/// A matrix of doubles that R holds.
pub(crate) struct Matrix {
    object: Robj,
    pub(crate) nrow: usize,
    pub(crate) ncol: usize,
}

impl Matrix {
    /// Takes R's object, which must be a matrix of doubles.
    pub(crate) fn new(object: Robj) -> Result<Self, String> {
        let dim: Vec<i32> = object.dim().iter().flat_map(|dim| dim.iter().filter_map(Option::<i32>::from)).collect();
        match (&dim[..], object.rtype()) {
            (&[nrow, ncol], Rtype::Doubles) => Ok(Self { nrow: extent(nrow), ncol: extent(ncol), object }),
            _ => Err("the core was given something that is not a matrix of doubles".to_string()),
        }
    }

    /// The entries, column after column; nothing is copied.
    pub(crate) fn values(&self) -> &[f64] {
        let length = self.nrow * self.ncol;
        if length == 0 {
            return &[];
        }
        // SAFETY: the object is a vector of `length` doubles that `self` keeps alive, and nothing writes to it while R
        // waits for us. The writable pointer would make R copy a matrix that is behind a wrapper (ALTREP).
        unsafe { std::slice::from_raw_parts(extendr_ffi::DATAPTR_RO(self.object.get()).cast(), length) }
    }

    /// The core's storage over R's memory, without the entries or the diagonal that do not count.
    pub(crate) fn storage(&self, options: &Options) -> Result<Box<dyn Storage + '_>, String> {
        let dense = self.dense()?;
        Ok(match (options.flag("ignore_diag")?, options.flag("missing")?) {
            (true, _) => Box::new(Masked::without_diagonal(dense)),
            (false, true) => Box::new(Masked::new(dense)),
            (false, false) => Box::new(dense),
        })
    }

    /// The core's dense storage over R's memory.
    pub(crate) fn dense(&self) -> Result<Dense<'_>, String> {
        Dense::from_columns(self.values(), self.nrow, self.ncol).map_err(|error| error.to_string())
    }

    /// The notebook's estimator for this matrix.
    pub(crate) fn notebook(&self) -> Notebook {
        Notebook { entries: self.values().len() as f64 }
    }
}
