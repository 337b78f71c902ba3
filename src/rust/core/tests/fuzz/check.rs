//! Checks that the result of every fit must pass.

use nmu_core::deflation::Deflation;
use nmu_core::factor::Factor;
use nmu_core::fit::ModelFit;
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
    let check_model = |model: &ModelFit, context: &str| {
        model.factors.iter().try_for_each(check_factor)?;
        check_params(model.params)?;
        ensure(model.log_likelihood.is_finite(), || format!("{context}: log-likelihood {}", model.log_likelihood))?;
        ensure(model.status != Status::Interrupted, || format!("{context} does not terminate"))?;
        if has_objective {
            let rounding_error = |params| rounding_error(params, model.noise_sd.as_deref());
            check_objective(&model.trace, model.count, rounding_error, context)?;
        }
        Ok(())
    };
    for (index, fit) in deflation.fits.iter().enumerate() {
        check_model(&fit.model, &format!("factor {index}"))?;
    }
    deflation.refit.iter().try_for_each(|refit| check_model(&refit.model, "refit"))
}
