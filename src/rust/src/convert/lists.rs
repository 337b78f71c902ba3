//! What R is told.

use super::prior::posteriors_list;
use extendr_api::prelude::*;
use nmu_core::deflation::Deflation;
use nmu_core::em::Fit;
use nmu_core::factor::Factor;
use nmu_core::fit::{FactorFit, Refit};
use nmu_core::fitter::Underapproximation;
use nmu_core::noise::{Bounds, ResidualParams};
use nmu_core::predict::RowPrediction;
use nmu_core::remainder_prior::RemainderPrior;
use nmu_core::selection::Candidate;
use nmu_core::standard_errors::StandardErrors;
use nmu_core::storage::summary::Summary;
use nmu_core::trace::{Status, Trace};
use nmu_core::underapprox::Certificate;
use nmu_core::vector::Contiguous;

/// What [`nmu_core::storage::summary`] found.
pub(crate) fn scan_list(scan: &Summary) -> List {
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
        Status::Refused => "rejected",
        Status::Null => "null",
        Status::NoEstimate => "lambda",
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

/// The name of the status of what the user has interrupted, or has not.
fn status_unless(interrupted: bool, status: Status) -> &'static str {
    status_name(if interrupted { Status::Interrupted } else { status })
}

/// A fit of one factor.
pub(crate) fn em_list(fit: Fit, b: Option<RMatrix<f64>>, trace: bool, interrupted: bool) -> List {
    let Fit { factor, params, trace: rows, status, .. } = fit;
    list!(
        u = factor.u(),
        v = or_null(factor.v.as_ref().map(Contiguous::as_slice)),
        d = factor.d,
        b = b,
        lambda = params.lambda,
        sigma = params.sigma,
        loglik = log_likelihoods(&rows, trace),
        iterations = rows.len() as i32,
        converged = status == Status::Converged && !interrupted,
        status = status_unless(interrupted, status)
    )
}

/// Which bound λ or σ ended at.
fn bound_name(bounds: Option<Bounds>, params: ResidualParams) -> &'static str {
    match bounds {
        Some(bounds) if bounds.lambda_active(params) => "lambda",
        Some(bounds) if bounds.sigma_active(params) => "sigma",
        _ => "none",
    }
}

/// A fit of several factors, in the units of the matrix, whose entries the core saw multiplied by `scale`.
pub(crate) fn deflation_list(found: &Deflation, scale: f64, interrupted: bool) -> List {
    let fits = &found.fits;
    let new: Vec<&Factor> = fits.iter().map(|fit| &fit.factor).collect();
    let fixed: Vec<&Factor> = found.fixed.iter().collect();
    let count = fits.last().map_or(0.0, |fit| fit.count);
    let of_candidates = |value: &dyn Fn(&Candidate) -> f64| found.candidates.iter().map(value).collect::<Vec<f64>>();
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
        posteriors = posteriors_list(&fits.iter().map(|fit| fit.beliefs.as_ref()).collect::<Vec<_>>(), scale),
        nobs = count,
        path = list!(
            d = of_fits(&|fit| fit.factor.d / scale),
            lambda = of_fits(&|fit| fit.params.lambda * scale),
            sigma = of_fits(&|fit| fit.params.sigma / scale),
            loglik = of_fits(&|fit| fit.log_likelihood + fit.count * unit),
            elbo = found.elbos().iter().map(|elbo| elbo + count * unit).collect::<Vec<_>>(),
            iterations = fits.iter().map(|fit| fit.trace.len() as i32).collect::<Vec<_>>(),
            status = names(|fit| status_name(fit.status)),
            bound = names(|fit| bound_name(fit.bounds, fit.params)),
            ratio_floor = of_fits(&|fit| fit.ratio_floor.unwrap_or(f64::NAN)),
            se_log_lambda = errors(0),
            se_log_sigma = errors(1)
        ),
        noise_sd = List::from_values(fits.iter().map(|fit| or_null(fit.deviations.clone()))),
        b_priors = List::from_values(fits.iter().map(|fit| law_list(&fit.law, fit.params, scale))),
        trace = list!(
            factor = rows.iter().map(|(factor, _)| *factor as i32 + 1).collect::<Vec<_>>(),
            trace = trace_list(rows.iter().map(|(_, row)| *row), count, scale)
        ),
        refit = or_null(found.refit.as_ref().map(|refit| refit_list(refit, scale))),
        interrupted = interrupted || found.interrupted,
        candidates = list!(
            path = of_candidates(&|row| row.path + count * unit),
            path_flatness = of_candidates(&|row| row.path_flatness),
            joint = of_candidates(&|row| row.joint + count * unit),
            joint_flatness = of_candidates(&|row| row.joint_flatness)
        )
    )
}

/// The law of the remainder: weights, and means in the units of the matrix.
fn law_list(law: &RemainderPrior, params: ResidualParams, scale: f64) -> List {
    let (weights, means): (Vec<f64>, Vec<f64>) = law.components().into_iter().unzip();
    list!(weight = weights, mean = means.iter().map(|mean| mean / (params.lambda * scale)).collect::<Vec<_>>())
}

/// All factors, refitted.
fn refit_list(refit: &Refit, scale: f64) -> List {
    let factors: Vec<&Factor> = refit.factors.iter().collect();
    let [se_log_lambda, se_log_sigma] = refit.slopes.standard_errors();
    list!(
        factors = factor_list(&factors, scale),
        lambda = refit.params.lambda * scale,
        sigma = refit.params.sigma / scale,
        b_prior = law_list(&refit.law, refit.params, scale),
        noise_sd = or_null(refit.deviations.clone()),
        loglik = refit.log_likelihood + refit.count * scale.ln(),
        elbo = refit.elbo + refit.count * scale.ln(),
        posteriors = posteriors_list(&refit.beliefs.iter().map(Some).collect::<Vec<_>>(), scale),
        status = status_name(refit.status),
        accepted = refit.accepted,
        bound = bound_name(refit.bounds, refit.params),
        se_log_lambda = se_log_lambda,
        se_log_sigma = se_log_sigma,
        trace = trace_list(refit.trace.iter(), refit.count, scale)
    )
}

/// A certified underapproximation, and λ and σ of what it leaves, if there was time for them.
pub(crate) fn certified_list(found: &Underapproximation, scale: f64, interrupted: bool) -> List {
    let certified = &found.factors;
    let factors: Vec<&Factor> = certified.iter().map(|certified| &certified.factor).collect();
    list!(
        factors = factor_list(&factors, scale),
        model = or_null(found.model.as_ref().map(|model| refit_list(model, scale))),
        nobs = found.count,
        interrupted = interrupted,
        error = certified.iter().map(|certified| certified.error).collect::<Vec<_>>(),
        iterations = certified.iter().map(|certified| certified.iterations as i32).collect::<Vec<_>>(),
        status = certified.iter().map(|certified| status_name(certified.status)).collect::<Vec<_>>()
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
        u = loadings(factors, |factor| Some(factor.u())),
        v = loadings(factors, |factor| factor.v.as_ref().map(Contiguous::as_slice))
    )
}

fn trace_list<'a>(rows: impl Iterator<Item = &'a Trace>, count: f64, scale: f64) -> List {
    let rows: Vec<&Trace> = rows.collect();
    let of_rows = |value: &dyn Fn(&Trace) -> f64| rows.iter().map(|row| value(row)).collect::<Vec<f64>>();
    list!(
        stage = rows.iter().map(|row| row.stage as i32).collect::<Vec<_>>(),
        loglik = of_rows(&|row| row.log_likelihood + count * scale.ln()),
        elbo = of_rows(&|row| row.elbo + count * scale.ln()),
        lambda = of_rows(&|row| row.params.lambda * scale),
        sigma = of_rows(&|row| row.params.sigma / scale)
    )
}

/// Loadings of new rows, each a column, in the units of the matrix, whose entries the core saw multiplied by `scale`.
pub(crate) fn prediction_list(rows: &[RowPrediction], scale: f64, interrupted: bool) -> List {
    let unscaled: Vec<Vec<f64>> = rows.iter().map(|row| row.loadings.iter().map(|x| x / scale).collect()).collect();
    list!(
        loadings = loadings(&unscaled, |row| Some(row)),
        status = rows.iter().map(|row| status_unless(interrupted, row.status)).collect::<Vec<_>>()
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
