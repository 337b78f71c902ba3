//! What must hold of an answer, whatever the problem.

use nmu_core::deflation::Deflation;
use nmu_core::factor::Factor;
use nmu_core::noise::ResidualParams;
use nmu_core::trace::{Status, Trace};

/// What an objective may lose to rounding, relative to its size and the number of entries.
const ROUNDING: f64 = 1e-10;

pub(crate) fn hold(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(otherwise())
    }
}

pub(crate) fn factor_is_legal(factor: &Factor) -> Result<(), String> {
    let legal = |loadings: &[f64]| loadings.iter().all(|loading| loading.is_finite() && *loading >= 0.0);
    let holds = factor.d.is_finite() && factor.d >= 0.0 && legal(factor.u()) && legal(factor.v());
    hold(holds, || format!("a factor with d = {}, u = {:?}, v = {:?}", factor.d, factor.u, factor.v()))
}

fn noise_is_legal(params: ResidualParams) -> Result<(), String> {
    let legal = [params.lambda, params.sigma].iter().all(|value| value.is_finite() && *value > 0.0);
    hold(legal, || format!("{params:?}"))
}

/// Within a stage the objective, the bound of the evidence where there are priors, never falls but for rounding.
fn never_falls(trace: &[Trace], count: f64, blur: impl Fn(ResidualParams) -> f64, what: &str) -> Result<(), String> {
    for pair in trace.windows(2).filter(|pair| pair[0].stage == pair[1].stage) {
        let objective = |row: &Trace| if row.elbo.is_nan() { row.log_likelihood } else { row.elbo };
        let (before, after) = (objective(&pair[0]), objective(&pair[1]));
        hold(before.is_finite() && after.is_finite(), || format!("{what}: an objective of {after} after {before}"))?;
        let lost = before - after;
        let rounding = ROUNDING * (before.abs() + count) + blur(pair[1].params);
        let comparable = pair[0].elbo.is_nan() == pair[1].elbo.is_nan();
        hold(!comparable || lost <= rounding, || format!("{what}: {before} fell by {lost}"))?;
    }
    Ok(())
}

/// `climbs` says whether there is one objective for all that moves, and `blur` what rounding may do to it, given how the noise
/// differs.
pub(crate) fn check(
    found: &Deflation,
    climbs: bool,
    blur: impl Fn(ResidualParams, Option<&[f64]>) -> f64,
) -> Result<(), String> {
    found.fixed.iter().try_for_each(factor_is_legal)?;
    for (index, fit) in found.fits.iter().enumerate() {
        factor_is_legal(&fit.factor)?;
        noise_is_legal(fit.params)?;
        hold(fit.log_likelihood.is_finite(), || format!("log-likelihood {}", fit.log_likelihood))?;
        hold(fit.status != Status::Interrupted, || format!("factor {index} does not end"))?;
        if climbs {
            let blur = |params| blur(params, fit.deviations.as_deref());
            never_falls(&fit.trace, fit.count, blur, &format!("factor {index}"))?;
        }
    }
    if let Some(refit) = &found.refit {
        refit.factors.iter().try_for_each(factor_is_legal)?;
        noise_is_legal(refit.params)?;
        hold(refit.log_likelihood.is_finite(), || format!("log-likelihood {}", refit.log_likelihood))?;
        hold(refit.status != Status::Interrupted, || "the refit does not end".to_string())?;
        if climbs {
            let blur = |params| blur(params, refit.deviations.as_deref());
            never_falls(&refit.trace, refit.count, blur, "refit")?;
        }
    }
    Ok(())
}
