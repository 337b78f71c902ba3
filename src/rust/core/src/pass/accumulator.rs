//! The sums that the inner loop keeps in registers, a lane each, in units of σ.

use crate::distributions::simd::{kept, mul_add, LogProduct};
use crate::noise::ResidualParams;
use crate::pass::PassStats;
use pulp::Simd;

/// λ, σ and the shift of the moments, in the forms that the loop needs.
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

/// [`PassStats`], before the lanes are added up.
#[derive(Clone, Copy)]
pub(crate) struct Accumulator<S: Simd> {
    pub(crate) count: usize,
    observed: S::f64s,
    maximum: S::f64s,
    first_moment: S::f64s,
    second_moment: S::f64s,
    mean: S::f64s,
    square_rest: S::f64s,
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
            square_rest: zero,
            exponent: zero,
            inverse_mass: LogProduct::new(simd),
            hazard: zero,
            curvature: zero,
            hazard_reach: zero,
            curvature_reach: zero,
            curvature_reach_squared: zero,
        }
    }

    /// One in the lanes that are not missing: the count, where it cannot be taken from lengths.
    #[inline(always)]
    pub(crate) fn add_observed(&mut self, simd: S, ones: S::f64s) {
        self.observed = simd.add_f64s(self.observed, ones);
    }

    /// The largest residual, and the residual's moments about the shift.
    #[inline(always)]
    pub(crate) fn add_residual(&mut self, simd: S, constants: &Constants<S>, x: S::f64s, keep: Option<S::m64s>) {
        self.maximum = simd.max_f64s(self.maximum, kept(simd, keep, x, self.maximum));
        let centred = kept(simd, keep, simd.sub_f64s(x, constants.offset), simd.splat_f64s(0.0));
        self.first_moment = simd.add_f64s(self.first_moment, centred);
        self.second_moment = mul_add(simd, centred, centred, self.second_moment);
    }

    /// `b̄/σ`.
    #[inline(always)]
    pub(crate) fn add_posterior(&mut self, simd: S, mean: S::f64s) {
        self.mean = simd.add_f64s(self.mean, mean);
    }

    /// `a − b̄`.
    #[inline(always)]
    pub(crate) fn add_rest(&mut self, simd: S, rest: S::f64s) {
        self.square_rest = mul_add(simd, rest, rest, self.square_rest);
    }

    /// `λ²σ²/2 − λx + log Φ(z)` with `t = x/σ`, which is `−½ t² − log(√(2π) w)` to the left of `z = 0`, with
    /// `w = φ(z)/Φ(z)`, and `−½ λσ (t + z) + log Φ(z)` to the right: neither is a difference of large numbers.
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

    /// `m`, where nothing is asked of the derivatives in `h`.
    #[inline(always)]
    pub(crate) fn add_curvature(&mut self, simd: S, m: S::f64s) {
        self.curvature = simd.add_f64s(self.curvature, m);
    }

    /// What the derivatives in log λ and log σ are made of, with the reach `r = t + λσ`: the sums of `h`, `m`, `h r`,
    /// `m r` and `m r²`.
    #[inline(always)]
    pub(crate) fn add_slopes(&mut self, simd: S, reach: S::f64s, h: S::f64s, m: S::f64s) {
        let curvature_reach = simd.mul_f64s(m, reach);
        self.hazard = simd.add_f64s(self.hazard, h);
        self.curvature = simd.add_f64s(self.curvature, m);
        self.hazard_reach = mul_add(simd, h, reach, self.hazard_reach);
        self.curvature_reach = simd.add_f64s(self.curvature_reach, curvature_reach);
        self.curvature_reach_squared = mul_add(simd, curvature_reach, reach, self.curvature_reach_squared);
    }

    /// The lanes added up, in the units of the matrix.
    #[inline(always)]
    pub(crate) fn sums(&self, simd: S, constants: &Constants<S>) -> PassStats {
        let sum = |lanes| simd.reduce_sum_f64s(lanes);
        let sigma = constants.params.sigma;
        PassStats {
            count: self.count as f64 + sum(self.observed),
            mean_b: sigma * sum(self.mean),
            square_rest: sum(self.square_rest),
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
            mixed: None,
        }
    }
}
