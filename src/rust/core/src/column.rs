//! The inner loop of the pass: a run of entries of one column, a few registers at a time.

use crate::lanes::{mul_add, posterior, LogProduct};
use crate::noise::Noise;
use crate::sums::Sums;
use pulp::Simd;

/// A run of entries of one column, with what belongs to their rows.
pub(crate) struct Line<'a> {
    /// The entries `a`.
    pub(crate) entries: &'a [f64],
    /// `u`, the loadings of their rows.
    pub(crate) loadings: &'a [f64],
    /// `p`, the weights of their rows.
    pub(crate) weights: &'a [f64],
    /// Where `(a − b̄) q` is added, row by row.
    pub(crate) products: &'a mut [f64],
    /// `d v`, of the column.
    pub(crate) loading: f64,
    /// `q`, of the column.
    pub(crate) weight: f64,
}

/// The loop over lines and the sums it gathers. Without `EXPECT`, `b` is zero and nothing is summed.
pub(crate) struct Kernel<S: Simd, const EXPECT: bool, const LIKELIHOOD: bool> {
    simd: S,
    constants: Constants<S>,
    tally: Tally<S>,
}

/// λ, σ and the shift, in the forms that the loop needs.
#[derive(Clone, Copy)]
struct Constants<S: Simd> {
    noise: Noise,
    shift: f64,
    minus_sigma: S::f64s,
    inverse_sigma: S::f64s,
    lambda_sigma: S::f64s,
    offset: S::f64s,
}

/// Sums a lane, in units of σ where the posterior is.
struct Tally<S: Simd> {
    count: usize,
    mean: S::f64s,
    second: S::f64s,
    square_rest: S::f64s,
    minimum: S::f64s,
    first_moment: S::f64s,
    second_moment: S::f64s,
    exponent: S::f64s,
    inverse_mass: LogProduct<S>,
}

impl<S: Simd, const EXPECT: bool, const LIKELIHOOD: bool> Kernel<S, EXPECT, LIKELIHOOD> {
    /// A kernel with empty sums; the residual's moments will be taken about `shift`.
    #[inline(always)]
    pub(crate) fn new(simd: S, noise: Noise, shift: f64) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self {
            simd,
            constants: Constants {
                noise,
                shift,
                minus_sigma: simd.splat_f64s(-noise.sigma),
                inverse_sigma: simd.splat_f64s(1.0 / noise.sigma),
                lambda_sigma: simd.splat_f64s(noise.lambda * noise.sigma),
                offset: simd.splat_f64s(shift),
            },
            tally: Tally {
                count: 0,
                mean: zero,
                second: zero,
                square_rest: zero,
                minimum: simd.splat_f64s(f64::INFINITY),
                first_moment: zero,
                second_moment: zero,
                exponent: zero,
                inverse_mass: LogProduct::new(simd),
            },
        }
    }

    /// The same kernel with empty sums.
    #[inline(always)]
    pub(crate) fn fresh(&self) -> Self {
        Self::new(self.simd, self.constants.noise, self.constants.shift)
    }

    /// Runs over a line: adds `(a − b̄) q` to its products and returns `Σ (a − b̄) p`.
    #[inline(always)]
    pub(crate) fn line(&mut self, line: Line) -> f64 {
        let simd = self.simd;
        let loading = simd.splat_f64s(-line.loading);
        let weight = simd.splat_f64s(line.weight);
        let (entries, last_entries) = S::as_simd_f64s(line.entries);
        let (loadings, last_loadings) = S::as_simd_f64s(line.loadings);
        let (weights, last_weights) = S::as_simd_f64s(line.weights);
        let (products, last_products) = S::as_mut_simd_f64s(line.products);
        let mut total = simd.splat_f64s(0.0);

        for (((&entry, &row_loading), &row_weight), product) in
            entries.iter().zip(loadings).zip(weights).zip(products.iter_mut())
        {
            let rest = self.step(entry, simd.mul_f64s(loading, row_loading), None);
            *product = mul_add(simd, rest, weight, *product);
            total = mul_add(simd, rest, row_weight, total);
        }
        if !last_entries.is_empty() {
            let keep = simd.mask_between_m64s(0, last_entries.len() as u64).mask();
            let entry = simd.partial_load_f64s(last_entries);
            let explained = simd.mul_f64s(loading, simd.partial_load_f64s(last_loadings));
            let rest = self.step(entry, explained, Some(keep));
            let product = mul_add(simd, rest, weight, simd.partial_load_f64s(last_products));
            simd.partial_store_f64s(last_products, product);
            total = mul_add(simd, rest, simd.partial_load_f64s(last_weights), total);
        }
        self.tally.count += line.entries.len();
        simd.reduce_sum_f64s(total)
    }

    /// One register of entries, with minus the part of them in W: adds to the sums and returns `a − b̄`.
    /// Where `keep` is given, the other lanes are left out and return 0.
    #[inline(always)]
    fn step(&mut self, entry: S::f64s, minus_explained: S::f64s, keep: Option<S::m64s>) -> S::f64s {
        let Self { simd, constants, tally } = self;
        let simd = *simd;
        let zero = simd.splat_f64s(0.0);
        let kept = |value: S::f64s, otherwise: S::f64s| match keep {
            Some(mask) => simd.select_f64s(mask, value, otherwise),
            None => value,
        };
        if !EXPECT {
            return kept(entry, zero);
        }
        let residual = simd.add_f64s(entry, minus_explained);
        let scaled = simd.mul_f64s(residual, constants.inverse_sigma);
        let z = simd.sub_f64s(scaled, constants.lambda_sigma);
        let b = posterior(simd, z);

        let centred = simd.sub_f64s(residual, constants.offset);
        let centred = kept(centred, zero);
        tally.first_moment = simd.add_f64s(tally.first_moment, centred);
        tally.second_moment = mul_add(simd, centred, centred, tally.second_moment);
        tally.minimum = simd.min_f64s(tally.minimum, kept(residual, tally.minimum));
        tally.mean = simd.add_f64s(tally.mean, kept(b.mean, zero));
        tally.second = simd.add_f64s(tally.second, kept(b.second, zero));
        if LIKELIHOOD {
            // λ²σ²/2 − λx + log Φ(z) = −½ (x/σ)² − log w to the left, −½ λσ(2x/σ − λσ) − log(1/Φ) to the right:
            // neither side is a difference of large numbers.
            let right = simd.mul_f64s(constants.lambda_sigma, simd.add_f64s(scaled, z));
            let left = simd.mul_f64s(scaled, scaled);
            let exponent = simd.select_f64s(simd.less_than_f64s(z, zero), left, right);
            tally.exponent = simd.add_f64s(tally.exponent, kept(exponent, zero));
            tally.inverse_mass.multiply(simd, kept(b.inverse_mass, simd.splat_f64s(1.0)));
        }
        let rest = kept(mul_add(simd, b.mean, constants.minus_sigma, entry), zero);
        tally.square_rest = mul_add(simd, rest, rest, tally.square_rest);
        rest
    }

    /// The sums over all lines so far.
    #[inline(always)]
    pub(crate) fn sums(&self) -> Sums {
        let Self { simd, constants, tally } = self;
        let sum = |lanes| simd.reduce_sum_f64s(lanes);
        let sigma = constants.noise.sigma;
        Sums {
            count: tally.count as f64,
            mean_b: sigma * sum(tally.mean),
            second_b: sigma * (sigma * sum(tally.second)),
            square_rest: sum(tally.square_rest),
            minimum: simd.reduce_min_f64s(tally.minimum),
            shift: constants.shift,
            first: sum(tally.first_moment),
            second: sum(tally.second_moment),
            log_kernel: if LIKELIHOOD { -0.5 * sum(tally.exponent) - tally.inverse_mass.log(*simd) } else { f64::NAN },
        }
    }
}
