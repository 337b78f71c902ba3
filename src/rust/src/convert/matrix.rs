//! Matrices of R, and the core's storages of them.

use super::blocks::BlockSource;
use super::{message, size, Options};
use extendr_api::prelude::*;
use nmu_core::faer::MatRef;
use nmu_core::noise_estimators::Notebook;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::summary::{summarize, summarize_gram, summarize_sparse, Summary};
use nmu_core::storage::{Dense, Features, Gram, Masked, Sparse, Storage};

/// A matrix of doubles: a plain one, one of class `dgCMatrix`, one of class `nmu_gram`, or one of class `nmu_blocks` that R
/// reads in blocks.
pub(crate) struct Matrix {
    source: Source,
    pub(crate) nrow: usize,
    pub(crate) ncol: usize,
}

/// R's objects that hold the entries.
enum Source {
    Dense(Robj),
    /// The slots `p`, `i` and `x`.
    Sparse([Robj; 3]),
    Gram(Box<GramSource>),
    Blocks(BlockSource),
}

/// The elements of an object of class `nmu_gram` that define its entries.
struct GramSource {
    /// `X` as a plain matrix, or `Xᵀ` as one of class `dgCMatrix`.
    features: Matrix,
    offsets: Robj,
    divisor: f64,
}

impl GramSource {
    fn new(object: Robj) -> Result<(Self, [usize; 2]), String> {
        let list = Options::from_object(object, "the Gram matrix")?;
        let features = Matrix::new(list.find("features")?)?;
        let order = match &features.source {
            Source::Dense(_) => features.nrow,
            _ => features.ncol,
        };
        Ok((Self { features, offsets: list.find("offsets")?, divisor: list.get("divisor")? }, [order, order]))
    }

    fn storage(&self) -> Result<Gram<'_>, String> {
        let features = match &self.features.source {
            Source::Dense(_) => Features::Dense(self.features.entries()?),
            Source::Sparse(slots) => Features::SparseTransposed(self.features.sparse(slots)?),
            _ => return Err("the features of a Gram matrix are neither plain nor sparse".to_string()),
        };
        let offsets = self.offsets.as_real_slice().ok_or("the offsets of the Gram matrix have the wrong type")?;
        Gram::new(features, 1.0 / self.divisor, offsets).map_err(message)
    }
}

impl Matrix {
    /// Converts R's object, which must be one of the four.
    pub(crate) fn new(object: Robj) -> Result<Self, String> {
        let (source, [nrow, ncol]) = if object.inherits("nmu_blocks") {
            let blocks = BlockSource::new(object)?;
            let dim = blocks.dim();
            (Source::Blocks(blocks), dim)
        } else if object.inherits("nmu_gram") {
            let (gram, dim) = GramSource::new(object)?;
            (Source::Gram(Box::new(gram)), dim)
        } else if object.inherits("dgCMatrix") {
            let slot = |name: &str| object.get_attrib(name).ok_or_else(|| format!("the matrix has no slot {name}"));
            let dim = dimensions(slot("Dim")?.as_integer_slice())?;
            (Source::Sparse([slot("p")?, slot("i")?, slot("x")?]), dim)
        } else if object.rtype() == Rtype::Doubles {
            let dim = dimensions(object.get_attrib("dim").as_ref().and_then(Robj::as_integer_slice))?;
            (Source::Dense(object), dim)
        } else {
            return Err("the core was given something that is not a matrix of doubles".to_string());
        };
        Ok(Self { source, nrow, ncol })
    }

    /// A plain matrix over R's memory; nothing is copied.
    pub(crate) fn entries(&self) -> Result<MatRef<'_, f64>, String> {
        let Source::Dense(object) = &self.source else { return Err("the core needs a plain matrix here".to_string()) };
        let length = self.nrow * self.ncol;
        let values: &[f64] = if length == 0 {
            &[]
        } else {
            // SAFETY: the object is a vector of `length` doubles that `self` keeps alive, and nothing writes to it while R
            // waits for us. The writable pointer would make R copy a matrix that is behind a wrapper (ALTREP).
            unsafe { std::slice::from_raw_parts(extendr_ffi::DATAPTR_RO(object.get()).cast(), length) }
        };
        Ok(MatRef::from_column_major_slice(values, self.nrow, self.ncol))
    }

    /// The core's storage of a Gram matrix.
    pub(crate) fn gram(&self) -> Result<Gram<'_>, String> {
        match &self.source {
            Source::Gram(gram) => gram.storage(),
            _ => Err("the core needs a Gram matrix here".to_string()),
        }
    }

    /// Summarises the entries of a matrix in memory.
    pub(crate) fn summary(&self) -> Result<Summary, String> {
        Ok(match &self.source {
            Source::Dense(_) => summarize(self.entries()?, is_na),
            Source::Sparse(slots) => summarize_sparse(&self.sparse(slots)?, is_na),
            Source::Gram(gram) => summarize_gram(&gram.storage()?),
            Source::Blocks(_) => return Err("blocks are scanned one by one".to_string()),
        })
    }

    /// The threads to work with: one if R reads the entries.
    pub(crate) fn threads(&self, options: &Options) -> Result<Threads, String> {
        match &self.source {
            Source::Blocks(_) => Ok(Threads::new(1)),
            _ => options.threads(),
        }
    }

    /// The core's storage of the entries that are observed, without the diagonal if that is ignored. Nothing is copied.
    pub(crate) fn storage(&self, options: &Options) -> Result<Box<dyn Storage + '_>, String> {
        let (ignore_diag, missing) = (options.flag("ignore_diag")?, options.flag("missing")?);
        Ok(match &self.source {
            Source::Dense(_) => masked(self.dense()?, ignore_diag, missing),
            Source::Sparse(slots) => {
                let sparse = self.sparse(slots)?.with_tolerance(options.interpolation()?);
                Box::new(if ignore_diag { sparse.without_diagonal() } else { sparse })
            }
            Source::Gram(gram) => masked(gram.storage()?, ignore_diag, false),
            Source::Blocks(blocks) => masked(blocks.storage(), ignore_diag, missing),
        })
    }

    /// The core's storage of all entries, none of which is missing.
    pub(crate) fn complete_storage(&self, options: &Options) -> Result<Box<dyn Storage + '_>, String> {
        Ok(match &self.source {
            Source::Dense(_) => Box::new(self.dense()?),
            Source::Sparse(slots) => Box::new(self.sparse(slots)?.with_tolerance(options.interpolation()?)),
            Source::Gram(gram) => Box::new(gram.storage()?),
            Source::Blocks(blocks) => Box::new(blocks.storage()),
        })
    }

    fn dense(&self) -> Result<Dense<'_>, String> {
        self.entries().map(Dense::new)
    }

    fn sparse<'a>(&self, [starts, rows, values]: &'a [Robj; 3]) -> Result<Sparse<'a>, String> {
        let wrong_type = || "a slot of the sparse matrix has the wrong type".to_string();
        let starts = starts.as_integer_slice().ok_or_else(wrong_type)?;
        let rows = rows.as_integer_slice().ok_or_else(wrong_type)?;
        let values = values.as_real_slice().ok_or_else(wrong_type)?;
        let sparse = Sparse::new(self.nrow, starts, rows, values).map_err(message)?;
        if sparse.ncol() == self.ncol {
            Ok(sparse)
        } else {
            Err(format!("the sparse matrix has {} columns in its slot p, and not {}", sparse.ncol(), self.ncol))
        }
    }

    /// The notebook's estimator of λ and σ for this matrix.
    pub(crate) fn notebook(&self) -> Notebook {
        Notebook { entries: self.nrow as f64 * self.ncol as f64 }
    }
}

fn dimensions(dim: Option<&[i32]>) -> Result<[usize; 2], String> {
    match dim {
        Some(&[nrow, ncol]) => Ok([size(nrow)?, size(ncol)?]),
        _ => Err("the core was given a matrix without two dimensions".to_string()),
    }
}

/// Whether a value is R's `NA`, a NaN with a payload of its own.
fn is_na(value: f64) -> bool {
    value.is_na()
}

fn masked<'a>(storage: impl Storage + 'a, ignore_diag: bool, missing: bool) -> Box<dyn Storage + 'a> {
    match (ignore_diag, missing) {
        (true, _) => Box::new(Masked::without_diagonal(storage)),
        (false, true) => Box::new(Masked::new(storage)),
        (false, false) => Box::new(storage),
    }
}
