//! The iteration of Stephens's notebook (2025), to the letter.
//!
//! ```text
//! symmetric:  u ← ((A − b)u)₊/‖·‖,  d ← uᵀ(A − b)u,  b ← E[b | A − d u uᵀ, λ, σ]
//! general:    u ← ((A − b)v)₊/‖·‖,  v ← ((A − b)ᵀu)₊/‖·‖,  d ← uᵀ(A − b)v,  b as above
//! ```
//!
//! `b` starts at 0 and is a function of the `(d, u, v, λ, σ)` that it was last computed from, so it need not be stored: a
//! sweep under the old parameters gives the products with the old `b`, whichever vectors they are taken with.

use crate::factor::Factor;
use crate::fit::{FactorFit, FactorFitter};
use crate::init::{leading_init, InitialLoadings};
use crate::noise::{Bounds, ResidualParams};
use crate::noise_estimators::NoiseEstimator;
use crate::pass::{product, sweep, Model, PassLevel, PassOutput, PassSpec, PassStats, RowColSums};
use crate::remainder_prior::RemainderPrior;
use crate::residual::ResidualView;
use crate::runtime::cancel::catch_cancellation;
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback};
use crate::trace::{Status, Trace};
use crate::vector::{add_scaled, dot, norm, truncate, Contiguous};

/// How long to iterate, and when to re-estimate λ and σ.
pub struct Settings<'a> {
    /// λ and σ at the start.
    pub params: ResidualParams,
    /// The rule that re-estimates them after each round, if any.
    pub estimator: Option<&'a dyn NoiseEstimator>,
    /// The number of rounds.
    pub rounds: usize,
    /// The iterations of a round.
    pub iterations: usize,
    /// A round ends early where `u`, `v` and `d` moved by no more than this, relatively; 0 for never.
    pub tolerance: f64,
    /// Whether to compute the log-likelihood after every iteration.
    pub trace: bool,
}

/// What the iteration found.
pub struct Fit {
    /// The factor, with the `d` of the last `b`.
    pub factor: Factor,
    /// The parameters that the last `b` was computed from: the factor before its last `d`, and the noise of its round.
    pub b: Parameters,
    /// λ and σ, as last estimated.
    pub params: ResidualParams,
    /// A value an iteration.
    pub trace: Vec<Trace>,
    /// Why it ended.
    pub status: Status,
}

/// What `b̄` is a function of.
pub struct Parameters {
    /// The low-rank part.
    pub factor: Factor,
    /// λ and σ.
    pub params: ResidualParams,
}

/// Iterates from a start, that of the leading singular pair if no other is given.
pub fn iterate(
    view: &ResidualView,
    start: Option<InitialLoadings>,
    settings: &Settings,
    threads: Threads,
    on_progress: &mut ProgressCallback,
) -> Fit {
    let start = start.unwrap_or_else(|| leading_init(view, threads, on_progress));
    let mut state = State::new(view, start, settings, threads);
    let mut trace = Vec::new();
    let mut params = settings.params;
    let mut status = Status::Maxiter;
    'rounds: for round in 1..=settings.rounds {
        for iteration in 1..=settings.iterations {
            let Some(moved) = catch_cancellation(|| state.step(params)) else {
                status = Status::Interrupted;
                break 'rounds;
            };
            let sums = state.sums.filter(|_| settings.trace);
            let log_likelihood = sums.map_or(f64::NAN, |sums| sums.log_likelihood(params));
            trace.push(Trace { elbo: f64::NAN, log_likelihood, params, stage: round });
            let accepted = if settings.tolerance > 0.0 { settings.tolerance } else { SETTLED };
            status = if moved <= accepted { Status::Converged } else { Status::Maxiter };
            let progress =
                Progress::new(trace.len()).with_log_likelihood(log_likelihood, sums.map_or(0.0, |sums| sums.count));
            if on_progress(progress).is_break() {
                status = Status::Interrupted;
                break 'rounds;
            }
            if moved <= settings.tolerance && settings.tolerance > 0.0 && iteration < settings.iterations {
                break;
            }
        }
        if let (Some(estimator), Some(sums)) = (settings.estimator, state.sums) {
            match estimator.estimate(&sums, &UNBOUNDED) {
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

/// The notebook's estimates have no bounds.
const UNBOUNDED: Bounds = Bounds { min_sigma: 0.0, min_ratio: 0.0, max_ratio: f64::INFINITY };

/// A relative move that counts as none where no tolerance is given.
const SETTLED: f64 = 1e-8;

impl FactorFitter for Settings<'_> {
    fn fit(
        &self,
        view: &ResidualView,
        start: Option<InitialLoadings>,
        threads: Threads,
        on_progress: &mut ProgressCallback,
    ) -> FactorFit {
        let Fit { factor, params, trace, status, .. } = iterate(view, start, self, threads, on_progress);
        let model = Model { factor: &factor, params };
        let sums = sweep(view, model, &model.question(PassLevel::Likelihood), threads).sums;
        let log_likelihood = sums.log_likelihood(params);
        FactorFit {
            factor,
            params,
            law: RemainderPrior::EXPONENTIAL,
            deviations: None,
            bounds: None,
            ratio_floor: None,
            log_likelihood,
            count: sums.count,
            ends: Vec::new(),
            beliefs: None,
            spread: 0.0,
            slopes: None,
            trace,
            status,
        }
    }
}

/// The current factor, and what the sweep under the current `b` found.
struct State<'a> {
    view: &'a ResidualView<'a>,
    threads: Threads,
    depth: PassLevel,
    factor: Factor,
    /// λ and σ of the current `b`; `None` while `b` is zero.
    params_of_b: Option<ResidualParams>,
    /// `(A − b) v`.
    products: RowColSums,
    /// The sums under the current `b`.
    sums: Option<PassStats>,
}

impl<'a> State<'a> {
    fn new(view: &'a ResidualView<'a>, start: InitialLoadings, settings: &Settings, threads: Threads) -> Self {
        let v = (!view.is_symmetric()).then_some(start.v);
        let factor = Factor { d: 0.0, u: start.u, v };
        let products = product(view, factor.u(), factor.v(), threads);
        let depth = if settings.trace { PassLevel::Likelihood } else { PassLevel::Expectation };
        Self { view, threads, depth, factor, params_of_b: None, products, sums: None }
    }

    /// The products of the current `A − b` with any two vectors.
    fn products_with(&self, row_weights: &[f64], column_weights: &[f64]) -> RowColSums {
        let Some(params) = self.params_of_b else {
            return product(self.view, row_weights, column_weights, self.threads);
        };
        self.sweep(Model { factor: &self.factor, params }, row_weights, column_weights, PassLevel::Expectation).products
    }

    /// A sweep with the `b` of a model.
    fn sweep(&self, model: Model, row_weights: &[f64], column_weights: &[f64], depth: PassLevel) -> PassOutput {
        // The residual's mean moves little from one iteration to the next.
        let shift = self.sums.map_or(1.0 / model.params.lambda, |sums| sums.residual_mean());
        sweep(self.view, model, &PassSpec { row_weights, column_weights, shift, depth }, self.threads)
    }

    /// One iteration: the factor from the current `b`, then `b` from the factor and `noise`. Returns how far it moved. The
    /// state is as before where the step is given up.
    fn step(&mut self, params: ResidualParams) -> f64 {
        let u = truncate(&self.products.rows);
        let factor = if self.view.is_symmetric() {
            let d = self.quadratic_form(u.as_slice());
            Factor { d, u, v: None }
        } else {
            let products = self.products_with(u.as_slice(), self.factor.v()).columns;
            let v = truncate(&products);
            Factor { d: dot(&products, v.as_slice()), u, v: Some(v) }
        };
        let moved = distance(&self.factor, &factor);
        if self.params_of_b == Some(params) && self.factor == factor {
            return moved; // A fixed point to the last bit: the sweep would find what it found.
        }
        let found = self.sweep(Model { factor: &factor, params }, factor.u(), factor.v(), self.depth);
        self.factor = factor;
        self.params_of_b = Some(params);
        self.products = found.products;
        self.sums = Some(found.sums);
        moved
    }

    /// `uᵀCu` with `C = A − b` symmetric, of which `C u₀` is known at the current `u₀`. With `u = c u₀ + δ`,
    /// `uᵀCu = c² u₀ᵀCu₀ + 2c δᵀCu₀ + δᵀCδ`, and the last term is left out where it is below rounding: near a fixed
    /// point an iteration costs one sweep, elsewhere two.
    fn quadratic_form(&self, u: &[f64]) -> f64 {
        let (known, products) = (self.factor.u(), &self.products.rows);
        let overlap = dot(u, known);
        let mut rest = u.to_vec();
        add_scaled(&mut rest, -overlap, known);
        let value = overlap * (overlap * dot(known, products) + 2.0 * dot(&rest, products));
        let bound = self.spectral_bound() * dot(&rest, &rest);
        if bound <= NEGLIGIBLE * value.abs() {
            return value;
        }
        dot(u, &self.products_with(u, u).rows)
    }

    /// The Frobenius norm of `A − b`: no less than its largest `|eigenvalue|`.
    fn spectral_bound(&self) -> f64 {
        self.sums.map_or(f64::INFINITY, |sums| (2.0 * sums.square_rest).sqrt())
    }

    /// The last `d`, under the last `b`.
    fn finish(self, params: ResidualParams, trace: Vec<Trace>, status: Status) -> Fit {
        let d = dot(self.factor.u(), &self.products.rows);
        let b = Parameters { factor: self.factor.clone(), params: self.params_of_b.unwrap_or(params) };
        let factor = Factor { d, ..self.factor };
        Fit { factor, b, params, trace, status }
    }
}

/// The share of `uᵀCu` that its rounding hides.
const NEGLIGIBLE: f64 = 2e-17;

/// The largest relative move of `u`, `v` and `d`.
fn distance(old: &Factor, new: &Factor) -> f64 {
    let apart = |x: &[f64], y: &[f64]| norm(&x.iter().zip(y).map(|(x, y)| x - y).collect::<Vec<_>>());
    let d = (new.d - old.d).abs() / new.d.abs().max(f64::MIN_POSITIVE);
    d.max(apart(old.u(), new.u())).max(apart(old.v(), new.v()))
}
