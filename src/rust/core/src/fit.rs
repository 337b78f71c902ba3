//! Options and results of model fits, and the context that the stages of one fit share.

use crate::factor::{Factor, FreeFactor};
use crate::init::Origin;
use crate::noise::{Bounds, NoiseStructure, ResidualParams};
use crate::noise_derivatives::NoiseDerivatives;
use crate::noise_estimators::NoiseEstimator;
use crate::posterior::FactorPosterior;
use crate::prior::Family;
use crate::remainder_prior::{RemainderPrior, RemainderPriorFamily};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::ProgressCallback;
use crate::trace::{Status, Trace};

pub use crate::optim::lbfgs::StopRule;

/// Prior families of one stage of a schedule.
#[derive(Clone, Copy, Debug)]
pub struct PriorStage<'a> {
    /// Prior family of the loadings of the rows.
    pub rows: &'a dyn Family,
    /// Prior family of the loadings of the columns; not used if the matrix is symmetric.
    pub columns: &'a dyn Family,
}

/// Options of a model fit.
pub struct FitOptions<'a> {
    /// Estimator of λ and σ.
    pub estimator: Box<dyn NoiseEstimator + 'a>,
    /// Priors on the loadings, stage by stage; empty for maximum likelihood.
    pub schedule: Vec<PriorStage<'a>>,
    /// Prior family of the remainder.
    pub remainder: RemainderPriorFamily,
    /// How the noise differs between entries.
    pub noise_structure: NoiseStructure,
    /// When each optimization stops.
    pub stop: StopRule,
    /// Number of starts of each factor in a joint fit, apart from the greedy path.
    pub starts: usize,
}

/// What every stage of a fit needs.
pub(crate) struct FitContext<'a, 'b, 'c> {
    /// The matrix minus the factors that the fit does not change.
    pub(crate) view: &'a ResidualView<'a>,
    pub(crate) threads: Threads,
    pub(crate) progress: &'b mut ProgressCallback<'c>,
    /// One row per iteration so far.
    pub(crate) trace: Vec<Trace>,
    /// Number of the current stage, from 1; 0 before the first.
    pub(crate) stage: usize,
}

impl<'a, 'b, 'c> FitContext<'a, 'b, 'c> {
    /// The context of a fit that has not begun.
    pub(crate) fn new(view: &'a ResidualView<'a>, threads: Threads, progress: &'b mut ProgressCallback<'c>) -> Self {
        Self { view, threads, progress, trace: Vec::new(), stage: 0 }
    }
}

/// A fitted model: factors, parameters of the residual, and the objective there.
#[derive(Clone)]
pub struct ModelFit {
    /// The factors.
    pub factors: Vec<Factor>,
    /// λ and σ.
    pub params: ResidualParams,
    /// Prior of the remainder.
    pub remainder_prior: RemainderPrior,
    /// Standard deviations of the noise of rows, or columns, in units of σ, if they were estimated.
    pub noise_sd: Option<Vec<f64>>,
    /// Bounds on λ and σ, if they were estimated within bounds.
    pub bounds: Option<Bounds>,
    /// Log-likelihood of the matrix minus all factors.
    pub log_likelihood: f64,
    /// Number of entries that the log-likelihood sums over.
    pub count: f64,
    /// Derivatives of the log-likelihood in log λ and log σ, if they were computed.
    pub derivatives: Option<NoiseDerivatives>,
    /// Posteriors of the loadings of the factors that are not fixed; empty without priors.
    pub posteriors: Vec<FactorPosterior>,
    /// Posterior variance of the low-rank part, summed over the entries; 0 without priors.
    pub low_rank_variance: f64,
    /// One row per iteration.
    pub trace: Vec<Trace>,
    /// Why the fit ended.
    pub status: Status,
}

impl ModelFit {
    /// The evidence lower bound; NaN without priors.
    pub fn elbo(&self) -> f64 {
        if self.posteriors.is_empty() {
            return f64::NAN;
        }
        let kl: f64 = self.posteriors.iter().map(FactorPosterior::kl).sum();
        elbo(self.log_likelihood, self.low_rank_variance, self.params, kl)
    }
}

/// `ELBO = log-likelihood at the posterior means − V/(2σ²) − KL`, with the variance `V` of the low-rank part summed over the
/// entries and the divergence of the loadings from their priors.
pub(crate) fn elbo(log_likelihood: f64, low_rank_variance: f64, params: ResidualParams, kl: f64) -> f64 {
    log_likelihood - low_rank_variance / (2.0 * params.sigma * params.sigma) - kl
}

/// The fit of one factor to what the earlier ones leave.
#[derive(Clone)]
pub struct FactorFit {
    /// The model with this factor alone.
    pub model: ModelFit,
    /// Lower bound on λσ under which the factor was found, if continuation was used.
    pub ratio_floor: Option<f64>,
    /// Solutions under each lower bound of the continuation.
    pub path: Vec<Factor>,
}

impl FactorFit {
    /// The factor.
    pub fn factor(&self) -> &Factor {
        &self.model.factors[0]
    }
}

/// A starting point of a joint fit.
#[derive(Clone)]
pub struct JointStart {
    /// Where it comes from.
    pub origin: Origin,
    /// The factors.
    pub factors: Vec<FreeFactor>,
    /// λ and σ, if they are known.
    pub params: Option<ResidualParams>,
}

/// The result from one starting point.
#[derive(Clone, Copy, Debug)]
pub struct StartOutcome {
    /// The start.
    pub start: Origin,
    /// The objective at the end: the log-likelihood, or the ELBO under priors.
    pub objective: f64,
    /// Why the optimization ended.
    pub status: Status,
    /// Whether the fit is the one from here. The others were ended after a few steps.
    pub kept: bool,
}

/// The joint fit of all factors: the best state of the objective that was found.
#[derive(Clone)]
pub struct JointFit {
    /// The model.
    pub model: ModelFit,
    /// The outcome of each start.
    pub starts: Vec<StartOutcome>,
}

/// A joint fit in a sequence with 1, 2, … factors.
#[derive(Clone)]
pub struct Growth {
    /// The fit, up to a coarse tolerance.
    pub joint: JointFit,
    /// The fit with one factor more, if it was found: the start of the next one.
    pub extension: Option<JointFit>,
}
