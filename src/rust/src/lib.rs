//! The functions that R calls. Each converts its arguments, calls the core, and converts the result.
//!
//! The glue makes no decision of its own. Errors come back to R as `list(ok, err)`, and R raises them. Both elements are
//! `NULL` if the user interrupted the call before there was a result.

mod call;
mod convert;
mod monitor;
mod stop;

use call::{call_core, fill};
use convert::{
    certificate_list, certified_list, deflation_list, eigenpairs_list, em_list, log_or_value, message,
    normal_means_list, pairs, prediction_list, seed, size, standard_errors_list, summary_list, tail, write_posteriors,
    Columns, Matrix, Options, Units,
};
use extendr_api::prelude::*;
use monitor::FitMonitor;
use nmu_core::deflation::{check_memory, deflate};
use nmu_core::distributions::{emg, truncated_normal};
use nmu_core::faer::MatMut;
use nmu_core::noise::ResidualParams;
use nmu_core::pass::{log_likelihood, serve_request};
use nmu_core::predict::{predict, NewRows};
use nmu_core::prior::Observations;
use nmu_core::residual::{Problem, ResidualView};
use nmu_core::runtime::cancel::{catch_cancellation, checked};
use nmu_core::runtime::parallel::Threads;
use nmu_core::standard_errors::standard_errors;
use nmu_core::storage::principal_components::leading_eigenpairs;
use nmu_core::{em, posterior_mean, underapprox};
use stop::{was_interrupted, OnInterrupt};

/// Summarises a matrix: missing, infinite and negative entries, largest absolute value, root mean square, symmetry.
/// @noRd
#[extendr]
fn core_scan(a: Robj) -> Result<Robj, String> {
    call_core(OnInterrupt::End, || {
        let a = Matrix::new(a)?;
        Ok(summary_list(&a.summary()?))
    })
}

/// Fits one factor by the notebook's iteration.
/// @noRd
#[extendr]
fn core_em(a: Robj, options: List) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    // Allocated first: R jumps out of a failed allocation, and no Rust value is lost here.
    let b = options.flag("keep_b")?.then(|| RMatrix::<f64>::new(a.nrow, a.ncol));
    call_core(OnInterrupt::ReturnPartial, || {
        let storage = a.complete_storage(&options)?;
        let view = ResidualView::new(storage.as_ref(), &[], options.flag("symmetric")?);
        check_memory(&view, 1).map_err(message)?;
        let (threads, notebook) = (a.threads(&options)?, a.notebook());
        let settings = options.notebook_em(&notebook)?;
        let monitor = FitMonitor::new(Units::OF_R, options.progress()?);
        let fit = em::iterate(&view, options.initial_loadings()?, &settings, threads, &mut monitor.callback());
        let write = |mut b: RMatrix<f64>| {
            let entries = MatMut::from_column_major_slice_mut(b.data_mut(), a.nrow, a.ncol);
            posterior_mean::posterior_mean(&view, &fit.b.factor, fit.b.params, entries, threads);
            b
        };
        // An interrupted fit is returned without `b` if there is no time left to compute it.
        let b = b.and_then(|b| catch_cancellation(|| write(b)));
        Ok(em_list(fit, b, settings.trace, was_interrupted()))
    })
}

/// Fits factors one after another, and all of them together in the end.
/// @noRd
#[extendr]
fn core_deflate(a: Robj, options: List) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    call_core(OnInterrupt::ReturnPartial, || {
        let storage = a.storage(&options)?;
        let (threads, units, notebook) = (a.threads(&options)?, options.units()?, a.notebook());
        let problem = options.problem(storage.as_ref(), units)?;
        let rows = options.priors("prior", units.of_loadings())?;
        let columns = options.priors("prior_v", units.of_loadings())?;
        let fitter = options.fitter(units, &notebook, rows.stages_with(&columns)?)?;
        let plan = options.plan(units)?;
        check_memory(&problem.view(&[]), plan.min_factors()).map_err(message)?;
        let monitor = FitMonitor::new(units, options.progress()?);
        let deflation = deflate(&problem, plan, fitter.as_ref(), threads, &mut monitor.callback());
        deflation_list(&deflation, units, was_interrupted())
    })
}

/// Answers a request of the core, in a worker process, on some tiles of a matrix: a vector for each tile from `first` to
/// `last`, counted from 1.
/// @noRd
#[extendr]
fn core_serve_request(a: Robj, options: List, request: &[f64], first: i32, last: i32) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    call_core(OnInterrupt::End, || {
        let storage = a.storage(&options)?;
        let tiles = size(first - 1)?..size(last)?;
        let replies = serve_request(storage.as_ref(), request, tiles).map_err(message)?;
        Ok(List::from_values(replies))
    })
}

/// Fits factors whose sum exceeds no entry of the matrix, then lambda and sigma of the residual.
/// @noRd
#[extendr]
fn core_underapproximate(a: Robj, options: List) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    call_core(OnInterrupt::ReturnPartial, || {
        let storage = a.storage(&options)?;
        let (threads, units) = (a.threads(&options)?, options.units()?);
        let problem = options.problem(storage.as_ref(), units)?;
        let settings = options.underapprox_settings()?;
        let fitter = options.model_fitter(units)?;
        check_memory(&problem.view(&[]), settings.max_factors).map_err(message)?;
        let monitor = FitMonitor::new(units, options.progress()?);
        let certified = fitter.underapproximate(&problem, &settings, threads, &mut monitor.callback());
        certified_list(&certified.map_err(message)?, units, was_interrupted())
    })
}

/// Compares the sum of factors with the matrix, entry by entry.
/// @noRd
#[extendr]
fn core_certificate(a: Robj, options: List) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    call_core(OnInterrupt::End, || {
        let storage = a.storage(&options)?;
        let problem = options.problem(storage.as_ref(), Units::OF_R)?;
        let factors = options.factors("factors", Units::OF_R)?;
        Ok(certificate_list(&underapprox::certificate(&problem, &factors, a.threads(&options)?)))
    })
}

/// Calls the core with the matrix as a problem in the units of the core.
fn call_with_problem<T: Into<Robj>>(
    a: Robj,
    options: List,
    compute: impl FnOnce(&Problem, &Options, Units, Threads) -> Result<T, String>,
) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    call_core(OnInterrupt::End, || {
        let storage = a.storage(&options)?;
        let (units, threads) = (options.units()?, a.threads(&options)?);
        compute(&options.problem(storage.as_ref(), units)?, &options, units, threads)
    })
}

/// Computes the shares of the squared norm of the matrix that its best approximations of rank 1, 2, ... K explain.
/// @noRd
#[extendr]
fn core_best_rank_shares(a: Robj, options: List) -> Result<Robj, String> {
    call_with_problem(a, options, |problem, options, _, threads| {
        Ok(underapprox::best_rank_shares(problem, options.count()?, threads))
    })
}

/// Computes leading eigenvalues and eigenvectors of a Gram matrix.
/// @noRd
#[extendr]
fn core_leading_eigenpairs(a: Robj, options: List) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    call_core(OnInterrupt::End, || {
        let pairs = leading_eigenpairs(&a.gram()?, options.count()?, options.threads()?);
        Ok(eigenpairs_list(&pairs.ok_or("the eigendecomposition of a small matrix has failed")?))
    })
}

/// Computes the loadings of new rows, which are the columns of `a`, on the factors of a fit.
/// @noRd
#[extendr]
fn core_predict(a: Robj, options: List) -> Result<Robj, String> {
    let a = Matrix::new(a)?;
    let options = Options::new(options);
    call_core(OnInterrupt::ReturnPartial, || {
        let units = options.units()?;
        let (scale, remainder_prior) = (units.scale(), options.remainder_prior()?);
        let rows = NewRows { entries: a.entries()?, scale, largest_entry: options.largest_entry()?, remainder_prior };
        let (v, params) = (options.column_loadings(a.nrow)?, options.params(units)?);
        let monitor = FitMonitor::new(units, options.progress()?);
        let predictions = predict(rows, v.as_ref(), params, options.stop_rule()?, &mut monitor.callback());
        Ok(prediction_list(&predictions.map_err(message)?, units, was_interrupted()))
    })
}

/// Computes standard errors of weights and loadings.
/// @noRd
#[extendr]
fn core_standard_errors(a: Robj, options: List) -> Result<Robj, String> {
    call_with_problem(a, options, |problem, options, units, threads| {
        let factors = options.factors("factors", units)?;
        check_memory(&problem.view(&[]), factors.len()).map_err(message)?;
        let evaluate = |view: &ResidualView, params| standard_errors(view, &factors, params, threads);
        let errors = options.with_residual(problem, &[], units, evaluate)?;
        Ok(standard_errors_list(&errors, units))
    })
}

/// Computes the log-likelihood of the matrix under a fit.
/// @noRd
#[extendr]
fn core_log_likelihood(a: Robj, options: List) -> Result<Robj, String> {
    call_with_problem(a, options, |problem, options, units, threads| {
        let factors = options.factors("factors", units)?;
        let evaluate = |view: &ResidualView, params| log_likelihood(view, params, threads);
        let (value, count) = options.with_residual(problem, &factors, units, evaluate)?;
        Ok(units.log_likelihood(value, count))
    })
}

/// Solves a normal-means problem: hyperparameters of the prior and the posterior of each observation. Observations are
/// in the units of the core, as in a fit: those of the prior times `unit`.
/// @noRd
#[extendr]
fn core_normal_means(x: &[f64], s: &[f64], options: List) -> Result<Robj, String> {
    let mut columns = Columns::new(x.len());
    call_core(OnInterrupt::End, || {
        let observations = Observations::new(x, s).map_err(message)?;
        let options = Options::new(options);
        let units = options.loading_units()?;
        let priors = options.priors("prior", units)?;
        let prior = priors.only()?.estimate(&observations);
        write_posteriors(prior.as_ref(), x, s, &mut columns)?;
        normal_means_list(prior.as_ref(), columns, units)
    })
}

/// Computes moments of normals truncated to the positive half line.
/// @noRd
#[extendr]
fn core_truncnorm_moments(mean: &[f64], sd: &[f64]) -> Result<Robj, String> {
    let mut columns = Columns::new(mean.len());
    call_core(OnInterrupt::End, || {
        let moments = pairs(mean, sd).map(|(mean, sd)| truncated_normal::moments(mean, sd));
        columns.write(checked(moments).map(|moments| [moments.mean, moments.variance, moments.log_mass]));
        let [means, variances, log_masses] = columns.into_vectors()?;
        Ok(list!(mean = means, var = variances, log_mass = log_masses))
    })
}

/// Draws from normals of variance 1 truncated to the positive half line: `count` rounds of one for each of `z`.
/// @noRd
#[extendr]
fn core_truncnorm_draws(z: &[f64], count: i32, high: f64, low: f64) -> Result<Robj, String> {
    let count = size(count)?;
    fill(z.len() * count, || checked(truncated_normal::draws(z, count, seed(high, low))))
}

/// Computes the density of the exponentially modified Gaussian.
/// @noRd
#[extendr]
fn core_demg(x: &[f64], lambda: &[f64], sigma: &[f64], log: bool) -> Result<Robj, String> {
    fill(x.len(), || {
        let params = pairs(lambda, sigma).zip(x);
        let logs = params.map(|((lambda, sigma), &x)| emg::log_density(x, ResidualParams { lambda, sigma }));
        checked(logs.map(move |value| log_or_value(value, log)))
    })
}

/// Computes probabilities of the exponentially modified Gaussian.
/// @noRd
#[extendr]
fn core_pemg(q: &[f64], lambda: &[f64], sigma: &[f64], lower: bool, log: bool) -> Result<Robj, String> {
    let side = tail(lower);
    fill(q.len(), || {
        let params = pairs(lambda, sigma).zip(q);
        let logs =
            params.map(move |((lambda, sigma), &q)| emg::log_probability(q, ResidualParams { lambda, sigma }, side));
        checked(logs.map(move |value| log_or_value(value, log)))
    })
}

/// Computes quantiles of the exponentially modified Gaussian from logs of probabilities.
/// @noRd
#[extendr]
fn core_qemg(log_p: &[f64], lambda: &[f64], sigma: &[f64], lower: bool) -> Result<Robj, String> {
    let side = tail(lower);
    fill(log_p.len(), || {
        let params = pairs(lambda, sigma).zip(log_p);
        checked(
            params.map(move |((lambda, sigma), &log_p)| emg::quantile(log_p, ResidualParams { lambda, sigma }, side)),
        )
    })
}

extendr_module! {
    mod nmu;
    fn core_scan;
    fn core_em;
    fn core_deflate;
    fn core_serve_request;
    fn core_underapproximate;
    fn core_certificate;
    fn core_best_rank_shares;
    fn core_leading_eigenpairs;
    fn core_predict;
    fn core_standard_errors;
    fn core_log_likelihood;
    fn core_normal_means;
    fn core_truncnorm_moments;
    fn core_truncnorm_draws;
    fn core_demg;
    fn core_pemg;
    fn core_qemg;
}
