//! Between R objects and the core's terms: the only file that names R's types.

use extendr_api::prelude::*;
use nmu_core::certify::{self, Certificate, Certified};
use nmu_core::climb::{Climb, Rule};
use nmu_core::deflate::{Count, Deflation, Plan};
use nmu_core::em::{Fit, Settings};
use nmu_core::emg::Side;
use nmu_core::fit::{FactorFit, Refit, Status, Trace};
use nmu_core::noise::{Bounds, Moments, Noise, Notebook, Shares};
use nmu_core::parallel::Threads;
use nmu_core::project::{Projection, Stop};
use nmu_core::scan::{power_of_two_near, Scan};
use nmu_core::start::Start;
use nmu_core::storage::{Dense, Masked, Storage};
use nmu_core::uncertainty::StandardErrors;
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

/// R's extents are nonnegative.
fn extent(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}

/// Two vectors of equal length, element by element.
pub(crate) fn pair_lengths<'a>(x: &'a [f64], y: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    x.iter().copied().zip(y.iter().copied())
}

/// Logs as they are, or what they are logs of.
pub(crate) fn logs_or_values(logs: impl Iterator<Item = f64>, log: bool) -> Vec<f64> {
    logs.map(|value| if log { value } else { value.exp() }).collect()
}

/// The tail that R's `lower.tail` means.
pub(crate) fn tail(lower: bool) -> Side {
    if lower {
        Side::Lower
    } else {
        Side::Upper
    }
}

/// A seed of 64 bits, from the upper and the lower 32 of them, which R's doubles can hold.
pub(crate) fn seed(high: f64, low: f64) -> u64 {
    (high as u64) << 32 | low as u64
}

/// A vector of `count` times `length` values, which R is asked for before anything else.
pub(crate) fn fill<I>(length: usize, count: i32, values: impl FnOnce(usize) -> I) -> Doubles
where
    I: Iterator<Item = f64>,
{
    let count = extent(count);
    let mut filled = Doubles::new(length * count);
    for (slot, value) in filled.iter_mut().zip(values(count)) {
        *slot = value.into();
    }
    filled
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

    pub(crate) fn flag(&self, name: &str) -> Result<bool, String> {
        self.get(name)
    }

    pub(crate) fn text(&self, name: &str) -> Result<String, String> {
        self.get(name)
    }

    /// The power of two that brings entries of the given root mean square near 1; 1 where they are all zero.
    pub(crate) fn scale(&self) -> Result<f64, String> {
        let rms: f64 = self.get("rms")?;
        Ok(if rms > 0.0 { 1.0 / power_of_two_near(rms) } else { 1.0 })
    }

    /// The settings of a climb of the likelihood, in units in which entries are multiplied by `scale`.
    pub(crate) fn climb(&self, scale: f64) -> Result<Climb<'static>, String> {
        let rule = match self.text("rule")?.as_str() {
            "mle" => Rule::Likelihood(self.shares()?, self.get("ladder")?),
            "moments" => Rule::Alternate(&Moments, self.shares()?),
            "fixed" => Rule::Fixed(self.noise(scale)?),
            other => return Err(format!("there is no rule {other}")),
        };
        Ok(Climb { rule, tolerance: self.get("tol")?, iterations: self.count_of("maxiter")? })
    }

    /// λ and σ, in units in which entries are multiplied by `scale`.
    pub(crate) fn noise(&self, scale: f64) -> Result<Noise, String> {
        Ok(Noise { lambda: self.get::<f64>("lambda")? / scale, sigma: self.get::<f64>("sigma")? * scale })
    }

    /// The loadings of the columns alone.
    pub(crate) fn columns(&self, ncol: usize) -> Result<Vec<Vec<f64>>, String> {
        let v: Vec<f64> = self.get("v")?;
        Ok(v.chunks_exact(ncol).map(<[f64]>::to_vec).collect())
    }

    /// When a climb stops.
    pub(crate) fn stop(&self) -> Result<Stop, String> {
        Ok(Stop { tolerance: self.get("tol")?, iterations: self.count_of("maxiter")? })
    }

    fn shares(&self) -> Result<Shares, String> {
        Ok(Shares { floor: self.get("floor")?, cap: self.get("cap")? })
    }

    pub(crate) fn threads(&self) -> Result<Threads, String> {
        self.count_of("threads").map(Threads::new)
    }

    /// The settings of a certified underapproximation.
    pub(crate) fn certify(&self) -> Result<certify::Settings, String> {
        let settings = certify::Settings::new(self.count_of("K")?);
        Ok(if self.flag("refine")? { settings } else { certify::Settings { rounds: 0, exchanges: 0, ..settings } })
    }

    /// What to look for and what is known, in units in which entries are multiplied by `scale`.
    pub(crate) fn plan(&self, scale: f64) -> Result<Plan, String> {
        let count = self.count_of("K")?;
        let starts = self.factors("starts", scale)?;
        Ok(Plan {
            fixed: self.factors("fixed", scale)?,
            kept: self.factors("kept", scale)?,
            starts: starts.iter().map(|start| Start::new(&start.u, start.v())).collect(),
            count: if self.flag("choose")? { Count::AtMost(count) } else { Count::Exactly(count) },
            refine: self.flag("refine")?,
        })
    }

    /// Factors as R has them: `NULL`, or a list of `d`, `u` and `v`, matrices with a column a factor; `v` is `NULL` where
    /// the matrix is symmetric.
    pub(crate) fn factors(&self, name: &str, scale: f64) -> Result<Vec<Factor>, String> {
        let value = self.0.dollar(name).map_err(|_| format!("option {name} is missing"))?;
        if value.is_null() {
            return Ok(Vec::new());
        }
        let list = Self(List::try_from(value).map_err(|_| format!("option {name} is not a list"))?);
        let d: Vec<f64> = list.get("d")?;
        let (u, v): (RMatrix<f64>, Option<RMatrix<f64>>) = (list.get("u")?, list.get("v")?);
        let column = |matrix: &RMatrix<f64>, index: usize| -> Vec<f64> {
            matrix.data().iter().skip(index * matrix.nrows()).take(matrix.nrows()).copied().collect()
        };
        let factor = |(index, d): (usize, &f64)| Factor {
            d: d * scale,
            u: column(&u, index),
            v: v.as_ref().map(|v| column(v, index)),
        };
        Ok(d.iter().enumerate().map(factor).collect())
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
        rms = scan.rms,
        symmetric = scan.symmetric
    )
}

/// The name that R knows a status by.
fn status_name(status: Status) -> &'static str {
    match status {
        Status::Converged => "converged",
        Status::Maxiter => "maxiter",
        Status::Stalled => "stalled",
        Status::Null => "null",
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

/// Which bound λ or σ ended at.
fn bound_name(bounds: Option<Bounds>, noise: Noise) -> &'static str {
    match bounds {
        Some(bounds) if bounds.lambda_active(noise) => "lambda",
        Some(bounds) if bounds.sigma_active(noise) => "sigma",
        _ => "none",
    }
}

/// A fit of several factors, in the units of the matrix, whose entries the core saw multiplied by `scale`.
pub(crate) fn deflation_list(found: &Deflation, scale: f64) -> List {
    let fits = &found.fits;
    let new: Vec<&Factor> = fits.iter().map(|fit| &fit.factor).collect();
    let fixed: Vec<&Factor> = found.fixed.iter().collect();
    let of_fits = |value: &dyn Fn(&FactorFit) -> f64| fits.iter().map(value).collect::<Vec<f64>>();
    let names = |name: fn(&FactorFit) -> &'static str| fits.iter().map(name).collect::<Vec<_>>();
    // The density of an entry is that of the scaled entry times the scale.
    let unit = scale.ln();
    let errors = |index: usize| of_fits(&|fit| fit.slopes.map_or(f64::NAN, |slopes| slopes.standard_errors()[index]));
    let rows = fits.iter().enumerate().flat_map(|(factor, fit)| fit.trace.iter().map(move |row| (factor, row)));
    let rows: Vec<(usize, &Trace)> = rows.collect();
    list!(
        fixed = factor_list(&fixed, scale),
        new = factor_list(&new, scale),
        nobs = fits.last().map_or(0.0, |fit| fit.count),
        path = list!(
            d = of_fits(&|fit| fit.factor.d / scale),
            lambda = of_fits(&|fit| fit.noise.lambda * scale),
            sigma = of_fits(&|fit| fit.noise.sigma / scale),
            loglik = of_fits(&|fit| fit.log_likelihood + fit.count * unit),
            iterations = fits.iter().map(|fit| fit.trace.len() as i32).collect::<Vec<_>>(),
            status = names(|fit| status_name(fit.status)),
            bound = names(|fit| bound_name(fit.bounds, fit.noise)),
            rung = of_fits(&|fit| fit.rung.unwrap_or(f64::NAN)),
            se_log_lambda = errors(0),
            se_log_sigma = errors(1)
        ),
        trace = list!(
            factor = rows.iter().map(|(factor, _)| *factor as i32 + 1).collect::<Vec<_>>(),
            trace = trace_list(rows.iter().map(|(_, row)| *row), fits.last().map_or(0.0, |fit| fit.count), scale)
        ),
        refit = or_null(found.refit.as_ref().map(|refit| refit_list(refit, scale))),
        candidates = list!(
            path = found.candidates.iter().map(|row| row.path).collect::<Vec<_>>(),
            path_flatness = found.candidates.iter().map(|row| row.path_flatness).collect::<Vec<_>>(),
            joint = found.candidates.iter().map(|row| row.joint).collect::<Vec<_>>(),
            joint_flatness = found.candidates.iter().map(|row| row.joint_flatness).collect::<Vec<_>>()
        )
    )
}

/// All factors, refitted.
fn refit_list(refit: &Refit, scale: f64) -> List {
    let factors: Vec<&Factor> = refit.factors.iter().collect();
    let [se_log_lambda, se_log_sigma] = refit.slopes.standard_errors();
    list!(
        factors = factor_list(&factors, scale),
        lambda = refit.noise.lambda * scale,
        sigma = refit.noise.sigma / scale,
        loglik = refit.log_likelihood + refit.count * scale.ln(),
        status = status_name(refit.status),
        settled = refit.settled,
        bound = bound_name(refit.bounds, refit.noise),
        se_log_lambda = se_log_lambda,
        se_log_sigma = se_log_sigma,
        trace = trace_list(refit.trace.iter(), refit.count, scale)
    )
}

/// A certified underapproximation, and λ and σ of what it leaves.
pub(crate) fn certified_list(found: &[Certified], model: &Refit, scale: f64) -> List {
    list!(
        model = refit_list(model, scale),
        nobs = model.count,
        error = found.iter().map(|certified| certified.error).collect::<Vec<_>>(),
        iterations = found.iter().map(|certified| certified.iterations as i32).collect::<Vec<_>>(),
        status = found.iter().map(|certified| status_name(certified.status)).collect::<Vec<_>>()
    )
}

/// How factors compare with the matrix.
pub(crate) fn certificate_list(certificate: &Certificate) -> List {
    list!(
        largest_violation = certificate.largest_violation,
        violated = certificate.violated,
        checked = certificate.checked,
        share = certificate.share,
        negative = certificate.negative,
        error = certificate.error
    )
}

/// Factors as R has them.
fn factor_list(factors: &[&Factor], scale: f64) -> List {
    list!(
        d = factors.iter().map(|factor| factor.d / scale).collect::<Vec<_>>(),
        u = loadings(factors, |factor| Some(&factor.u)),
        v = loadings(factors, |factor| factor.v.as_deref())
    )
}

fn trace_list<'a>(rows: impl Iterator<Item = &'a Trace>, count: f64, scale: f64) -> List {
    let rows: Vec<&Trace> = rows.collect();
    let of_rows = |value: &dyn Fn(&Trace) -> f64| rows.iter().map(|row| value(row)).collect::<Vec<f64>>();
    list!(
        stage = rows.iter().map(|row| row.stage as i32).collect::<Vec<_>>(),
        loglik = of_rows(&|row| row.log_likelihood + count * scale.ln()),
        lambda = of_rows(&|row| row.noise.lambda * scale),
        sigma = of_rows(&|row| row.noise.sigma / scale)
    )
}

/// Loadings of new rows, each a column, in the units of the matrix, whose entries the core saw multiplied by `scale`.
pub(crate) fn projection_list(rows: &[Projection], scale: f64) -> List {
    let unscaled: Vec<Vec<f64>> = rows.iter().map(|row| row.loadings.iter().map(|x| x / scale).collect()).collect();
    list!(
        loadings = loadings(&unscaled, |row| Some(row)),
        status = rows.iter().map(|row| status_name(row.status)).collect::<Vec<_>>()
    )
}

/// Standard errors, in the units of the matrix, whose entries the core saw multiplied by `scale`.
pub(crate) fn errors_list(errors: &[StandardErrors], scale: f64) -> List {
    list!(
        d = errors.iter().map(|errors| errors.d / scale).collect::<Vec<f64>>(),
        u = loadings(errors, |errors| Some(&errors.u)),
        v = loadings(errors, |errors| errors.v.as_deref())
    )
}

/// A vector for each factor, as the columns of a matrix; NULL where there are none.
fn loadings<T>(factors: &[T], of: impl Fn(&T) -> Option<&[f64]>) -> Robj {
    let columns: Vec<&[f64]> = factors.iter().filter_map(of).collect();
    let matrix = |first: &&[f64]| RMatrix::new_matrix(first.len(), columns.len(), |row, column| columns[column][row]);
    or_null(columns.first().map(matrix))
}
