//! The inner loop of the pass: a run of entries of one column, a register at a time.

use crate::distributions::simd;
use crate::distributions::simd::{mul_add, posterior};
use crate::noise::ResidualParams;
use crate::pass::accumulator::{Accumulator, Constants};
use crate::pass::mixture::{explain, Mixture};
use crate::pass::mixture_sums::MixtureAccumulator;
use crate::pass::PassStats;
use crate::remainder_prior::RemainderPrior;
use pulp::{Simd, WithSimd};

/// How much the loop computes, as constants that the compiler can build each loop for.
pub(crate) mod level {
    /// `b = 0`: products only.
    pub(crate) const PRODUCT: u8 = 0;
    /// [`super::super::PassLevel::Expectation`]
    pub(crate) const EXPECTATION: u8 = 1;
    /// [`super::super::PassLevel::Likelihood`]
    pub(crate) const LIKELIHOOD: u8 = 2;
    /// [`super::super::PassLevel::Curvature`]
    pub(crate) const CURVATURE: u8 = 3;
    /// [`super::super::PassLevel::NoiseScale`]
    pub(crate) const NOISE_SCALE: u8 = 4;
}

/// A run of entries of one column, with what belongs to their rows.
pub(crate) struct Line<'a> {
    /// The entries `a`.
    pub(crate) entries: &'a [f64],
    /// `u`, the loadings of their rows.
    pub(crate) loadings: &'a [f64],
    /// `p`, the weights of their rows.
    pub(crate) weights: &'a [f64],
    /// Where `(a − b̄) q` is added, row by row; may be longer than the run.
    pub(crate) products: &'a mut [f64],
    /// Where `m q²` is added, row by row, if curvatures are asked for.
    pub(crate) curvatures: &'a mut [f64],
    /// `d v`, of the column.
    pub(crate) loading: f64,
    /// `q`, of the column.
    pub(crate) weight: f64,
    /// `s`, of the entries, or nothing where all are 1.
    pub(crate) deviations: &'a [f64],
    /// What they are multiplied by, of the column.
    pub(crate) deviation: f64,
}

/// What a line adds up to: `Σ (a − b̄) p` and `Σ m p²`.
pub(crate) struct Totals {
    pub(crate) product: f64,
    pub(crate) curvature: f64,
}

/// The loop over lines and the sums it gathers. Only where `MASKED` does it look for missing entries, which are NaN, and
/// only where `MIXED` may the law of `b` be more than one exponential, and the noise of entries differ.
#[derive(Clone, Copy)]
pub(crate) struct Kernel<S: Simd, const LEVEL: u8, const MASKED: bool, const MIXED: bool> {
    simd: S,
    constants: Constants<S>,
    tally: Accumulator<S>,
    mixture: Mixture,
    mixed: MixtureAccumulator<S>,
}

/// The run of a kernel over a line, compiled for the instruction set that the kernel was made for.
struct LinePass<'a, 'b, S: Simd, const LEVEL: u8, const MASKED: bool, const MIXED: bool> {
    kernel: &'a mut Kernel<S, LEVEL, MASKED, MIXED>,
    line: Line<'b>,
}

impl<S: Simd, const LEVEL: u8, const MASKED: bool, const MIXED: bool> WithSimd
    for LinePass<'_, '_, S, LEVEL, MASKED, MIXED>
{
    type Output = Totals;

    #[inline(always)]
    fn with_simd<T: Simd>(self, _: T) -> Totals {
        // A copy that nothing else can see stays in registers.
        let mut kernel = *self.kernel;
        let totals = kernel.run(self.line);
        *self.kernel = kernel;
        totals
    }
}

/// What one register of entries yields: `a − b̄` (or `x − b̄`) and `m`.
struct Yield<S: Simd> {
    rest: S::f64s,
    curvature: S::f64s,
}

impl<S: Simd, const LEVEL: u8, const MASKED: bool, const MIXED: bool> Kernel<S, LEVEL, MASKED, MIXED> {
    /// A kernel with empty sums; the residual's moments will be taken about `shift`.
    #[inline(always)]
    pub(crate) fn new(simd: S, params: ResidualParams, law: &RemainderPrior, shift: f64) -> Self {
        let mixture = Mixture::new(law, params);
        let mut constants = Constants::new(simd, params, shift);
        if MIXED {
            // The exponent of the log-likelihood is that of the slowest exponential.
            constants.lambda_sigma = simd.splat_f64s(mixture.least());
        }
        Self { simd, constants, tally: Accumulator::new(simd), mixture, mixed: MixtureAccumulator::new(simd) }
    }

    /// The same kernel with empty sums.
    #[inline(always)]
    pub(crate) fn fresh(&self) -> Self {
        let Self { simd, constants, mixture, .. } = *self;
        Self { simd, constants, tally: Accumulator::new(simd), mixture, mixed: MixtureAccumulator::new(simd) }
    }

    /// The sums over all lines so far.
    #[inline(always)]
    pub(crate) fn sums(&self) -> PassStats {
        let sums = self.tally.sums(self.simd, &self.constants);
        PassStats { mixed: MIXED.then(|| self.mixed.sums(self.simd)), ..sums }
    }

    /// Runs over a line, in a function that all callers share: the loop is long, and there is one for each instruction
    /// set, each level, each kind of matrix.
    #[inline(always)]
    pub(crate) fn line(&mut self, line: Line) -> Totals {
        self.simd.vectorize(LinePass { kernel: self, line })
    }

    /// The loop.
    #[inline(always)]
    fn run(&mut self, line: Line) -> Totals {
        let simd = self.simd;
        let length = line.entries.len();
        let loading = simd.splat_f64s(-line.loading);
        let weight = simd.splat_f64s(line.weight);
        let weight_squared = simd.splat_f64s(line.weight * line.weight);
        let (entries, last_entries) = S::as_simd_f64s(line.entries);
        let (loadings, last_loadings) = S::as_simd_f64s(line.loadings);
        let (weights, last_weights) = S::as_simd_f64s(line.weights);
        let (products, last_products) = S::as_mut_simd_f64s(&mut line.products[..length]);
        let curvature_count = if LEVEL >= level::CURVATURE { length } else { 0 };
        let (curvatures, last_curvatures) = S::as_mut_simd_f64s(&mut line.curvatures[..curvature_count]);
        let mut product = simd.splat_f64s(0.0);
        let mut curvature = simd.splat_f64s(0.0);
        let one = simd.splat_f64s(1.0);
        let deviation = simd.splat_f64s(line.deviation);
        let uneven = MIXED && !line.deviations.is_empty();
        let (deviations, last_deviations) = S::as_simd_f64s(line.deviations);

        // Equal lengths, said once here, spare a check at every index below.
        let (loadings, weights) = (&loadings[..entries.len()], &weights[..entries.len()]);
        let products = &mut products[..entries.len()];
        let curvatures = &mut curvatures[..if LEVEL >= level::CURVATURE { entries.len() } else { 0 }];
        for index in 0..entries.len() {
            let own = if uneven { simd.mul_f64s(deviations[index], deviation) } else { one };
            let found = self.step(entries[index], simd.mul_f64s(loading, loadings[index]), own, None);
            products[index] = mul_add(simd, found.rest, weight, products[index]);
            product = mul_add(simd, found.rest, weights[index], product);
            if LEVEL >= level::CURVATURE {
                curvatures[index] = mul_add(simd, found.curvature, weight_squared, curvatures[index]);
                let square = simd.mul_f64s(weights[index], weights[index]);
                curvature = mul_add(simd, found.curvature, square, curvature);
            }
        }
        if !last_entries.is_empty() {
            let keep = simd.mask_between_m64s(0, last_entries.len() as u64).mask();
            let explained = simd.mul_f64s(loading, simd.partial_load_f64s(last_loadings));
            let own = if uneven { simd.mul_f64s(simd.partial_load_f64s(last_deviations), deviation) } else { one };
            let own = simd.select_f64s(keep, own, one);
            let found = self.step(simd.partial_load_f64s(last_entries), explained, own, Some(keep));
            let row_weight = simd.partial_load_f64s(last_weights);
            let sum = mul_add(simd, found.rest, weight, simd.partial_load_f64s(last_products));
            simd.partial_store_f64s(last_products, sum);
            product = mul_add(simd, found.rest, row_weight, product);
            if LEVEL >= level::CURVATURE {
                let old = simd.partial_load_f64s(last_curvatures);
                simd.partial_store_f64s(last_curvatures, mul_add(simd, found.curvature, weight_squared, old));
                let square = simd.mul_f64s(row_weight, row_weight);
                curvature = mul_add(simd, found.curvature, square, curvature);
            }
        }
        if !MASKED {
            self.tally.count += length;
        }
        Totals { product: simd.reduce_sum_f64s(product), curvature: simd.reduce_sum_f64s(curvature) }
    }

    /// One register of entries, with minus the part of them in W. Where `keep` is given, the other lanes are left out
    /// of all sums and yield 0. `deviation` is `s`, which counts only where `MIXED`.
    #[inline(always)]
    fn step(
        &mut self,
        entry: S::f64s,
        minus_explained: S::f64s,
        deviation: S::f64s,
        keep: Option<S::m64s>,
    ) -> Yield<S> {
        let Self { simd, constants, tally, mixture, mixed } = self;
        let simd = *simd;
        let zero = simd.splat_f64s(0.0);
        let keep = if MASKED {
            let observed = simd.equal_f64s(entry, entry);
            Some(keep.map_or(observed, |lanes| simd.and_m64s(lanes, observed)))
        } else {
            keep
        };
        let kept = |value: S::f64s| simd::kept(simd, keep, value, zero);
        if LEVEL == level::PRODUCT {
            return Yield { rest: kept(entry), curvature: zero };
        }
        let residual = simd.add_f64s(entry, minus_explained);
        let mut scaled = simd.mul_f64s(residual, constants.inverse_sigma);
        let (mut lambda_sigma, mut minus_sigma, mut precision) = (constants.lambda_sigma, constants.minus_sigma, zero);
        if MIXED {
            let inverse = simd.div_f64s(simd.splat_f64s(1.0), deviation);
            scaled = simd.mul_f64s(scaled, inverse);
            lambda_sigma = simd.mul_f64s(lambda_sigma, deviation);
            minus_sigma = simd.mul_f64s(minus_sigma, deviation);
            precision = simd.mul_f64s(inverse, inverse);
        }
        let z = simd.sub_f64s(scaled, lambda_sigma);
        if MASKED {
            tally.add_observed(simd, kept(simd.splat_f64s(1.0)));
        }
        tally.add_residual(simd, constants, residual, keep);
        let (mean, curvature) = if MIXED {
            let slopes = LEVEL >= level::CURVATURE;
            let b = explain(simd, mixture, scaled, deviation, slopes);
            let mean = simd.mul_f64s(b.mean, deviation);
            tally.add_posterior(simd, kept(mean));
            if LEVEL >= level::LIKELIHOOD {
                tally.add_likelihood(simd, lambda_sigma, scaled, z, b.inverse_density, keep);
                mixed.add(simd, mixture, &b, slopes, keep);
            }
            if LEVEL == level::NOISE_SCALE {
                let one = simd.splat_f64s(1.0);
                let off = simd.sub_f64s(scaled, b.mean);
                let square = mul_add(simd, off, off, simd.sub_f64s(one, b.curvature));
                return Yield { rest: kept(square), curvature: kept(one) };
            }
            let curvature = if slopes { kept(simd.mul_f64s(b.curvature, precision)) } else { zero };
            tally.add_curvature(simd, curvature);
            (b.mean, curvature)
        } else {
            let b = posterior(simd, z);
            tally.add_posterior(simd, kept(b.mean));
            if LEVEL >= level::LIKELIHOOD {
                tally.add_likelihood(simd, lambda_sigma, scaled, z, b.inverse_mass, keep);
            }
            let mut curvature = zero;
            if LEVEL >= level::CURVATURE {
                curvature = kept(simd.mul_f64s(b.hazard, b.mean));
                let reach = kept(simd.add_f64s(scaled, constants.lambda_sigma));
                tally.add_slopes(simd, reach, kept(b.hazard), curvature);
            }
            (b.mean, curvature)
        };
        let base = if LEVEL >= level::CURVATURE { residual } else { entry };
        let rest = mul_add(simd, mean, minus_sigma, base);
        let rest = if MIXED && LEVEL >= level::CURVATURE { simd.mul_f64s(rest, precision) } else { rest };
        // EM puts what the model expects in the place of what is missing.
        let otherwise = if MASKED && LEVEL < level::CURVATURE { simd.sub_f64s(zero, minus_explained) } else { zero };
        let rest = simd::kept(simd, keep, rest, otherwise);
        tally.add_rest(simd, rest);
        Yield { rest, curvature }
    }
}
