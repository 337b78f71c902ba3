//! The log-likelihood as a function of loadings, or weights, and of λ and σ.
//!
//! In `w = √d u`, `y = √d v` (one vector if the matrix is symmetric) the gradient of the log-likelihood is
//! `Σ_j (x − b̄)_ij y_j / σ²` and its diagonal curvatures are `Σ_j m_ij y_j² / σ²`. In a weight `d` they are
//! `uᵀ(x − b̄) v / σ²` and `Σ m_ij u_i² v_j² / σ²`, halved if the matrix is symmetric. One pass computes them all.

use crate::factor::{Factor, Free, FreeFactor};
use crate::noise::{Bounds, ResidualParams};
use crate::noise_derivatives::NoiseDerivatives;
use crate::optim::lbfgs::{BoxConstraints, Evaluation};
use crate::optim::preconditioner::{Coupling, Preconditioner};
use crate::pass::gradient::loading_gradient;
use crate::pass::PassStats;
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::support::MAX_FACTORS;
use crate::vector::{column, dot, norm, squares, Contiguous};
use faer::{Col, Mat};

/// The objective over these coordinates: the free part of each factor, rows before columns; then `log λσ` and `log σ` if these
/// are free.
#[derive(Clone, Copy)]
pub struct Objective<'a> {
    /// The matrix minus the factors that are held.
    pub view: &'a ResidualView<'a>,
    /// The factors that are optimized, at their starting values.
    pub factors: &'a [FreeFactor],
    /// λ and σ at the start.
    pub params: ResidualParams,
    /// Bounds within which λ and σ are optimized as well; `None` holds them fixed.
    pub bounds: Option<Bounds>,
    /// Largest entry `d u_i v_j` of a factor.
    pub max_entry: f64,
    /// Posterior variance `V` of the low-rank part, summed over the entries. The objective is then a lower bound of the
    /// expected log-likelihood, smaller by `V/(2σ²)`.
    pub low_rank_variance: f64,
    /// Threads of each pass.
    pub threads: Threads,
}

/// Largest step in `log λσ` and `log σ`.
const MAX_LOG_STEP: f64 = 1.0;

impl Objective<'_> {
    /// The starting point.
    pub(crate) fn start(&self) -> Vec<f64> {
        let mut theta = Vec::new();
        for FreeFactor { factor, free } in self.factors {
            let weight = factor.d.max(0.0);
            let columns = factor.v.as_ref().map_or(&[][..], Contiguous::as_slice);
            match free {
                Free::Loadings => {
                    let balance = self.balance(factor);
                    theta.extend(factor.u().iter().map(|loading| weight.sqrt() * balance * loading));
                    theta.extend(columns.iter().map(|loading| weight.sqrt() / balance * loading));
                }
                Free::Weight => theta.push(weight),
            }
        }
        if self.bounds.is_some() {
            theta.extend([log_ratio(self.params.lambda * self.params.sigma), self.params.sigma.ln()]);
        }
        theta
    }

    /// The share of a factor's weight in its rows. If entries are bounded it makes the largest loadings of both sides equal: the
    /// box bounds each of them by the root of the largest entry.
    fn balance(&self, factor: &Factor) -> f64 {
        let ratio = largest(factor.v()) / largest(factor.u());
        if self.max_entry.is_finite() && factor.v.is_some() && ratio.is_finite() {
            ratio.sqrt()
        } else {
            1.0
        }
    }

    /// The factors at a point, with loadings of any norm.
    pub(crate) fn factors_at(&self, theta: &[f64]) -> Vec<Factor> {
        let mut rest = theta;
        let mut take = |length| -> Col<f64> {
            let (part, after) = rest.split_at(length);
            rest = after;
            column(part)
        };
        let mut factors = Vec::with_capacity(self.factors.len());
        for FreeFactor { factor, free } in self.factors {
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
        match (self.bounds, theta) {
            (Some(bounds), [.., _, sigma]) if bounds.has_no_remainder() => {
                ResidualParams { lambda: f64::INFINITY, sigma: sigma.exp() }
            }
            (Some(_), [.., ratio, sigma]) => ResidualParams { lambda: (ratio - sigma).exp(), sigma: sigma.exp() },
            _ => self.params,
        }
    }

    /// Box constraints on the coordinates.
    pub(crate) fn constraints(&self) -> BoxConstraints {
        let (mut lower, mut upper, mut max_step) = (Vec::new(), Vec::new(), Vec::new());
        for FreeFactor { factor, free } in self.factors {
            let (count, bound) = match free {
                Free::Loadings => (factor.u.nrows() + factor.v.as_ref().map_or(0, Col::nrows), self.max_entry.sqrt()),
                Free::Weight => {
                    let entry = largest(factor.u()) * largest(factor.v());
                    (1, if entry > 0.0 { self.max_entry / entry } else { f64::INFINITY })
                }
            };
            lower.resize(lower.len() + count, 0.0);
            upper.resize(upper.len() + count, bound);
        }
        max_step.resize(lower.len(), f64::INFINITY);
        if let Some(bounds) = self.bounds {
            lower.extend([log_ratio(bounds.min_ratio), bounds.min_sigma.ln()]);
            upper.extend([log_ratio(bounds.max_ratio), f64::INFINITY]);
            max_step.extend([MAX_LOG_STEP; 2]);
        }
        BoxConstraints { lower, upper, max_step }
    }

    /// The magnitude that a move of each coordinate is measured by: the largest loading on the same side of its factor, the
    /// largest weight for a weight, 1 for a logarithm.
    pub(crate) fn magnitudes(&self, theta: &[f64]) -> Vec<f64> {
        let factors = self.factors_at(theta);
        let weights = self.factors.iter().zip(&factors).filter(|(start, _)| start.free == Free::Weight);
        let weight = largest(&weights.map(|(_, factor)| factor.d).collect::<Vec<_>>());
        let mut size = Vec::with_capacity(theta.len());
        for (FreeFactor { free, .. }, factor) in self.factors.iter().zip(&factors) {
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

    /// The coupling of the factors within each row, and within each column.
    ///
    /// Minus the Hessian over the loadings of row `i` on two factors is `Σ_j m_ij y_jk y_jl / σ²`. With a common `m` it is the
    /// cosine of their loadings of the columns, times the roots of the diagonal.
    fn couplings(&self, factors: &[Factor]) -> Vec<Coupling> {
        let (mut rows, mut columns, mut members) = (Vec::new(), Vec::new(), Vec::new());
        let mut offset = 0;
        for (start, factor) in self.factors.iter().zip(factors) {
            if start.free == Free::Weight {
                offset += 1;
                continue;
            }
            members.push(factor);
            rows.push(offset);
            offset += factor.u.nrows();
            if let Some(v) = &factor.v {
                columns.push(offset);
                offset += v.nrows();
            }
        }
        if !(2..=MAX_FACTORS).contains(&members.len()) {
            return Vec::new();
        }
        let coupling = |offsets: Vec<usize>, length: usize, others: fn(&Factor) -> &[f64]| Coupling {
            offsets,
            length,
            correlation: cosines(&members.iter().map(|factor| others(factor)).collect::<Vec<_>>()),
        };
        let mut couplings = vec![coupling(rows, members[0].u.nrows(), Factor::v)];
        if !columns.is_empty() {
            couplings.push(coupling(columns, members[0].v().len(), Factor::u));
        }
        couplings
    }

    /// The objective at a point, with its gradient and curvatures.
    pub(crate) fn evaluate(&self, theta: &[f64]) -> Evaluation<PassStats> {
        let params = self.params_at(theta);
        let factors = self.factors_at(theta);
        let (slopes, stats) = loading_gradient(self.view, &factors, params, self.threads);
        let precision = 1.0 / (params.sigma * params.sigma);
        // By Cramér and Rao the mean curvature is no less than 1/Var[x], in units of 1/σ².
        let ratio = params.lambda * params.sigma;
        let variance = self.view.remainder_prior().variance();
        let min_curvature = if variance > 0.0 { ratio * ratio / (variance + ratio * ratio) } else { 1.0 };
        let square = |loadings: &[f64]| dot(loadings, loadings);
        let (mut gradient, mut diagonal) = (Vec::with_capacity(theta.len()), Vec::with_capacity(theta.len()));
        for ((start, factor), (products, curvatures)) in self.factors.iter().zip(&factors).zip(&slopes) {
            match start.free {
                Free::Loadings => {
                    gradient.extend(products.rows().iter().chain(products.columns()).map(|slope| precision * slope));
                    // W is a product of two loadings, so along the loadings themselves the curvature is twice that of the
                    // diagonal.
                    let (rows, columns) = (min_curvature * square(factor.v()), min_curvature * square(factor.u()));
                    diagonal.extend(inverse_curvatures(curvatures.rows(), rows, 2.0 * precision));
                    diagonal.extend(inverse_curvatures(curvatures.columns(), columns, 2.0 * precision));
                }
                Free::Weight => {
                    let share = if self.view.is_symmetric() { 0.5 * precision } else { precision };
                    gradient.push(share * dot(factor.u(), products.rows()));
                    let min_curvature = min_curvature * square(factor.u()) * square(factor.v());
                    diagonal.extend(inverse_curvatures(
                        &[dot(&squares(factor.u()), curvatures.rows())],
                        min_curvature,
                        share,
                    ));
                }
            }
        }
        let penalty = 0.5 * precision * self.low_rank_variance;
        let mut pair = None;
        if self.bounds.is_some() {
            let mut derivatives = NoiseDerivatives::new(&stats, params).in_ratio();
            derivatives.gradient[1] += 2.0 * penalty;
            derivatives.hessian[2] -= 4.0 * penalty;
            let [first, _, second] = derivatives.hessian;
            gradient.extend(derivatives.gradient);
            diagonal
                .extend([first, second].map(|curvature| 1.0 / curvature.abs().max(MIN_NOISE_CURVATURE * stats.count)));
            pair = Some(derivatives.hessian);
        }
        Evaluation {
            value: stats.log_likelihood(params) - penalty,
            gradient,
            preconditioner: Preconditioner { diagonal, pair, couplings: self.couplings(&factors) },
            scale: stats.count,
            payload: stats,
        }
    }
}

/// The coordinate of `λσ`. Without a remainder `λσ` is infinite, and the coordinate is held at 0.
fn log_ratio(ratio: f64) -> f64 {
    if ratio.is_infinite() {
        0.0
    } else {
        ratio.ln()
    }
}

/// The largest of some loadings, or the smallest positive number.
fn largest(loadings: &[f64]) -> f64 {
    loadings.iter().fold(f64::MIN_POSITIVE, |largest, loading| largest.max(*loading))
}

/// The cosines between loadings, and a ridge on the diagonal.
fn cosines(loadings: &[&[f64]]) -> Mat<f64> {
    let norms: Vec<f64> = loadings.iter().map(|loadings| norm(loadings).max(f64::MIN_POSITIVE)).collect();
    let cosine = |i: usize, j: usize| dot(loadings[i], loadings[j]) / (norms[i] * norms[j]);
    Mat::from_fn(loadings.len(), loadings.len(), |i, j| if i == j { 1.0 + RIDGE } else { cosine(i, j) })
}

/// Ridge of the cosines: loadings of two factors may be parallel.
const RIDGE: f64 = 0.02;
/// Smallest curvature of the log-likelihood of an entry in `log λσ` and `log σ` that a step relies on.
const MIN_NOISE_CURVATURE: f64 = 0.05;
/// Curvatures below this count as zero.
const ZERO_CURVATURE: f64 = 1e-200;

/// The inverses of `scale` times the curvatures, each at least `min_curvature`.
///
/// Far to the right of zero the log-likelihood of a residual is nearly linear, so its curvature gives no step length. If a
/// curvature is zero, so is the gradient, and any inverse will do.
fn inverse_curvatures(curvatures: &[f64], min_curvature: f64, scale: f64) -> Vec<f64> {
    let inverse = |curvature: &f64| {
        let curvature = curvature.max(min_curvature);
        if curvature < ZERO_CURVATURE {
            1.0
        } else {
            1.0 / (scale * curvature)
        }
    };
    curvatures.iter().map(inverse).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Objective;
    use crate::factor::{Factor, Free, FreeFactor};
    use crate::noise::{Bounds, ResidualParams};
    use crate::remainder_prior::RemainderPrior;
    use crate::residual::ResidualView;
    use crate::runtime::parallel::Threads;
    use crate::storage::{Dense, Masked, Sparse, Storage};
    use faer::MatRef;

    const BOUNDS: Bounds = Bounds { min_sigma: 0.01, min_ratio: 1e-3, max_ratio: 10.0 };

    /// Numbers between 0 and 1 that look random enough.
    fn numbers(count: usize, seed: f64) -> Vec<f64> {
        (0..count).map(|index| ((index as f64 + seed) * 12.9898).sin().abs()).collect()
    }

    /// Factors of which the part `free[k]` of the `k`th may move.
    fn free_factors(free: &[Free], nrow: usize, ncol: Option<usize>) -> Vec<FreeFactor> {
        let factor = |k: usize| {
            let v = ncol.map(|ncol| numbers(ncol, 0.5 + k as f64));
            Factor::new(0.5 + k as f64, &numbers(nrow, k as f64), v.as_deref())
        };
        free.iter().enumerate().map(|(k, &free)| FreeFactor { factor: factor(k), free }).collect()
    }

    fn objective<'a>(
        view: &'a ResidualView<'a>,
        factors: &'a [FreeFactor],
        params: ResidualParams,
        bounds: Option<Bounds>,
    ) -> Objective<'a> {
        let (max_entry, low_rank_variance, threads) = (f64::INFINITY, 0.0, Threads::new(1));
        Objective { view, factors, params, bounds, max_entry, low_rank_variance, threads }
    }

    fn gradient_matches_differences(storage: &dyn Storage, symmetric: bool, free: &[Free]) {
        let view = ResidualView::new(storage, &[], symmetric);
        gradient_of_view_matches_differences(&view, free, ResidualParams { lambda: 1.3, sigma: 0.4 }, BOUNDS);
        let (view, bounds) = (view.with_remainder_prior(RemainderPrior::NONE), BOUNDS.without_remainder());
        let params = ResidualParams { lambda: f64::INFINITY, sigma: 0.4 };
        gradient_of_view_matches_differences(&view, free, params, bounds);
    }

    fn gradient_of_view_matches_differences(
        view: &ResidualView,
        free: &[Free],
        params: ResidualParams,
        bounds: Bounds,
    ) {
        let factors = free_factors(free, view.nrow(), (!view.is_symmetric()).then(|| view.ncol()));
        let objective = objective(view, &factors, params, Some(bounds));
        let theta = objective.start();
        let evaluation = objective.evaluate(&theta);
        for index in 0..theta.len() {
            const STEP: f64 = 1e-5;
            let at = |step: f64| {
                let mut moved = theta.clone();
                moved[index] += step;
                objective.evaluate(&moved).value
            };
            let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let slope = evaluation.gradient[index];
            let error = (difference - slope).abs();
            assert!(error <= 1e-5 * (1.0 + difference.abs()), "{free:?}, {index}: {difference} {slope}");
        }
    }

    #[test]
    fn gradient_matches_finite_differences() {
        for (nrow, ncol, symmetric) in [(9, 9, true), (40, 40, true), (7, 12, false)] {
            let mut values: Vec<f64> = numbers(nrow * ncol, 0.1).iter().map(|x| 4.0 * x - 0.5).collect();
            if symmetric {
                for column in 0..ncol {
                    for row in 0..column {
                        values[row * nrow + column] = values[column * nrow + row];
                    }
                }
            }
            let dense = Dense::new(MatRef::from_column_major_slice(&values, nrow, ncol));
            let cases: [&[Free]; 5] = [
                &[],
                &[Free::Loadings],
                &[Free::Weight],
                &[Free::Loadings; 3],
                &[Free::Weight, Free::Weight, Free::Loadings],
            ];
            for free in cases {
                gradient_matches_differences(&dense, symmetric, free);
                if nrow == ncol {
                    gradient_matches_differences(&Masked::without_diagonal(dense), symmetric, free);
                }
            }
        }
    }

    /// A diagonal matrix with a missing entry, in sparse storage.
    #[test]
    fn gradient_of_a_sparse_matrix_matches_finite_differences() {
        let (starts, rows) = ((0..=12).collect::<Vec<i32>>(), (0..12).collect::<Vec<i32>>());
        let mut values = numbers(12, 0.2);
        values[3] = f64::NAN;
        let sparse = Sparse::new(12, &starts, &rows, &values).unwrap();
        for symmetric in [true, false] {
            gradient_matches_differences(&sparse, symmetric, &[Free::Loadings; 3]);
            gradient_matches_differences(&sparse.without_diagonal(), symmetric, &[Free::Weight, Free::Loadings]);
        }
    }

    #[test]
    fn joint_objective_agrees_with_that_of_one_factor_after_subtraction() {
        let values: Vec<f64> = numbers(600, 0.3).iter().map(|x| 3.0 * x).collect();
        let dense = Dense::new(MatRef::from_column_major_slice(&values, 30, 20));
        let all = free_factors(&[Free::Loadings; 3], 30, Some(20));
        let params = ResidualParams { lambda: 2.0, sigma: 0.3 };
        let evaluate = |factors: &[FreeFactor], subtracted: &[FreeFactor]| {
            let subtracted: Vec<Factor> = subtracted.iter().map(|free| free.factor.clone()).collect();
            let view = ResidualView::new(&dense, &subtracted, false);
            let objective = Objective { threads: Threads::new(2), ..objective(&view, factors, params, None) };
            objective.evaluate(&objective.start())
        };
        let (joint, single) = (evaluate(&all, &[]), evaluate(&all[..1], &all[1..]));
        assert!((joint.value - single.value).abs() <= 1e-10 * single.value.abs());
        let error = single.gradient.iter().zip(&joint.gradient).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(error <= 1e-9, "gradients differ by {error}");
    }
}
