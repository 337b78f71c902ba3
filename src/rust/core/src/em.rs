//! The EM iteration of Stephens's notebook (2025), reproduced exactly.
//!
//! ```text
//! symmetric:  u ← ((A − b)u)₊/‖·‖,  d ← uᵀ(A − b)u,  b ← E[b | A − d u uᵀ, λ, σ]
//! general:    u ← ((A − b)v)₊/‖·‖,  v ← ((A − b)ᵀu)₊/‖·‖,  d ← uᵀ(A − b)v,  b as above
//! ```
//!
//! `b` starts at 0 and is a function of the `(d, u, v, λ, σ)` that it was last computed from, so it is not stored: a
//! pass under the old parameters computes products of the old `A − b` with any vectors.

use crate::factor::Factor;
use crate::init::{leading_init, InitialLoadings};
use crate::noise::ResidualParams;
use crate::noise_estimators::NoiseEstimator;
use crate::pass::{product, sweep, Model, PassLevel, PassOutput, PassSpec, PassStats, RowColSums};
use crate::residual::ResidualView;
use crate::runtime::cancel::{catch_cancellation, is_stop_requested};
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback};
use crate::trace::{Status, Trace};
use crate::vector::{add_scaled, dot, norm, truncate, Contiguous};
use faer::ColRef;

/// Settings of the EM iteration of the notebook.
pub struct NotebookEm<'a> {
    /// Initial λ and σ.
    pub params: ResidualParams,
    /// The estimator of λ and σ after each round, if any.
    pub estimator: Option<&'a dyn NoiseEstimator>,
    /// The number of rounds.
    pub rounds: usize,
    /// The maximum number of iterations of a round.
    pub iterations: usize,
    /// A round ends when the relative changes of `u`, `v` and `d` are at most this; 0 disables the rule.
    pub tolerance: f64,
    /// Whether to compute the log-likelihood after every iteration.
    pub trace: bool,
}

/// Result of the iteration.
pub struct NotebookFit {
    /// The factor, with `d` computed from the last `b`.
    pub factor: Factor,
    /// The parameters that the last `b` was computed from: the factor before the last update of `d`, and λ and σ of the
    /// round.
    pub b: Parameters,
    /// The last estimates of λ and σ.
    pub params: ResidualParams,
    /// The trace, one element per iteration.
    pub trace: Vec<Trace>,
    /// The termination status.
    pub status: Status,
}

/// Parameters that determine `b̄`.
pub struct Parameters {
    /// The low-rank part.
    pub factor: Factor,
    /// λ and σ.
    pub params: ResidualParams,
}

/// Runs the iteration from `init`, or from the leading singular pair if it is `None`.
pub fn iterate(
    view: &ResidualView,
    init: Option<InitialLoadings>,
    settings: &NotebookEm,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> NotebookFit {
    let init = init.unwrap_or_else(|| leading_init(view, threads, on_progress));
    let mut state = State::new(view, init, settings, threads);
    let mut trace = Vec::new();
    let mut params = settings.params;
    let mut status = Status::Maxiter;
    'rounds: for round in 1..=settings.rounds {
        for iteration in 1..=settings.iterations {
            let Some(change) = catch_cancellation(|| state.step(params)) else {
                status = Status::Interrupted;
                break 'rounds;
            };
            let sums = state.sums.filter(|_| settings.trace);
            let log_likelihood = sums.map_or(f64::NAN, |sums| sums.log_likelihood(params));
            trace.push(Trace { elbo: f64::NAN, log_likelihood, params, stage: round });
            let tolerance = if settings.tolerance > 0.0 { settings.tolerance } else { DEFAULT_TOLERANCE };
            status = if change <= tolerance { Status::Converged } else { Status::Maxiter };
            let progress =
                Progress::new(trace.len()).with_log_likelihood(log_likelihood, sums.map_or(0.0, |sums| sums.count));
            on_progress(progress);
            if is_stop_requested() {
                status = Status::Interrupted;
                break 'rounds;
            }
            if change <= settings.tolerance && settings.tolerance > 0.0 && iteration < settings.iterations {
                break;
            }
        }
        if let (Some(estimator), Some(sums)) = (settings.estimator, state.sums) {
            match estimator.update(params, &sums, None) {
                Some(estimate) => params = estimate,
                None => {
                    status = Status::NoEstimate;
                    break;
                }
            }
        }
    }
    state.finish(params, trace, status)
}

/// The relative change at which the status is `Converged` if no tolerance is given.
const DEFAULT_TOLERANCE: f64 = 1e-8;

/// The current factor, and results of the pass under the current `b`.
struct State<'a> {
    view: &'a ResidualView<'a>,
    threads: Threads,
    level: PassLevel,
    factor: Factor,
    /// λ and σ of the current `b`; `None` while `b` is zero.
    params_of_b: Option<ResidualParams>,
    /// `(A − b) v`.
    products: RowColSums,
    /// The sums under the current `b`.
    sums: Option<PassStats>,
}

impl<'a> State<'a> {
    fn new(view: &'a ResidualView<'a>, init: InitialLoadings, settings: &NotebookEm, threads: Threads) -> Self {
        let v = (!view.is_symmetric()).then_some(init.v);
        let factor = Factor { d: 0.0, u: init.u, v };
        let products = product(view, factor.u.as_ref(), factor.v_column(), threads);
        let level = if settings.trace { PassLevel::Likelihood } else { PassLevel::Expectation };
        Self { view, threads, level, factor, params_of_b: None, products, sums: None }
    }

    /// Returns the products of the current `A − b` with two vectors.
    fn products_with(&self, row_weights: &[f64], column_weights: &[f64]) -> RowColSums {
        let Some(params) = self.params_of_b else {
            return product(
                self.view,
                ColRef::from_slice(row_weights),
                ColRef::from_slice(column_weights),
                self.threads,
            );
        };
        self.sweep(Model { factor: &self.factor, params }, row_weights, column_weights, PassLevel::Expectation).products
    }

    /// Runs a pass with the `b` of a model.
    fn sweep(&self, model: Model, row_weights: &[f64], column_weights: &[f64], level: PassLevel) -> PassOutput {
        // The mean of the residual changes little between iterations.
        let shift = self.sums.map_or(1.0 / model.params.lambda, |sums| sums.residual_mean());
        let (row_weights, column_weights) = (ColRef::from_slice(row_weights), ColRef::from_slice(column_weights));
        sweep(self.view, model, &PassSpec { row_weights, column_weights, shift, level }, self.threads)
    }

    /// Runs one iteration: updates the factor given the current `b`, then `b` given the factor, λ and σ. Returns the
    /// relative change of the factor. The state is unchanged if the iteration is cancelled.
    fn step(&mut self, params: ResidualParams) -> f64 {
        let u = truncate(self.products.rows());
        let factor = if self.view.is_symmetric() {
            let d = self.quadratic_form(u.as_slice());
            Factor { d, u, v: None }
        } else {
            let products = self.products_with(u.as_slice(), self.factor.v());
            let products = products.columns();
            let v = truncate(products);
            Factor { d: dot(products, v.as_slice()), u, v: Some(v) }
        };
        let change = distance(&self.factor, &factor);
        if self.params_of_b == Some(params) && self.factor == factor {
            return change; // An exact fixed point: another pass would give the same results.
        }
        let output = self.sweep(Model { factor: &factor, params }, factor.u(), factor.v(), self.level);
        self.factor = factor;
        self.params_of_b = Some(params);
        self.products = output.products;
        self.sums = Some(output.sums);
        change
    }

    /// Returns `uᵀCu` for `C = A − b` symmetric, given `C u₀` at the current `u₀`. With `u = c u₀ + δ`,
    /// `uᵀCu = c² u₀ᵀCu₀ + 2c δᵀCu₀ + δᵀCδ`. The last term is omitted if it is below the rounding error, so an
    /// iteration near a fixed point takes one pass instead of two.
    fn quadratic_form(&self, u: &[f64]) -> f64 {
        let (current, products) = (self.factor.u(), self.products.rows());
        let overlap = dot(u, current);
        let mut delta = u.to_vec();
        add_scaled(&mut delta, -overlap, current);
        let value = overlap * (overlap * dot(current, products) + 2.0 * dot(&delta, products));
        let bound = self.spectral_bound() * dot(&delta, &delta);
        if bound <= ROUNDING * value.abs() {
            return value;
        }
        dot(u, self.products_with(u, u).rows())
    }

    /// Returns the Frobenius norm of `A − b`, an upper bound of its largest `|eigenvalue|`.
    fn spectral_bound(&self) -> f64 {
        self.sums.map_or(f64::INFINITY, |sums| (2.0 * sums.square_difference).sqrt())
    }

    /// Computes the last `d` from the last `b`, and returns the result.
    fn finish(self, params: ResidualParams, trace: Vec<Trace>, status: Status) -> NotebookFit {
        let d = dot(self.factor.u(), self.products.rows());
        let b = Parameters { factor: self.factor.clone(), params: self.params_of_b.unwrap_or(params) };
        let factor = Factor { d, ..self.factor };
        NotebookFit { factor, b, params, trace, status }
    }
}

/// The relative size of terms that do not change `uᵀCu` in floating point.
const ROUNDING: f64 = 2e-17;

/// Returns the largest relative change of `u`, `v` and `d`.
fn distance(old: &Factor, new: &Factor) -> f64 {
    let difference = |x: &[f64], y: &[f64]| norm(&x.iter().zip(y).map(|(x, y)| x - y).collect::<Vec<_>>());
    let d = (new.d - old.d).abs() / new.d.abs().max(f64::MIN_POSITIVE);
    d.max(difference(old.u(), new.u())).max(difference(old.v(), new.v()))
}
