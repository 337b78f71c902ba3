//! The log-likelihood as a function of loadings, or of weights, and of λ and σ: the hill that is climbed.
//!
//! In `w = √d u`, `y = √d v` (one vector where the matrix is symmetric) the slopes of the log-likelihood are
//! `Σ_j (x − b̄)_ij y_j / σ²` and their diagonal curvatures `Σ_j m_ij y_j² / σ²`; in a weight `d` they are
//! `uᵀ(x − b̄) v / σ²` and `Σ m_ij u_i² v_j² / σ²`, halved where the matrix is symmetric: one sweep yields them all.

use crate::factor::{Factor, Free, FreeFactor};
use crate::noise::{Bounds, ResidualParams};
use crate::noise_derivatives::NoiseDerivatives;
use crate::optim::lbfgs::{BoxConstraints, Evaluation, Preconditioner, StopRule};
use crate::pass::gradient::loading_gradient;
use crate::pass::PassStats;
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::vector::{column, dot, squares, Contiguous};
use faer::Col;

/// How long to climb, and what may move.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The bounds within which λ and σ climb as well; `None` holds them fixed.
    pub bounds: Option<Bounds>,
    /// The largest loading `√d u`.
    pub largest: f64,
    /// `V`, the variance of the low-rank part summed over the entries, where that is not known for certain: the value is
    /// then a bound of the log-likelihood, less by `V/(2σ²)`.
    pub spread: f64,
    /// Stop where the gain an entry and the scaled projected gradient are at most this.
    pub tolerance: f64,
    /// The most iterations.
    pub iterations: usize,
}

/// A hill over coordinates: what is free of each factor, rows before columns; and then, where they climb, `log λσ` and
/// `log σ`.
#[derive(Clone, Copy)]
pub struct Objective<'a> {
    /// The matrix minus the factors that are held.
    pub view: &'a ResidualView<'a>,
    /// The factors at the start, and what of them may move.
    pub parts: &'a [FreeFactor],
    /// λ and σ at the start.
    pub params: ResidualParams,
    /// How long to climb, and what else may move.
    pub settings: Settings,
    /// The threads to work with.
    pub threads: Threads,
}

/// The most that `log λσ` and `log σ` move in one step.
const NOISE_REACH: f64 = 1.0;

impl Objective<'_> {
    /// The coordinates of the start.
    pub(crate) fn start(&self) -> Vec<f64> {
        let mut theta = Vec::new();
        for FreeFactor { factor, free } in self.parts {
            let weight = factor.d.max(0.0);
            let columns = factor.v.as_ref().map_or(&[][..], Contiguous::as_slice);
            match free {
                Free::Loadings => theta.extend(factor.u().iter().chain(columns).map(|loading| weight.sqrt() * loading)),
                Free::Weight => theta.push(weight),
            }
        }
        if self.settings.bounds.is_some() {
            theta.extend([(self.params.lambda * self.params.sigma).ln(), self.params.sigma.ln()]);
        }
        theta
    }

    /// The factors at a point, with loadings of any norm.
    pub(crate) fn factors_at(&self, theta: &[f64]) -> Vec<Factor> {
        let mut rest = theta;
        let mut take = |length| -> Col<f64> {
            let (part, after) = rest.split_at(length);
            rest = after;
            column(part)
        };
        let mut factors = Vec::with_capacity(self.parts.len());
        for FreeFactor { factor, free } in self.parts {
            let Factor { u, v, .. } = factor;
            factors.push(match free {
                Free::Loadings => Factor { d: 1.0, u: take(u.nrows()), v: v.as_ref().map(|v| take(v.nrows())) },
                Free::Weight => Factor { d: take(1)[0], ..factor.clone() },
            });
        }
        factors
    }

    /// λ and σ at a point.
    pub(crate) fn params_at(&self, theta: &[f64]) -> ResidualParams {
        match (self.settings.bounds, theta) {
            (Some(_), [.., ratio, sigma]) => ResidualParams { lambda: (ratio - sigma).exp(), sigma: sigma.exp() },
            _ => self.params,
        }
    }

    /// The box that the coordinates stay in, and the stopping rule.
    pub(crate) fn limits(&self) -> (BoxConstraints, StopRule) {
        let (mut lower, mut upper, mut max_step) = (Vec::new(), Vec::new(), Vec::new());
        for FreeFactor { factor, free } in self.parts {
            let (count, largest) = match free {
                Free::Loadings => (factor.u.nrows() + factor.v.as_ref().map_or(0, Col::nrows), self.settings.largest),
                Free::Weight => (1, f64::INFINITY),
            };
            lower.resize(lower.len() + count, 0.0);
            upper.resize(upper.len() + count, largest);
        }
        max_step.resize(lower.len(), f64::INFINITY);
        if let Some(bounds) = self.settings.bounds {
            lower.extend([bounds.min_ratio.ln(), bounds.min_sigma.ln()]);
            upper.extend([bounds.max_ratio.ln(), f64::INFINITY]);
            max_step.extend([NOISE_REACH; 2]);
        }
        let Settings { tolerance, iterations, .. } = self.settings;
        (BoxConstraints { lower, upper, max_step }, StopRule { tolerance, max_iterations: iterations })
    }

    /// What moves are measured by: the largest loading of a factor's rows for those of its rows, likewise for its columns;
    /// the largest weight for weights; 1 for logarithms.
    pub(crate) fn size(&self, theta: &[f64]) -> Vec<f64> {
        let factors = self.factors_at(theta);
        let largest = |values: &[f64]| values.iter().fold(f64::MIN_POSITIVE, |largest, value| largest.max(*value));
        let weights = self.parts.iter().zip(&factors).filter(|(part, _)| part.free == Free::Weight);
        let weight = largest(&weights.map(|(_, factor)| factor.d).collect::<Vec<_>>());
        let mut size = Vec::with_capacity(theta.len());
        for (FreeFactor { free, .. }, factor) in self.parts.iter().zip(&factors) {
            if *free == Free::Weight {
                size.push(weight);
                continue;
            }
            size.resize(size.len() + factor.u.nrows(), largest(factor.u()));
            if let Some(v) = &factor.v {
                size.resize(size.len() + v.nrows(), largest(v.as_slice()));
            }
        }
        size.resize(theta.len(), 1.0);
        size
    }

    /// The log-likelihood at a point, its slopes and curvatures.
    pub(crate) fn evaluate(&self, theta: &[f64]) -> Evaluation<PassStats> {
        let params = self.params_at(theta);
        let factors = self.factors_at(theta);
        let (slopes, sums) = loading_gradient(self.view, &factors, params, self.threads);
        let precision = 1.0 / (params.sigma * params.sigma);
        // By Cramér and Rao the mean curvature is no less than 1/Var[x], in units of 1/σ².
        let ratio = params.lambda * params.sigma;
        let least = ratio * ratio / (self.view.law().variance() + ratio * ratio);
        let square = |loadings: &[f64]| dot(loadings, loadings);
        let (mut gradient, mut diagonal) = (Vec::with_capacity(theta.len()), Vec::with_capacity(theta.len()));
        for ((part, factor), (products, curvatures)) in self.parts.iter().zip(&factors).zip(&slopes) {
            match part.free {
                Free::Loadings => {
                    gradient.extend(products.rows.iter().chain(&products.columns).map(|slope| precision * slope));
                    // Along the loadings themselves the whole matrix curves twice as much as its diagonal says, since W
                    // is a product of two of them.
                    let (rows, columns) = (least * square(factor.v()), least * square(factor.u()));
                    diagonal.extend(inverse_curvatures(&curvatures.rows, rows, 2.0 * precision));
                    diagonal.extend(inverse_curvatures(&curvatures.columns, columns, 2.0 * precision));
                }
                Free::Weight => {
                    let share = if self.view.is_symmetric() { 0.5 * precision } else { precision };
                    gradient.push(share * dot(factor.u(), &products.rows));
                    let least = least * square(factor.u()) * square(factor.v());
                    diagonal.extend(inverse_curvatures(&[dot(&squares(factor.u()), &curvatures.rows)], least, share));
                }
            }
        }
        let blur = 0.5 * precision * self.settings.spread;
        let mut pair = None;
        if self.settings.bounds.is_some() {
            let mut slopes = NoiseDerivatives::new(&sums, params).in_ratio();
            slopes.gradient[1] += 2.0 * blur;
            slopes.hessian[2] -= 4.0 * blur;
            let [first, _, second] = slopes.hessian;
            gradient.extend(slopes.gradient);
            diagonal.extend([first, second].map(|curvature| 1.0 / curvature.abs().max(MIN_CURVATURE * sums.count)));
            pair = Some(slopes.hessian);
        }
        Evaluation {
            value: sums.log_likelihood(params) - blur,
            gradient,
            preconditioner: Preconditioner { diagonal, pair },
            scale: sums.count,
            payload: sums,
        }
    }
}

/// The least curvature of an entry's log-likelihood in `log λσ` and `log σ` that a step relies on.
const MIN_CURVATURE: f64 = 0.05;
/// Curvatures that are all less are zero.
const MIN_CURVATURES: f64 = 1e-200;

/// The inverses of `scale` times the curvatures, of which none counts for less than `least`: where the residuals are far to
/// the right the log-likelihood is all but straight, and says nothing of how far to go. Where all are zero, so are the
/// slopes, and any step will do.
fn inverse_curvatures(curvatures: &[f64], least: f64, scale: f64) -> Vec<f64> {
    let inverse = |curvature: &f64| {
        let curvature = curvature.max(least);
        if curvature < MIN_CURVATURES {
            1.0
        } else {
            1.0 / (scale * curvature)
        }
    };
    curvatures.iter().map(inverse).collect()
}

#[cfg(test)]
#[path = "objective_tests.rs"]
mod tests;
