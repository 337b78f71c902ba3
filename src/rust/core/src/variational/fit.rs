//! Priors on the loadings: from where the likelihood leads, the bound of the evidence is climbed.
//!
//! Every end of the ladder is a start, and the one with the highest bound is kept: under one prior, and one least ratio
//! `λσ`, the bound says what the shape had to say without. The ratio is held at or above 1 while loadings move. Were it
//! free, `b` could take all that a flat factor leaves above itself, and factors would keep below the data at the cost of
//! any structure; λ and σ are estimated freely in the end.

use crate::factor::{Factor, Free, FreeFactor};
use crate::fit::{CandidateRefit, FactorFit, Refit};
use crate::fitter::{ModelFitter, NoiseRule};
use crate::mle::maximize::{maximize, no_callback, Fit, Objective, Settings};
use crate::mle::rank_one::FitContext;
use crate::mle::refit::count;
use crate::noise::{Bounds, ResidualParams};
use crate::noise_derivatives::NoiseDerivatives;
use crate::pass::PassStats;
use crate::posterior::FactorPosterior;
use crate::residual::ResidualView;
use crate::runtime::cancel::catch_cancellation;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::ProgressCallback;
use crate::trace::{Status, Trace};
use crate::variational::elbo::bound;
use crate::variational::{maximize_elbo, NoiseUpdate, VariationalFit, VariationalInit, VariationalOptions};

/// The least `λσ` while loadings move.
const RUNG: f64 = 1.0;

impl ModelFitter<'_> {
    /// A factor under the schedule of priors, from the likeliest ones. It is null where the bound says that the matrix is
    /// better off without it.
    pub(crate) fn with_priors(
        &self,
        view: &ResidualView,
        fit: &FactorFit,
        threads: Threads,
        on_progress: &mut ProgressCallback,
    ) -> FactorFit {
        // The law of the remainder, and how the noise differs, stay what they were without priors.
        let scales = self.scatter.with(view, fit.deviations.as_deref());
        let view = &view.with_remainder_prior(fit.law).with_noise_scales(scales.as_deref());
        let mut level = Level { climb: self, view, bounds: fit.bounds, threads, on_progress };
        let starts = if fit.ends.is_empty() { std::slice::from_ref(&fit.factor) } else { &fit.ends };
        let Some(found) = level.best(starts, fit.params) else { return fit.clone() };
        let mut trace = fit.trace.clone();
        trace.extend(after(trace.last(), &found.trace));
        if let Some(Fit { params, sums, .. }) = level.null_check(&found) {
            let (log_likelihood, slopes) = (sums.log_likelihood(params), Some(NoiseDerivatives::new(&sums, params)));
            let (factor, status) = (view.zero_factor(), Status::Null);
            return FactorFit { factor, params, log_likelihood, slopes, trace, status, ..fit.clone() };
        }
        let (params, sums, status) = level.accepted(&found.factors, &found);
        let converged = fit.status == Status::Converged || status == Status::Interrupted;
        let VariationalFit { mut beliefs, mut factors, spread, .. } = found;
        FactorFit {
            factor: factors.swap_remove(0),
            log_likelihood: sums.log_likelihood(params),
            slopes: Some(NoiseDerivatives::new(&sums, params)),
            beliefs: Some(beliefs.swap_remove(0)),
            params,
            spread,
            trace,
            status: if converged { status } else { fit.status },
            ..fit.clone()
        }
    }

    /// All factors under the last priors of the schedule, from where they stand.
    pub(crate) fn refit_with_priors(
        &self,
        view: &ResidualView,
        parts: &[FreeFactor],
        params: Option<ResidualParams>,
        threads: Threads,
        on_progress: &mut ProgressCallback,
    ) -> Refit {
        let of = |free: Free| parts.iter().filter(move |part| part.free == free).map(|part| part.factor.clone());
        let (fixed, factors): (Vec<Factor>, Vec<Factor>) = (of(Free::Weight).collect(), of(Free::Loadings).collect());
        let mut route = FitContext::new(view, self, threads, on_progress);
        let bounds = self.bounds(&route);
        let known: Vec<Factor> = parts.iter().map(|part| part.factor.clone()).collect();
        let params = params.unwrap_or_else(|| self.initial_params(&route, &known));
        let law = route.estimate_noise(&known, params, bounds).law;
        let deviations = route.deviations();
        let scales = self.scatter.with(view, deviations.as_deref());
        let view = &view.with_remainder_prior(law).with_noise_scales(scales.as_deref());
        let mut level = Level { climb: self, view, bounds, threads, on_progress };
        let last = self.schedule.len() - 1;
        let found = level.maximize_elbo_from(&factors, &fixed, params, last);
        let all: Vec<Factor> = found.fixed.iter().chain(&found.factors).cloned().collect();
        let (params, sums, status) = level.accepted(&all, &found);
        let VariationalFit { beliefs, spread, trace, .. } = found;
        let log_likelihood = sums.log_likelihood(params);
        let top = CandidateRefit { factors: all.clone(), log_likelihood };
        let lost = count(&all) < count(&fixed) + count(&factors);
        if lost && status != Status::Interrupted {
            let found = fixed.into_iter().chain(factors).collect();
            let accepted = self.estimate_noise(view, found, threads, on_progress);
            return Refit { status: Status::Refused, accepted: false, top, ..accepted };
        }
        let kl: f64 = beliefs.iter().map(FactorPosterior::kl).sum();
        Refit {
            factors: all,
            params,
            law,
            deviations,
            bounds,
            log_likelihood,
            count: sums.count,
            slopes: NoiseDerivatives::new(&sums, params),
            trace,
            status,
            accepted: status == Status::Converged,
            beliefs,
            elbo: bound(log_likelihood, spread, params, kl),
            top,
        }
    }
}

/// A view on which the bound is climbed.
struct Level<'a, 'b, 'c> {
    climb: &'a ModelFitter<'a>,
    view: &'a ResidualView<'a>,
    bounds: Option<Bounds>,
    threads: Threads,
    on_progress: &'b mut ProgressCallback<'c>,
}

impl Level<'_, '_, '_> {
    /// What is believed from the best of some starts.
    fn best(&mut self, starts: &[Factor], params: ResidualParams) -> Option<VariationalFit> {
        let mut best: Option<VariationalFit> = None;
        for start in starts {
            let found = self.maximize_elbo_from(std::slice::from_ref(start), &[], params, 0);
            let interrupted = found.status == Status::Interrupted;
            if best.as_ref().is_none_or(|best| found.elbo > best.elbo) {
                best = Some(found);
            }
            if interrupted {
                break;
            }
        }
        best
    }

    /// Through the schedule from its stage `first` on.
    fn maximize_elbo_from(
        &mut self,
        factors: &[Factor],
        fixed: &[Factor],
        params: ResidualParams,
        first: usize,
    ) -> VariationalFit {
        let ratio_floors = self.ratio_floors();
        let params = ratio_floors.map_or(params, |ratio_floors| ratio_floors.clamp(params));
        let noises = match (&self.climb.rule, ratio_floors) {
            (NoiseRule::Likelihood(..), Some(bounds)) => NoiseUpdate::ModelFitter(bounds),
            (NoiseRule::Alternate(estimator, _), Some(bounds)) => NoiseUpdate::NoiseRule(*estimator, bounds),
            _ => NoiseUpdate::Held,
        };
        let way =
            VariationalOptions { schedule: &self.climb.schedule[first..], noises, settings: self.climb.settings() };
        maximize_elbo(self.view, VariationalInit { factors, fixed, params }, way, self.threads, self.on_progress)
    }

    /// λ and σ with the factors held, and what they leave.
    fn noise(&mut self, factors: &[Factor], params: ResidualParams, spread: f64, bounds: Option<Bounds>) -> Fit {
        let bounds = bounds.filter(|_| matches!(self.climb.rule, NoiseRule::Likelihood(..)));
        let settings = Settings { bounds, spread, ..self.climb.settings() };
        let rest = self.view.minus(factors);
        let hill = Objective { view: &rest, parts: &[], params, settings, threads: self.threads };
        maximize(hill, &mut no_callback, self.on_progress)
    }

    /// What there is without the factor found, where the bound says that the matrix is better off without it. Who has
    /// interrupted is not kept waiting for that.
    fn null_check(&mut self, found: &VariationalFit) -> Option<Fit> {
        if found.status == Status::Interrupted {
            return None;
        }
        let nothing = self.noise(&[], found.params, 0.0, self.ratio_floors());
        let null = found.factors[0].d == 0.0 || found.elbo <= nothing.log_likelihood();
        null.then(|| self.noise(&[], nothing.params, 0.0, self.bounds))
    }

    /// λ and σ, estimated freely, with the sums and the status of what was found; as they were found where it was
    /// interrupted.
    fn accepted(&mut self, factors: &[Factor], found: &VariationalFit) -> (ResidualParams, PassStats, Status) {
        let VariationalFit { params, sums, spread, status, .. } = *found;
        let whole = status != Status::Interrupted;
        let free = whole.then(|| catch_cancellation(|| self.noise(factors, params, spread, self.bounds))).flatten();
        free.map_or((params, sums, Status::Interrupted), |fit| (fit.params, fit.sums, status))
    }

    /// The bounds while loadings move: those of a climb have a least ratio.
    fn ratio_floors(&self) -> Option<Bounds> {
        let climbs = matches!(self.climb.rule, NoiseRule::Likelihood(..));
        self.bounds.map(|bounds| if climbs { bounds.with_min_ratio(RUNG) } else { bounds })
    }
}

/// A trace whose stages follow another.
fn after<'a>(last: Option<&Trace>, trace: &'a [Trace]) -> impl Iterator<Item = Trace> + 'a {
    let known = last.map_or(0, |last| last.stage);
    trace.iter().map(move |row| Trace { stage: known + row.stage, ..*row })
}
