//! R's matrices.

use super::blocks::Blocks;
use super::{extent, Options};
use extendr_api::prelude::*;
use nmu_core::faer::MatRef;
use nmu_core::noise_estimators::Notebook;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::summary::{summarize, summarize_sparse, Summary};
use nmu_core::storage::{Dense, Masked, Sparse, Storage};

/// A matrix of doubles that R holds: a plain one, one of class `dgCMatrix`, or one that it reads block by block.
pub(crate) struct Matrix {
    held: Held,
    pub(crate) nrow: usize,
    pub(crate) ncol: usize,
}

/// How R holds it.
enum Held {
    Dense(Robj),
    /// The slots `p`, `i` and `x`.
    Sparse([Robj; 3]),
    /// How many entries to read at a time, how many columns are stored together, and whether others go over them.
    Blocks(usize, usize, bool),
}

impl Matrix {
    /// Takes R's object, which must be one of the three.
    pub(crate) fn new(object: Robj) -> Result<Self, String> {
        if object.inherits("nmu_blocks") {
            let list = Options::from_object(object, "what reads the matrix")?;
            let held =
                Held::Blocks(list.count_of("block_length")?, list.count_of("chunk_ncol")?, list.flag("distributed")?);
            return Ok(Self { held, nrow: list.count_of("nrow")?, ncol: list.count_of("ncol")? });
        }
        let integers = |values: Robj| values.as_integer_vector().unwrap_or_default();
        if object.inherits("dgCMatrix") {
            let slot = |name: &str| object.get_attrib(name).ok_or_else(|| format!("the matrix has no slot {name}"));
            let held = Held::Sparse([slot("p")?, slot("i")?, slot("x")?]);
            return match integers(slot("Dim")?)[..] {
                [nrow, ncol] => Ok(Self { held, nrow: extent(nrow), ncol: extent(ncol) }),
                _ => Err("the sparse matrix has no dimensions".to_string()),
            };
        }
        let dim: Vec<i32> = object.dim().iter().flat_map(|dim| dim.iter().filter_map(Option::<i32>::from)).collect();
        match (&dim[..], object.rtype()) {
            (&[nrow, ncol], Rtype::Doubles) => {
                Ok(Self { held: Held::Dense(object), nrow: extent(nrow), ncol: extent(ncol) })
            }
            _ => Err("the core was given something that is not a matrix of doubles".to_string()),
        }
    }

    /// The entries of a plain matrix, column after column; nothing is copied.
    pub(crate) fn values(&self) -> Result<&[f64], String> {
        let Held::Dense(object) = &self.held else { return Err("the core wants a plain matrix here".to_string()) };
        let length = self.nrow * self.ncol;
        if length == 0 {
            return Ok(&[]);
        }
        // SAFETY: the object is a vector of `length` doubles that `self` keeps alive, and nothing writes to it while R
        // waits for us. The writable pointer would make R copy a matrix that is behind a wrapper (ALTREP).
        Ok(unsafe { std::slice::from_raw_parts(extendr_ffi::DATAPTR_RO(object.get()).cast(), length) })
    }

    /// What is said of the matrix before a fit.
    pub(crate) fn scan(&self) -> Result<Summary, String> {
        Ok(match &self.held {
            Held::Dense(_) => summarize(self.dense()?.matrix(), is_na),
            Held::Sparse(slots) => summarize_sparse(&self.sparse(slots)?, is_na),
            Held::Blocks(..) => return Err("blocks are scanned one by one".to_string()),
        })
    }

    /// The threads to work with: one where R itself reads the entries.
    pub(crate) fn threads(&self, options: &Options) -> Result<Threads, String> {
        match &self.held {
            Held::Blocks(..) => Ok(Threads::new(1)),
            _ => options.threads(),
        }
    }

    /// The core's storage over R's memory, without the entries or the diagonal that do not count.
    pub(crate) fn storage(&self, options: &Options) -> Result<Box<dyn Storage + '_>, String> {
        let (hollow, missing) = (options.flag("ignore_diag")?, options.flag("missing")?);
        Ok(match &self.held {
            Held::Dense(_) => masked(self.dense()?, hollow, missing),
            Held::Sparse(slots) => {
                let sparse = self.sparse(slots)?.with_tolerance(options.interpolation()?);
                Box::new(if hollow { sparse.without_diagonal() } else { sparse })
            }
            Held::Blocks(room, step, spread) => masked(self.blocks(*room, *step, *spread), hollow, missing),
        })
    }

    /// The core's storage of all entries, none of which is missing.
    pub(crate) fn whole(&self, options: &Options) -> Result<Box<dyn Storage + '_>, String> {
        Ok(match &self.held {
            Held::Dense(_) => Box::new(self.dense()?),
            Held::Sparse(slots) => Box::new(self.sparse(slots)?.with_tolerance(options.interpolation()?)),
            Held::Blocks(room, step, spread) => Box::new(self.blocks(*room, *step, *spread)),
        })
    }

    fn dense(&self) -> Result<Dense<'_>, String> {
        Ok(Dense::new(MatRef::from_column_major_slice(self.values()?, self.nrow, self.ncol)))
    }

    fn blocks(&self, room: usize, step: usize, spread: bool) -> Blocks {
        Blocks::new(self.nrow, self.ncol, room, step, spread)
    }

    fn sparse<'a>(&self, [starts, rows, values]: &'a [Robj; 3]) -> Result<Sparse<'a>, String> {
        let of_wrong_type = || "a slot of the sparse matrix has the wrong type".to_string();
        let starts = starts.as_integer_slice().ok_or_else(of_wrong_type)?;
        let rows = rows.as_integer_slice().ok_or_else(of_wrong_type)?;
        let values = values.as_real_slice().ok_or_else(of_wrong_type)?;
        let sparse = Sparse::new(self.nrow, starts, rows, values).map_err(|error| error.to_string())?;
        if sparse.ncol() == self.ncol {
            Ok(sparse)
        } else {
            Err(format!("the sparse matrix has {} columns in its slot p, and not {}", sparse.ncol(), self.ncol))
        }
    }

    /// The notebook's estimator for this matrix.
    pub(crate) fn notebook(&self) -> Notebook {
        Notebook { entries: self.nrow as f64 * self.ncol as f64 }
    }
}

/// Whether R takes a NaN as missing.
fn is_na(value: f64) -> bool {
    value.is_na()
}

fn masked<'a>(storage: impl Storage + 'a, hollow: bool, missing: bool) -> Box<dyn Storage + 'a> {
    match (hollow, missing) {
        (true, _) => Box::new(Masked::without_diagonal(storage)),
        (false, true) => Box::new(Masked::new(storage)),
        (false, false) => Box::new(storage),
    }
}
