//! Sums over the entries that a pass accumulates: [`PassStats`], and the [`Accumulator`] that holds them in vector registers.

use crate::distributions::simd::{kept, mul_add, LogProduct};
use crate::noise::ResidualParams;
use crate::pass::mixture::MixtureStats;
use crate::remainder_prior::MAX_COMPONENTS;
use pulp::Simd;

/// `log √(2π)`.
const LOG_SQRT_TAU: f64 = 0.918_938_533_204_672_8;

/// Sums over the entries of the residual `x = A − W`. In a symmetric matrix each pair counts once and the diagonal half.
///
/// Sums that the level of the pass does not include are zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassStats {
    /// The number of entries.
    pub count: f64,
    /// `Σ b̄`.
    pub mean_b: f64,
    /// `Σ (a − b̄)²` or `Σ (x − b̄)²`, of the differences that the products are taken of. An upper bound if the zeros of
    /// a sparse matrix were summed by power series.
    pub square_difference: f64,
    /// The largest residual.
    pub maximum: f64,
    /// The value that `first` and `second` are taken about.
    pub(crate) shift: f64,
    /// `Σ (x − shift)`.
    pub(crate) first: f64,
    /// `Σ (x − shift)²`.
    pub(crate) second: f64,
    /// `Σ [λ²σ²/2 − λx + log Φ(z)]`, the log-likelihood without `log λ`; likewise for a mixture prior. Without a remainder, all of
    /// the log-likelihood.
    pub(crate) log_kernel: f64,
    /// `Σ h`.
    pub(crate) hazard: f64,
    /// `Σ m` with `m = h (z + h)`, divided by `s²` if the noise is heteroscedastic. For a mixture prior `m = 1 − Var[b]/σ²`,
    /// and the sums that involve `h` are zero.
    pub(crate) curvature: f64,
    /// `Σ h r` with `r = x/σ + λσ`.
    pub(crate) hazard_reach: f64,
    /// `Σ m r`.
    pub(crate) curvature_reach: f64,
    /// `Σ m r²`.
    pub(crate) curvature_reach_squared: f64,
    /// The sums that only a mixture prior has.
    pub(crate) mixture: Option<MixtureStats>,
}

/// The number of sums apart from the maximum.
pub(crate) const SUMS: usize = 11;

impl PassStats {
    /// The sums over no entries.
    pub(crate) fn empty(shift: f64) -> Self {
        Self {
            count: 0.0,
            mean_b: 0.0,
            square_difference: 0.0,
            maximum: f64::NEG_INFINITY,
            shift,
            first: 0.0,
            second: 0.0,
            log_kernel: 0.0,
            hazard: 0.0,
            curvature: 0.0,
            hazard_reach: 0.0,
            curvature_reach: 0.0,
            curvature_reach_squared: 0.0,
            mixture: None,
        }
    }

    /// Adds the sums of other entries, each counted `weight` times. Both must have the same shift.
    pub(crate) fn add(&mut self, other: &Self, weight: f64) {
        self.count += weight * other.count;
        self.mean_b += weight * other.mean_b;
        self.square_difference += weight * other.square_difference;
        self.maximum = self.maximum.max(other.maximum);
        self.first += weight * other.first;
        self.second += weight * other.second;
        self.log_kernel += weight * other.log_kernel;
        self.hazard += weight * other.hazard;
        self.curvature += weight * other.curvature;
        self.hazard_reach += weight * other.hazard_reach;
        self.curvature_reach += weight * other.curvature_reach;
        self.curvature_reach_squared += weight * other.curvature_reach_squared;
        if let Some(mixture) = &other.mixture {
            self.mixture.get_or_insert(MixtureStats::ZERO).add(mixture, weight);
        }
    }

    /// Subtracts the sums of other entries, each counted `weight` times. The maximum stays.
    pub(crate) fn subtract(&mut self, other: &Self, weight: f64) {
        let maximum = self.maximum;
        self.add(other, -weight);
        self.maximum = maximum;
    }

    /// The sums as numbers, without the maximum.
    pub(crate) fn values(&self) -> [f64; SUMS] {
        [
            self.count,
            self.mean_b,
            self.square_difference,
            self.first,
            self.second,
            self.log_kernel,
            self.hazard,
            self.curvature,
            self.hazard_reach,
            self.curvature_reach,
            self.curvature_reach_squared,
        ]
    }

    /// The inverse of [`PassStats::values`], with an empty maximum.
    pub(crate) fn from_values(values: [f64; SUMS], shift: f64) -> Self {
        let [count, mean_b, square_difference, first, second, log_kernel, hazard, curvature, hazard_reach, curvature_reach, curvature_reach_squared] =
            values;
        Self {
            count,
            mean_b,
            square_difference,
            first,
            second,
            log_kernel,
            hazard,
            curvature,
            hazard_reach,
            curvature_reach,
            curvature_reach_squared,
            ..Self::empty(shift)
        }
    }

    /// All fields but the shift as numbers, for the wire format.
    pub(crate) fn to_numbers(self) -> Vec<f64> {
        let MixtureStats { responsibilities, derivatives } = self.mixture.unwrap_or(MixtureStats::ZERO);
        let mixture = f64::from(u8::from(self.mixture.is_some()));
        [&self.values()[..], &[self.maximum, mixture], &responsibilities, &derivatives].concat()
    }

    /// The inverse of [`PassStats::to_numbers`]; `None` if there are too few numbers.
    pub(crate) fn from_numbers(numbers: &[f64], shift: f64) -> Option<Self> {
        let (values, rest) = numbers.split_first_chunk::<SUMS>()?;
        let ([maximum, mixture], rest) = rest.split_first_chunk()?;
        let (responsibilities, rest) = rest.split_first_chunk()?;
        let derivatives = rest.first_chunk()?;
        Some(Self {
            maximum: *maximum,
            mixture: (*mixture > 0.0)
                .then_some(MixtureStats { responsibilities: *responsibilities, derivatives: *derivatives }),
            ..Self::from_values(*values, shift)
        })
    }

    /// The mean of the residual.
    pub fn residual_mean(&self) -> f64 {
        self.shift + self.first / self.count
    }

    /// The variance of the residual, with the denominator `count`.
    pub fn residual_variance(&self) -> f64 {
        let offset = self.first / self.count;
        (self.second / self.count - offset * offset).max(0.0)
    }

    /// The log-likelihood of the residual.
    pub fn log_likelihood(&self, params: ResidualParams) -> f64 {
        if params.lambda.is_infinite() {
            return self.log_kernel;
        }
        self.count * params.lambda.ln() + self.log_kernel
    }

    /// The same sums with the log-likelihood and its derivatives without a remainder, from `Σ t²` with `t = x/σs` and `Σ log s`:
    /// those of a mixture that is a point mass alone.
    pub(crate) fn with_gaussian_likelihood(self, square: f64, log_scale: f64, params: ResidualParams) -> Self {
        let mut mixture = MixtureStats::ZERO;
        mixture.responsibilities[MAX_COMPONENTS] = self.count;
        mixture.derivatives = [0.0, square - self.count, 0.0, 0.0, -2.0 * square];
        let log_kernel = -0.5 * square - log_scale - self.count * (params.sigma.ln() + LOG_SQRT_TAU);
        Self { log_kernel, mixture: Some(mixture), mean_b: 0.0, ..self }
    }
}

/// λ, σ and the shift of the moments, in the form that the loop uses.
#[derive(Clone, Copy)]
pub(crate) struct Constants<S: Simd> {
    params: ResidualParams,
    shift: f64,
    offset: S::f64s,
    pub(crate) minus_sigma: S::f64s,
    pub(crate) inverse_sigma: S::f64s,
    pub(crate) lambda_sigma: S::f64s,
}

impl<S: Simd> Constants<S> {
    #[inline(always)]
    pub(crate) fn new(simd: S, params: ResidualParams, shift: f64) -> Self {
        Self {
            params,
            shift,
            offset: simd.splat_f64s(shift),
            minus_sigma: simd.splat_f64s(-params.sigma),
            inverse_sigma: simd.splat_f64s(1.0 / params.sigma),
            lambda_sigma: simd.splat_f64s(params.lambda * params.sigma),
        }
    }
}

/// [`PassStats`] in lanes, in units of σ.
#[derive(Clone, Copy)]
pub(crate) struct Accumulator<S: Simd> {
    pub(crate) count: usize,
    observed: S::f64s,
    maximum: S::f64s,
    first_moment: S::f64s,
    second_moment: S::f64s,
    mean: S::f64s,
    square_difference: S::f64s,
    exponent: S::f64s,
    inverse_mass: LogProduct<S>,
    hazard: S::f64s,
    curvature: S::f64s,
    hazard_reach: S::f64s,
    curvature_reach: S::f64s,
    curvature_reach_squared: S::f64s,
}

impl<S: Simd> Accumulator<S> {
    #[inline(always)]
    pub(crate) fn new(simd: S) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self {
            count: 0,
            observed: zero,
            maximum: simd.splat_f64s(f64::NEG_INFINITY),
            first_moment: zero,
            second_moment: zero,
            mean: zero,
            square_difference: zero,
            exponent: zero,
            inverse_mass: LogProduct::new(simd),
            hazard: zero,
            curvature: zero,
            hazard_reach: zero,
            curvature_reach: zero,
            curvature_reach_squared: zero,
        }
    }

    /// Adds 1 in the lanes that are not missing: the count, if the lengths do not give it.
    #[inline(always)]
    pub(crate) fn add_observed(&mut self, simd: S, ones: S::f64s) {
        self.observed = simd.add_f64s(self.observed, ones);
    }

    /// Adds a residual to the maximum and to the moments about the shift.
    #[inline(always)]
    pub(crate) fn add_residual(&mut self, simd: S, constants: &Constants<S>, x: S::f64s, keep: Option<S::m64s>) {
        self.maximum = simd.max_f64s(self.maximum, kept(simd, keep, x, self.maximum));
        let centred = kept(simd, keep, simd.sub_f64s(x, constants.offset), simd.splat_f64s(0.0));
        self.first_moment = simd.add_f64s(self.first_moment, centred);
        self.second_moment = mul_add(simd, centred, centred, self.second_moment);
    }

    /// Adds `b̄/σ`.
    #[inline(always)]
    pub(crate) fn add_posterior(&mut self, simd: S, mean: S::f64s) {
        self.mean = simd.add_f64s(self.mean, mean);
    }

    /// Adds the square of `a − b̄`.
    #[inline(always)]
    pub(crate) fn add_difference(&mut self, simd: S, difference: S::f64s) {
        self.square_difference = mul_add(simd, difference, difference, self.square_difference);
    }

    /// Adds `λ²σ²/2 − λx + log Φ(z)` with `t = x/σ`, which is `−½ t² − log(√(2π) w)` for `z < 0`, with
    /// `w = φ(z)/Φ(z)`, and `−½ λσ (t + z) + log Φ(z)` otherwise: neither is a difference of large numbers.
    #[inline(always)]
    pub(crate) fn add_likelihood(
        &mut self,
        simd: S,
        lambda_sigma: S::f64s,
        t: S::f64s,
        z: S::f64s,
        inverse_mass: S::f64s,
        keep: Option<S::m64s>,
    ) {
        let zero = simd.splat_f64s(0.0);
        let right = simd.mul_f64s(lambda_sigma, simd.add_f64s(t, z));
        let exponent = simd.select_f64s(simd.less_than_f64s(z, zero), simd.mul_f64s(t, t), right);
        self.exponent = simd.add_f64s(self.exponent, kept(simd, keep, exponent, zero));
        self.inverse_mass.multiply(simd, kept(simd, keep, inverse_mass, simd.splat_f64s(1.0)));
    }

    /// Adds `t²` and `log s` with `t = x/σs`, for the log-likelihood without a remainder.
    #[inline(always)]
    pub(crate) fn add_gaussian(&mut self, simd: S, t: S::f64s, scale: S::f64s) {
        self.exponent = mul_add(simd, t, t, self.exponent);
        self.inverse_mass.multiply(simd, scale);
    }

    /// The sums over the lanes without a remainder, in the units of the matrix.
    #[inline(always)]
    pub(crate) fn gaussian_sums(&self, simd: S, constants: &Constants<S>) -> PassStats {
        let sums = self.sums(simd, constants);
        sums.with_gaussian_likelihood(simd.reduce_sum_f64s(self.exponent), self.inverse_mass.log(), constants.params)
    }

    /// Adds `m` alone, for the priors without sums in `h`.
    #[inline(always)]
    pub(crate) fn add_curvature(&mut self, simd: S, m: S::f64s) {
        self.curvature = simd.add_f64s(self.curvature, m);
    }

    /// Adds the terms of the derivatives in log λ and log σ, with `r = t + λσ`: `h`, `m`, `h r`,
    /// `m r` and `m r²`.
    #[inline(always)]
    pub(crate) fn add_derivatives(&mut self, simd: S, reach: S::f64s, h: S::f64s, m: S::f64s) {
        let curvature_reach = simd.mul_f64s(m, reach);
        self.hazard = simd.add_f64s(self.hazard, h);
        self.curvature = simd.add_f64s(self.curvature, m);
        self.hazard_reach = mul_add(simd, h, reach, self.hazard_reach);
        self.curvature_reach = simd.add_f64s(self.curvature_reach, curvature_reach);
        self.curvature_reach_squared = mul_add(simd, curvature_reach, reach, self.curvature_reach_squared);
    }

    /// The sums over the lanes, in the units of the matrix.
    #[inline(always)]
    pub(crate) fn sums(&self, simd: S, constants: &Constants<S>) -> PassStats {
        let sum = |lanes| simd.reduce_sum_f64s(lanes);
        let sigma = constants.params.sigma;
        PassStats {
            count: self.count as f64 + sum(self.observed),
            mean_b: sigma * sum(self.mean),
            square_difference: sum(self.square_difference),
            maximum: simd.reduce_max_f64s(self.maximum),
            shift: constants.shift,
            first: sum(self.first_moment),
            second: sum(self.second_moment),
            log_kernel: -0.5 * sum(self.exponent) - self.inverse_mass.log(),
            hazard: sum(self.hazard),
            curvature: sum(self.curvature),
            hazard_reach: sum(self.hazard_reach),
            curvature_reach: sum(self.curvature_reach),
            curvature_reach_squared: sum(self.curvature_reach_squared),
            mixture: None,
        }
    }
}
