//! Between R objects and the core's terms: the only file that names R's types.

use extendr_api::prelude::*;
use nmu_core::deflate::Deflation;
use nmu_core::em::{Fit, Settings, Status, Trace};
use nmu_core::noise::{Noise, Notebook};
use nmu_core::parallel::Threads;
use nmu_core::scan::Scan;
use nmu_core::start::Start;
use nmu_core::storage::Dense;
use nmu_core::view::Factor;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Runs `work`; a panic, which would be a defect, comes back as an error too and never reaches R as a longjmp.
pub(crate) fn guarded(work: impl FnOnce() -> Result<List, String>) -> Result<List, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("a defect in the core: {}", text.unwrap_or("unknown")))
    })
}

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

    /// The core's dense storage over R's memory.
    pub(crate) fn dense(&self) -> Result<Dense<'_>, String> {
        Dense::from_columns(self.values(), self.nrow, self.ncol).map_err(|error| error.to_string())
    }

    /// The notebook's estimator for this matrix.
    pub(crate) fn notebook(&self) -> Notebook {
        Notebook { entries: self.values().len() as f64 }
    }
}

/// R's extents are nonnegative.
fn extent(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}

/// Two vectors of equal length, element by element.
pub(crate) fn pair_lengths<'a>(x: &'a [f64], y: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    x.iter().copied().zip(y.iter().copied())
}

/// The list of options that R sends, read by name.
pub(crate) struct Options(List);

impl Options {
    pub(crate) fn new(list: List) -> Self {
        Self(list)
    }

    fn get<T>(&self, name: &str) -> Result<T, String>
    where
        T: TryFrom<Robj>,
    {
        let value = self.0.dollar(name).map_err(|_| format!("option {name} is missing"))?;
        T::try_from(value).map_err(|_| format!("option {name} has the wrong type"))
    }

    fn count_of(&self, name: &str) -> Result<usize, String> {
        let value: i32 = self.get(name)?;
        usize::try_from(value).map_err(|_| format!("option {name} is negative"))
    }

    pub(crate) fn symmetric(&self) -> Result<bool, String> {
        self.get("symmetric")
    }

    pub(crate) fn keeps_b(&self) -> Result<bool, String> {
        self.get("keep_b")
    }

    pub(crate) fn threads(&self) -> Result<Threads, String> {
        self.count_of("threads").map(Threads::new)
    }

    pub(crate) fn count(&self) -> Result<usize, String> {
        self.count_of("K")
    }

    /// The user's start; `None` where there is none.
    pub(crate) fn start(&self) -> Result<Option<Start>, String> {
        let (u, v): (Option<Vec<f64>>, Option<Vec<f64>>) = (self.get("u")?, self.get("v")?);
        Ok(match (u, v) {
            (Some(u), Some(v)) => Some(Start::new(&u, &v)),
            (Some(u), None) => Some(Start::new(&u, &u)),
            _ => None,
        })
    }

    /// The settings of the iteration; no rounds of estimation mean one round with λ and σ fixed.
    pub(crate) fn settings<'a>(&self, estimator: &'a Notebook) -> Result<Settings<'a>, String> {
        let rounds = self.count_of("rounds")?;
        Ok(Settings {
            noise: Noise { lambda: self.get("lambda")?, sigma: self.get("sigma")? },
            estimator: (rounds > 0).then_some(estimator),
            rounds: rounds.max(1),
            iterations: self.count_of("maxiter")?,
            tolerance: self.get("tol")?,
            trace: self.get("trace")?,
        })
    }
}

/// What [`nmu_core::scan`] found.
pub(crate) fn scan_list(scan: &Scan) -> List {
    list!(
        missing = scan.missing as f64,
        nan = scan.nan as f64,
        infinite = scan.infinite as f64,
        negative = scan.negative as f64,
        max_abs = scan.max_abs,
        symmetric = scan.symmetric
    )
}

/// The name that R knows a status by.
fn status_name(status: Status) -> &'static str {
    match status {
        Status::Converged => "converged",
        Status::Maxiter => "maxiter",
        Status::Noise => "lambda",
        Status::Interrupted => "interrupted",
    }
}

fn log_likelihoods(trace: &[Trace], wanted: bool) -> Vec<f64> {
    trace.iter().filter(|_| wanted).map(|row| row.log_likelihood).collect()
}

/// NULL where there is nothing.
fn or_null<T: Into<Robj>>(value: Option<T>) -> Robj {
    value.map_or_else(|| ().into(), Into::into)
}

/// A fit of one factor.
pub(crate) fn em_list(fit: Fit, b: Option<RMatrix<f64>>, trace: bool) -> List {
    let Fit { factor: Factor { d, u, v }, noise, trace: rows, status, .. } = fit;
    list!(
        u = u,
        v = or_null(v),
        d = d,
        b = b,
        lambda = noise.lambda,
        sigma = noise.sigma,
        loglik = log_likelihoods(&rows, trace),
        iterations = rows.len() as i32,
        converged = status == Status::Converged,
        status = status_name(status)
    )
}

/// A fit of several factors.
pub(crate) fn deflation_list(fit: &Deflation, trace: bool) -> List {
    let Deflation { factors, steps } = fit;
    let numbers = |value: fn(&nmu_core::deflate::Step) -> f64| steps.iter().map(value).collect::<Vec<_>>();
    let d: Vec<f64> = factors.iter().map(|factor| factor.d).collect();
    let rows = || steps.iter().enumerate().flat_map(|(index, step)| step.trace.iter().map(move |row| (index, row)));
    let iterations = || steps.iter().flat_map(|step| 1..=step.trace.len() as i32);
    let (lambda, sigma) = (numbers(|step| step.noise.lambda), numbers(|step| step.noise.sigma));
    let loglik = numbers(|step| step.log_likelihood);
    list!(
        d = d.clone(),
        u = loadings(factors, |factor| &factor.u),
        v = factors.iter().any(|factor| factor.v.is_some()).then(|| loadings(factors, Factor::v)),
        lambda = lambda.last().copied(),
        sigma = sigma.last().copied(),
        loglik = loglik.last().copied(),
        path = list!(
            d = d,
            lambda = lambda,
            sigma = sigma,
            loglik = loglik,
            iterations = steps.iter().map(|step| step.trace.len() as i32).collect::<Vec<_>>(),
            status = steps.iter().map(|step| status_name(step.status)).collect::<Vec<_>>()
        ),
        trace = list!(
            factor = rows().filter(|_| trace).map(|(index, _)| index as i32 + 1).collect::<Vec<_>>(),
            iteration = iterations().filter(|_| trace).collect::<Vec<_>>(),
            loglik = rows().filter(|_| trace).map(|(_, row)| row.log_likelihood).collect::<Vec<_>>(),
            lambda = rows().filter(|_| trace).map(|(_, row)| row.noise.lambda).collect::<Vec<_>>(),
            sigma = rows().filter(|_| trace).map(|(_, row)| row.noise.sigma).collect::<Vec<_>>()
        )
    )
}

/// The loadings of all factors as the columns of a matrix.
fn loadings(factors: &[Factor], of: impl Fn(&Factor) -> &[f64]) -> RMatrix<f64> {
    let columns: Vec<&[f64]> = factors.iter().map(of).collect();
    RMatrix::new_matrix(columns.first().map_or(0, |column| column.len()), columns.len(), |row, column| {
        columns[column][row]
    })
}
