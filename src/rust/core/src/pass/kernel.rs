//! The inner loop of the pass: a run of entries of one column, one vector register at a time.

use crate::distributions::simd;
use crate::distributions::simd::{mul_add, truncated_lanes};
use crate::noise::ResidualParams;
use crate::pass::mixture::{mixture_posterior, Mixture, MixtureAccumulator};
use crate::pass::stats::{Accumulator, Constants};
use crate::pass::PassStats;
use crate::remainder_prior::RemainderPrior;
use crate::residual::residual_kind;
use pulp::{Simd, WithSimd};

/// The levels of [`crate::pass::PassLevel`] as constants, so that the compiler builds one loop for each level.
pub(crate) mod kernel_level {
    use crate::pass::PassLevel;

    pub(crate) const PRODUCT: u8 = PassLevel::Product as u8;
    pub(crate) const EXPECTATION: u8 = PassLevel::Expectation as u8;
    pub(crate) const LIKELIHOOD: u8 = PassLevel::Likelihood as u8;
    pub(crate) const CURVATURE: u8 = PassLevel::Curvature as u8;
    pub(crate) const NOISE_SCALE: u8 = PassLevel::NoiseScale as u8;
}

/// A run of consecutive entries of one column, with the loadings, weights and sums of their rows.
pub(crate) struct ColumnRun<'a, 'k, S: Simd, const LEVEL: u8, const MASKED: bool, const KIND: u8> {
    /// Accumulates the sums over the entries.
    pub(crate) kernel: &'k mut Kernel<S, LEVEL, MASKED, KIND>,
    /// The entries `a`.
    pub(crate) entries: &'a [f64],
    /// `u`, the loadings of their rows.
    pub(crate) loadings: &'a [f64],
    /// `p`, the weights of their rows.
    pub(crate) weights: &'a [f64],
    /// The row sums to which `(a − b̄) q` is added; may be longer than the run.
    pub(crate) products: &'a mut [f64],
    /// The row sums to which `m q²` is added, at the levels with curvatures.
    pub(crate) curvatures: &'a mut [f64],
    /// `d v` of the column.
    pub(crate) loading: f64,
    /// `q` of the column.
    pub(crate) weight: f64,
    /// The noise scales `s` of the entries, up to `column_scale`; empty if all are 1.
    pub(crate) scales: &'a [f64],
    /// The factor of the column in the noise scales.
    pub(crate) column_scale: f64,
}

/// The sums over a run: `Σ (a − b̄) p` and `Σ m p²`.
pub(crate) struct ColumnSums {
    pub(crate) product: f64,
    pub(crate) curvature: f64,
}

/// The loop over runs and the sums that it accumulates. It checks for missing entries, which are NaN, only if `MASKED`. `KIND` is
/// one of [`residual_kind`].
#[derive(Clone, Copy)]
pub(crate) struct Kernel<S: Simd, const LEVEL: u8, const MASKED: bool, const KIND: u8> {
    pub(crate) simd: S,
    constants: Constants<S>,
    accumulator: Accumulator<S>,
    mixture: Mixture,
    mixture_accumulator: MixtureAccumulator<S>,
}

/// The loop, compiled for the instruction set of the kernel. All callers share one function, because it is long and is compiled
/// for each instruction set, level and kind of matrix: they pass a run to `vectorize()`.
impl<S: Simd, const LEVEL: u8, const MASKED: bool, const KIND: u8> WithSimd
    for ColumnRun<'_, '_, S, LEVEL, MASKED, KIND>
{
    type Output = ColumnSums;

    #[inline(always)]
    fn with_simd<T: Simd>(self, _: T) -> ColumnSums {
        let run = self;
        // A local copy, which nothing else can alias, stays in registers.
        let mut kernel = *run.kernel;
        let simd = kernel.simd;
        let length = run.entries.len();
        let loading = simd.splat_f64s(-run.loading);
        let weight = simd.splat_f64s(run.weight);
        let weight_squared = simd.splat_f64s(run.weight * run.weight);
        let (entries, last_entries) = S::as_simd_f64s(run.entries);
        let (loadings, last_loadings) = S::as_simd_f64s(run.loadings);
        let (weights, last_weights) = S::as_simd_f64s(run.weights);
        let (products, last_products) = S::as_mut_simd_f64s(&mut run.products[..length]);
        let curvature_count = if LEVEL >= kernel_level::CURVATURE { length } else { 0 };
        let (curvatures, last_curvatures) = S::as_mut_simd_f64s(&mut run.curvatures[..curvature_count]);
        let mut product = simd.splat_f64s(0.0);
        let mut curvature = simd.splat_f64s(0.0);
        let one = simd.splat_f64s(1.0);
        let column_scale = simd.splat_f64s(run.column_scale);
        let scaled = KIND != residual_kind::EXPONENTIAL && !run.scales.is_empty();
        let (scales, last_scales) = S::as_simd_f64s(run.scales);

        // Asserting equal lengths once removes the bounds checks in the loop.
        let (loadings, weights) = (&loadings[..entries.len()], &weights[..entries.len()]);
        let products = &mut products[..entries.len()];
        let curvatures = &mut curvatures[..if LEVEL >= kernel_level::CURVATURE { entries.len() } else { 0 }];
        for index in 0..entries.len() {
            let scale = if scaled { simd.mul_f64s(scales[index], column_scale) } else { one };
            let terms = kernel.step(entries[index], simd.mul_f64s(loading, loadings[index]), scale, None);
            products[index] = mul_add(simd, terms.difference, weight, products[index]);
            product = mul_add(simd, terms.difference, weights[index], product);
            if LEVEL >= kernel_level::CURVATURE {
                curvatures[index] = mul_add(simd, terms.curvature, weight_squared, curvatures[index]);
                let square = simd.mul_f64s(weights[index], weights[index]);
                curvature = mul_add(simd, terms.curvature, square, curvature);
            }
        }
        if !last_entries.is_empty() {
            let keep = simd.mask_between_m64s(0, last_entries.len() as u64).mask();
            let fitted = simd.mul_f64s(loading, simd.partial_load_f64s(last_loadings));
            let scale = if scaled { simd.mul_f64s(simd.partial_load_f64s(last_scales), column_scale) } else { one };
            let scale = simd.select_f64s(keep, scale, one);
            let terms = kernel.step(simd.partial_load_f64s(last_entries), fitted, scale, Some(keep));
            let row_weight = simd.partial_load_f64s(last_weights);
            let sum = mul_add(simd, terms.difference, weight, simd.partial_load_f64s(last_products));
            simd.partial_store_f64s(last_products, sum);
            product = mul_add(simd, terms.difference, row_weight, product);
            if LEVEL >= kernel_level::CURVATURE {
                let old = simd.partial_load_f64s(last_curvatures);
                simd.partial_store_f64s(last_curvatures, mul_add(simd, terms.curvature, weight_squared, old));
                let square = simd.mul_f64s(row_weight, row_weight);
                curvature = mul_add(simd, terms.curvature, square, curvature);
            }
        }
        if !MASKED {
            kernel.accumulator.count += length;
        }
        *run.kernel = kernel;
        ColumnSums { product: simd.reduce_sum_f64s(product), curvature: simd.reduce_sum_f64s(curvature) }
    }
}

/// The terms of one register of entries: `a − b̄` (or `x − b̄`) and `m`.
struct EntryTerms<S: Simd> {
    difference: S::f64s,
    curvature: S::f64s,
}

impl<S: Simd, const LEVEL: u8, const MASKED: bool, const KIND: u8> Kernel<S, LEVEL, MASKED, KIND> {
    /// A kernel with empty sums; moments of the residual are taken about `shift`.
    #[inline(always)]
    pub(crate) fn new(simd: S, params: ResidualParams, prior: &RemainderPrior, shift: f64) -> Self {
        let mixture = Mixture::new(prior, params);
        let mut constants = Constants::new(simd, params, shift);
        if KIND == residual_kind::MIXTURE {
            // The exponent of the log-likelihood is that of the exponential with the smallest rate.
            constants.lambda_sigma = simd.splat_f64s(mixture.smallest_kappa());
        }
        Self::empty(simd, constants, mixture)
    }

    /// The same kernel with empty sums.
    #[inline(always)]
    pub(crate) fn fresh(&self) -> Self {
        Self::empty(self.simd, self.constants, self.mixture)
    }

    #[inline(always)]
    fn empty(simd: S, constants: Constants<S>, mixture: Mixture) -> Self {
        Self {
            simd,
            constants,
            accumulator: Accumulator::new(simd),
            mixture,
            mixture_accumulator: MixtureAccumulator::new(simd),
        }
    }

    /// The sums over all runs so far.
    #[inline(always)]
    pub(crate) fn sums(&self) -> PassStats {
        let sums = self.accumulator.sums(self.simd, &self.constants);
        match KIND {
            residual_kind::MIXTURE => PassStats { mixture: Some(self.mixture_accumulator.sums(self.simd)), ..sums },
            residual_kind::GAUSSIAN if LEVEL >= kernel_level::LIKELIHOOD => {
                self.accumulator.gaussian_sums(self.simd, &self.constants)
            }
            _ => sums,
        }
    }

    /// Processes one register of entries, given minus their part in W. With `keep`, the other lanes are excluded from all
    /// sums and their terms are 0. `scale` is `s`; it is not used under an exponential remainder.
    #[inline(always)]
    fn step(&mut self, entry: S::f64s, minus_fitted: S::f64s, scale: S::f64s, keep: Option<S::m64s>) -> EntryTerms<S> {
        let Self { simd, constants, accumulator, mixture, mixture_accumulator } = self;
        let simd = *simd;
        let zero = simd.splat_f64s(0.0);
        let keep = if MASKED {
            let observed = simd.equal_f64s(entry, entry);
            Some(keep.map_or(observed, |lanes| simd.and_m64s(lanes, observed)))
        } else {
            keep
        };
        let kept = |value: S::f64s| simd::kept(simd, keep, value, zero);
        if LEVEL == kernel_level::PRODUCT {
            return EntryTerms { difference: kept(entry), curvature: zero };
        }
        let residual = simd.add_f64s(entry, minus_fitted);
        let mut scaled = simd.mul_f64s(residual, constants.inverse_sigma);
        let (mut lambda_sigma, mut minus_sigma, mut precision) = (constants.lambda_sigma, constants.minus_sigma, zero);
        if KIND != residual_kind::EXPONENTIAL {
            let inverse = simd.div_f64s(simd.splat_f64s(1.0), scale);
            scaled = simd.mul_f64s(scaled, inverse);
            lambda_sigma = simd.mul_f64s(lambda_sigma, scale);
            minus_sigma = simd.mul_f64s(minus_sigma, scale);
            precision = simd.mul_f64s(inverse, inverse);
        }
        let z = simd.sub_f64s(scaled, lambda_sigma);
        if MASKED {
            accumulator.add_observed(simd, kept(simd.splat_f64s(1.0)));
        }
        accumulator.add_residual(simd, constants, residual, keep);
        let (mean, curvature) = if KIND == residual_kind::GAUSSIAN {
            if LEVEL >= kernel_level::LIKELIHOOD {
                accumulator.add_gaussian(simd, kept(scaled), simd::kept(simd, keep, scale, simd.splat_f64s(1.0)));
            }
            if LEVEL == kernel_level::NOISE_SCALE {
                let one = kept(simd.splat_f64s(1.0));
                return EntryTerms { difference: kept(simd.mul_f64s(scaled, scaled)), curvature: one };
            }
            let curvature = if LEVEL >= kernel_level::CURVATURE { kept(precision) } else { zero };
            accumulator.add_curvature(simd, curvature);
            (zero, curvature)
        } else if KIND == residual_kind::MIXTURE {
            let derivatives = LEVEL >= kernel_level::CURVATURE;
            let b = mixture_posterior(simd, mixture, scaled, scale, derivatives);
            let mean = simd.mul_f64s(b.mean, scale);
            accumulator.add_posterior(simd, kept(mean));
            if LEVEL >= kernel_level::LIKELIHOOD {
                accumulator.add_likelihood(simd, lambda_sigma, scaled, z, b.inverse_density, keep);
                mixture_accumulator.add(simd, mixture, &b, derivatives, keep);
            }
            if LEVEL == kernel_level::NOISE_SCALE {
                let one = simd.splat_f64s(1.0);
                let noise = simd.sub_f64s(scaled, b.mean);
                let square = mul_add(simd, noise, noise, simd.sub_f64s(one, b.curvature));
                return EntryTerms { difference: kept(square), curvature: kept(one) };
            }
            let curvature = if derivatives { kept(simd.mul_f64s(b.curvature, precision)) } else { zero };
            accumulator.add_curvature(simd, curvature);
            (b.mean, curvature)
        } else {
            let b = truncated_lanes(simd, z);
            accumulator.add_posterior(simd, kept(b.mean));
            if LEVEL >= kernel_level::LIKELIHOOD {
                accumulator.add_likelihood(simd, lambda_sigma, scaled, z, b.inverse_mass, keep);
            }
            let mut curvature = zero;
            if LEVEL >= kernel_level::CURVATURE {
                curvature = kept(simd.mul_f64s(b.hazard, b.mean));
                let reach = kept(simd.add_f64s(scaled, constants.lambda_sigma));
                accumulator.add_derivatives(simd, reach, kept(b.hazard), curvature);
            }
            (b.mean, curvature)
        };
        let base = if LEVEL >= kernel_level::CURVATURE { residual } else { entry };
        let difference = mul_add(simd, mean, minus_sigma, base);
        let difference = if KIND != residual_kind::EXPONENTIAL && LEVEL >= kernel_level::CURVATURE {
            simd.mul_f64s(difference, precision)
        } else {
            difference
        };
        // EM imputes missing entries by their expectation.
        let imputed = if MASKED && LEVEL < kernel_level::CURVATURE { simd.sub_f64s(zero, minus_fitted) } else { zero };
        let difference = simd::kept(simd, keep, difference, imputed);
        accumulator.add_difference(simd, difference);
        EntryTerms { difference, curvature }
    }
}
