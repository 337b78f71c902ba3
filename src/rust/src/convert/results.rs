//! Results of the core as lists of R, in the units of R.

use super::prior::posteriors_list;
use super::Units;
use extendr_api::prelude::*;
use nmu_core::deflation::Deflation;
use nmu_core::em::NotebookFit;
use nmu_core::factor::Factor;
use nmu_core::fit::{FactorFit, ModelFit};
use nmu_core::fitter::Underapproximation;
use nmu_core::init::Origin;
use nmu_core::noise::{Bounds, ResidualParams};
use nmu_core::predict::RowPrediction;
use nmu_core::remainder_prior::RemainderPrior;
use nmu_core::selection::Candidate;
use nmu_core::standard_errors::StandardErrors;
use nmu_core::storage::principal_components::Eigenpairs;
use nmu_core::storage::summary::Summary;
use nmu_core::trace::{Status, Trace};
use nmu_core::underapprox::Certificate;
use nmu_core::vector::Contiguous;

/// A summary of the entries of a matrix.
pub(crate) fn summary_list(summary: &Summary) -> List {
    list!(
        missing = summary.missing as f64,
        nan = summary.nan as f64,
        infinite = summary.infinite as f64,
        negative = summary.negative as f64,
        zeros = summary.zeros as f64,
        max_abs = summary.max_abs,
        largest = summary.largest,
        rms = summary.rms,
        symmetric = summary.symmetric
    )
}

/// Eigenpairs, with a column for each vector.
pub(crate) fn eigenpairs_list(pairs: &Eigenpairs) -> List {
    let vectors = &pairs.vectors;
    let matrix = RMatrix::new_matrix(vectors.nrows(), vectors.ncols(), |row, column| vectors[(row, column)]);
    list!(values = pairs.values.as_slice(), vectors = matrix)
}

/// R's name of a status.
fn status_name(status: Status) -> &'static str {
    match status {
        Status::Converged => "converged",
        Status::Maxiter => "maxiter",
        Status::Stalled => "stalled",
        Status::Null => "null",
        Status::NoEstimate => "lambda",
        Status::Interrupted => "interrupted",
    }
}

/// R's name of a status, which an interrupt overrides.
fn status_unless(interrupted: bool, status: Status) -> &'static str {
    status_name(if interrupted { Status::Interrupted } else { status })
}

/// `NULL` for `None`.
fn or_null<T: Into<Robj>>(value: Option<T>) -> Robj {
    value.map_or_else(|| NULL.into(), Into::into)
}

/// A fit by the notebook's iteration. The log-likelihoods are there if the trace is wanted.
pub(crate) fn em_list(fit: NotebookFit, b: Option<RMatrix<f64>>, trace: bool, interrupted: bool) -> List {
    let NotebookFit { factor, params, trace: rows, status, .. } = fit;
    let logliks: Vec<f64> = rows.iter().filter(|_| trace).map(|row| row.log_likelihood).collect();
    list!(
        u = factor.u(),
        v = or_null(factor.v.as_ref().map(Contiguous::as_slice)),
        d = factor.d,
        b = b,
        lambda = params.lambda,
        sigma = params.sigma,
        loglik = logliks,
        iterations = rows.len() as i32,
        converged = status == Status::Converged && !interrupted,
        status = status_unless(interrupted, status)
    )
}

/// The bounds that are active: of λ, of σ, of both, or none.
fn bound_name(bounds: Option<Bounds>, params: ResidualParams) -> &'static str {
    let active = bounds.map(|bounds| (bounds.lambda_active(params), bounds.sigma_active(params)));
    match active {
        Some((true, true)) => "both",
        Some((true, false)) => "lambda",
        Some((false, true)) => "sigma",
        _ => "none",
    }
}

/// A fit of several factors.
pub(crate) fn deflation_list(deflation: &Deflation, units: Units, interrupted: bool) -> Result<List, String> {
    let fits = &deflation.fits;
    let fixed: Vec<&Factor> = deflation.fixed.iter().collect();
    let new: Vec<&Factor> = fits.iter().map(FactorFit::factor).collect();
    let posteriors: Vec<_> = fits.iter().map(|fit| fit.model.posteriors.first()).collect();
    let count = fits.last().map_or(0.0, |fit| fit.model.count);
    let refit = deflation.refit.as_ref().map(|refit| model_list(&refit.model, units)).transpose()?;
    Ok(list!(
        fixed = factor_list(&fixed, units),
        new = factor_list(&new, units),
        posteriors = posteriors_list(&posteriors, units)?,
        nobs = count,
        path = path_list(deflation, count, units),
        noise_sd = List::from_values(fits.iter().map(|fit| or_null(fit.model.noise_sd.clone()))),
        b_priors = List::from_values(fits.iter().map(|fit| remainder_prior_list(
            &fit.model.remainder_prior,
            fit.model.params,
            units
        ))),
        trace = path_trace_list(fits, count, units),
        refit = or_null(refit),
        interrupted = interrupted || deflation.interrupted,
        candidates = candidates_list(&deflation.candidates, count, units)
    ))
}

/// The values after each factor of a path.
fn path_list(deflation: &Deflation, count: f64, units: Units) -> List {
    let fits = &deflation.fits;
    let numbers = |value: &dyn Fn(&FactorFit) -> f64| fits.iter().map(value).collect::<Vec<f64>>();
    let names = |name: fn(&FactorFit) -> &'static str| fits.iter().map(name).collect::<Vec<_>>();
    let standard_errors = |index: usize| {
        numbers(&|fit| fit.model.derivatives.map_or(f64::NAN, |derivatives| derivatives.standard_errors()[index]))
    };
    list!(
        d = numbers(&|fit| units.weight(fit.factor().d)),
        lambda = numbers(&|fit| units.lambda(fit.model.params)),
        sigma = numbers(&|fit| units.sigma(fit.model.params)),
        loglik = numbers(&|fit| units.log_likelihood(fit.model.log_likelihood, fit.model.count)),
        elbo = deflation.elbos().iter().map(|&elbo| units.log_likelihood(elbo, count)).collect::<Vec<_>>(),
        iterations = fits.iter().map(|fit| fit.model.trace.len() as i32).collect::<Vec<_>>(),
        status = names(|fit| status_name(fit.model.status)),
        bound = names(|fit| bound_name(fit.model.bounds, fit.model.params)),
        ratio_floor = numbers(&|fit| fit.ratio_floor.unwrap_or(f64::NAN)),
        se_log_lambda = standard_errors(0),
        se_log_sigma = standard_errors(1)
    )
}

/// The fits that were compared.
fn candidates_list(candidates: &[Candidate], count: f64, units: Units) -> List {
    let numbers = |value: &dyn Fn(&Candidate) -> f64| candidates.iter().map(value).collect::<Vec<f64>>();
    list!(
        K = candidates.iter().map(|row| row.factors as i32).collect::<Vec<_>>(),
        start = candidates.iter().map(|row| origin_name(row.start)).collect::<Vec<_>>(),
        objective = numbers(&|row| units.log_likelihood(row.objective, count)),
        criterion = numbers(&|row| row.criterion),
        status = candidates.iter().map(|row| status_name(row.status)).collect::<Vec<_>>(),
        kept = candidates.iter().map(|row| row.kept).collect::<Vec<_>>()
    )
}

/// R's name of a start; a row or a column with its number.
fn origin_name(origin: Origin) -> String {
    match origin {
        Origin::Path => "path".into(),
        Origin::Given => "init".into(),
        Origin::LeadingPair => "leading pair".into(),
        Origin::OppositeSign => "leading pair, other sign".into(),
        Origin::Excess => "excess".into(),
        Origin::Null => "null factor".into(),
        Origin::Exchange => "exchange".into(),
        Origin::Row(index) => format!("row {}", index + 1),
        Origin::Column(index) => format!("column {}", index + 1),
    }
}

/// The prior of the remainder: weights and means of its components.
fn remainder_prior_list(prior: &RemainderPrior, params: ResidualParams, units: Units) -> List {
    let (weights, means): (Vec<f64>, Vec<f64>) = prior.components().into_iter().unzip();
    let means: Vec<f64> = means.iter().map(|&mean| units.remainder_mean(mean, params)).collect();
    list!(weight = weights, mean = means)
}

/// A model: its factors, parameters of the residual and objective.
fn model_list(model: &ModelFit, units: Units) -> Result<List, String> {
    let factors: Vec<&Factor> = model.factors.iter().collect();
    let posteriors: Vec<_> = model.posteriors.iter().map(Some).collect();
    let [se_log_lambda, se_log_sigma] =
        model.derivatives.map_or([f64::NAN; 2], |derivatives| derivatives.standard_errors());
    Ok(list!(
        factors = factor_list(&factors, units),
        lambda = units.lambda(model.params),
        sigma = units.sigma(model.params),
        b_prior = remainder_prior_list(&model.remainder_prior, model.params, units),
        noise_sd = or_null(model.noise_sd.clone()),
        loglik = units.log_likelihood(model.log_likelihood, model.count),
        elbo = units.log_likelihood(model.elbo(), model.count),
        posteriors = posteriors_list(&posteriors, units)?,
        status = status_name(model.status),
        bound = bound_name(model.bounds, model.params),
        se_log_lambda = se_log_lambda,
        se_log_sigma = se_log_sigma,
        trace = trace_list(model.trace.iter(), model.count, units)
    ))
}

/// A certified underapproximation; `model` has λ and σ of its residual, `NULL` if the fit was interrupted before.
pub(crate) fn certified_list(
    underapproximation: &Underapproximation,
    units: Units,
    interrupted: bool,
) -> Result<List, String> {
    let Underapproximation { factors: certified, model, count } = underapproximation;
    let factors: Vec<&Factor> = certified.iter().map(|certified| &certified.factor).collect();
    let model = model.as_ref().map(|model| model_list(model, units)).transpose()?;
    Ok(list!(
        factors = factor_list(&factors, units),
        model = or_null(model),
        nobs = *count,
        interrupted = interrupted,
        error = certified.iter().map(|certified| certified.error).collect::<Vec<_>>(),
        iterations = certified.iter().map(|certified| certified.iterations as i32).collect::<Vec<_>>(),
        status = certified.iter().map(|certified| status_name(certified.status)).collect::<Vec<_>>()
    ))
}

/// A comparison of factors with the matrix.
pub(crate) fn certificate_list(certificate: &Certificate) -> List {
    list!(
        largest_violation = certificate.largest_violation,
        violated = certificate.violated,
        checked = certificate.checked,
        share = certificate.share,
        negative = certificate.negative,
        error = certificate.error,
        explained = certificate.explained
    )
}

/// Factors as R has them: `d`, and matrices `u` and `v` with a column for each factor.
fn factor_list(factors: &[&Factor], units: Units) -> List {
    list!(
        d = factors.iter().map(|factor| units.weight(factor.d)).collect::<Vec<_>>(),
        u = matrix_of(factors, |factor| Some(factor.u())),
        v = matrix_of(factors, |factor| factor.v.as_ref().map(Contiguous::as_slice))
    )
}

/// The traces of all factors of a path, one after another.
fn path_trace_list(fits: &[FactorFit], count: f64, units: Units) -> List {
    let factors =
        fits.iter().enumerate().flat_map(|(index, fit)| fit.model.trace.iter().map(move |_| index as i32 + 1));
    list!(
        factor = factors.collect::<Vec<_>>(),
        trace = trace_list(fits.iter().flat_map(|fit| &fit.model.trace), count, units)
    )
}

fn trace_list<'a>(rows: impl Iterator<Item = &'a Trace>, count: f64, units: Units) -> List {
    let rows: Vec<&Trace> = rows.collect();
    let numbers = |value: &dyn Fn(&Trace) -> f64| rows.iter().map(|row| value(row)).collect::<Vec<f64>>();
    list!(
        stage = rows.iter().map(|row| row.stage as i32).collect::<Vec<_>>(),
        loglik = numbers(&|row| units.log_likelihood(row.log_likelihood, count)),
        elbo = numbers(&|row| units.log_likelihood(row.elbo, count)),
        lambda = numbers(&|row| units.lambda(row.params)),
        sigma = numbers(&|row| units.sigma(row.params))
    )
}

/// Loadings `d u` of new rows, each a column.
pub(crate) fn prediction_list(rows: &[RowPrediction], units: Units, interrupted: bool) -> List {
    let in_units_of_r = |row: &RowPrediction| row.loadings.iter().map(|&loading| units.weight(loading)).collect();
    let loadings: Vec<Vec<f64>> = rows.iter().map(in_units_of_r).collect();
    list!(
        loadings = matrix_of(&loadings, |row| Some(row)),
        status = rows.iter().map(|row| status_unless(interrupted, row.status)).collect::<Vec<_>>()
    )
}

/// Standard errors of weights and of loadings.
pub(crate) fn standard_errors_list(errors: &[StandardErrors], units: Units) -> List {
    list!(
        d = errors.iter().map(|errors| units.weight(errors.d)).collect::<Vec<f64>>(),
        u = matrix_of(errors, |errors| Some(errors.u.as_slice())),
        v = matrix_of(errors, |errors| errors.v.as_ref().map(Contiguous::as_slice))
    )
}

/// A matrix with a column for each item that has a vector; `NULL` if none has.
fn matrix_of<T>(items: &[T], vector: impl Fn(&T) -> Option<&[f64]>) -> Robj {
    let columns: Vec<&[f64]> = items.iter().filter_map(vector).collect();
    let matrix = |first: &&[f64]| RMatrix::new_matrix(first.len(), columns.len(), |row, column| columns[column][row]);
    or_null(columns.first().map(matrix))
}
