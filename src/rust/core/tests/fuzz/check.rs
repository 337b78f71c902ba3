//! Checks that the result of every fit must pass.

use nmu_core::deflation::Deflation;
use nmu_core::factor::Factor;
use nmu_core::noise::ResidualParams;
use nmu_core::trace::{Status, Trace};

/// Tolerance for rounding of an objective, relative to its absolute value plus the number of entries.
const ROUNDING: f64 = 1e-10;

pub(crate) fn ensure(condition: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if condition {
        Ok(())
    } else {
        Err(message())
    }
}

pub(crate) fn check_factor(factor: &Factor) -> Result<(), String> {
    let valid = |loadings: &[f64]| loadings.iter().all(|loading| loading.is_finite() && *loading >= 0.0);
    let is_valid = factor.d.is_finite() && factor.d >= 0.0 && valid(factor.u()) && valid(factor.v());
    ensure(is_valid, || format!("invalid factor with d = {}, u = {:?}, v = {:?}", factor.d, factor.u, factor.v()))
}

fn check_params(params: ResidualParams) -> Result<(), String> {
    let is_valid = [params.lambda, params.sigma].iter().all(|value| value.is_finite() && *value > 0.0);
    ensure(is_valid, || format!("{params:?}"))
}

/// Checks that within a stage the objective (the ELBO with priors, the log-likelihood otherwise) never decreases, up to
/// rounding.
fn check_objective(
    trace: &[Trace],
    count: f64,
    rounding_error: impl Fn(ResidualParams) -> f64,
    context: &str,
) -> Result<(), String> {
    for pair in trace.windows(2).filter(|pair| pair[0].stage == pair[1].stage) {
        let objective = |row: &Trace| if row.elbo.is_nan() { row.log_likelihood } else { row.elbo };
        let (before, after) = (objective(&pair[0]), objective(&pair[1]));
        ensure(before.is_finite() && after.is_finite(), || {
            format!("{context}: the objective is {after} after {before}")
        })?;
        let decrease = before - after;
        let rounding = ROUNDING * (before.abs() + count) + rounding_error(pair[1].params);
        let comparable = pair[0].elbo.is_nan() == pair[1].elbo.is_nan();
        ensure(!comparable || decrease <= rounding, || format!("{context}: {before} decreases by {decrease}"))?;
    }
    Ok(())
}

/// Checks factors, parameters and objectives. `has_objective`: whether all updates maximize one common objective;
/// `rounding_error`: its rounding error, given the parameters and the noise standard deviations.
pub(crate) fn check(
    deflation: &Deflation,
    has_objective: bool,
    rounding_error: impl Fn(ResidualParams, Option<&[f64]>) -> f64,
) -> Result<(), String> {
    deflation.fixed.iter().try_for_each(check_factor)?;
    for (index, fit) in deflation.fits.iter().enumerate() {
        check_factor(&fit.factor)?;
        check_params(fit.params)?;
        ensure(fit.log_likelihood.is_finite(), || format!("log-likelihood {}", fit.log_likelihood))?;
        ensure(fit.status != Status::Interrupted, || format!("factor {index} does not terminate"))?;
        if has_objective {
            let rounding_error = |params| rounding_error(params, fit.deviations.as_deref());
            check_objective(&fit.trace, fit.count, rounding_error, &format!("factor {index}"))?;
        }
    }
    if let Some(refit) = &deflation.refit {
        refit.factors.iter().try_for_each(check_factor)?;
        check_params(refit.params)?;
        ensure(refit.log_likelihood.is_finite(), || format!("log-likelihood {}", refit.log_likelihood))?;
        ensure(refit.status != Status::Interrupted, || "the refit does not terminate".to_string())?;
        if has_objective {
            let rounding_error = |params| rounding_error(params, refit.deviations.as_deref());
            check_objective(&refit.trace, refit.count, rounding_error, "refit")?;
        }
    }
    Ok(())
}
