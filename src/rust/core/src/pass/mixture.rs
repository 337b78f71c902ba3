//! The posterior of `b` under a mixture prior ([`crate::remainder_prior::RemainderPrior`]), one vector register at a time.
//!
//! To avoid cancellation the density is written in the reduced form `f(x) = λ e^{−E/2} P`. With `κ_1` and `z_1` those of the
//! exponential with the smallest rate, whose `z` is the largest, `E` is `t²` if `z_1 < 0` and `κ_1 (t + z_1)` otherwise. The
//! terms of `P` are
//!
//! ```text
//! π_k r_k √(2π) y_k / I_k   and   y_0 π_0 / κ,      y_k = φ(√(d_k (2 z_1⁺ − d_k))),   d_k = min(κ_k − κ_1, z_1⁺)
//! ```
//!
//! with `I_k` the inverse mass of [`truncated_lanes`] and `d_0 = z_1⁺`. No term overflows. The first exponential needs no
//! `y`: it is `φ(0)`.

use crate::distributions::simd::{density_at_square, kept, mul_add, truncated_lanes, TruncatedLanes, SQRT_TAU};
use crate::noise::ResidualParams;
use crate::remainder_prior::{RemainderPrior, MAX_COMPONENTS};
use pulp::Simd;

/// The constants of a prior that the loop needs, in units of σ.
#[derive(Clone, Copy)]
pub(crate) struct Mixture {
    count: usize,
    /// `κ_k`.
    kappas: [f64; MAX_COMPONENTS],
    /// `κ_k − κ_1`.
    gaps: [f64; MAX_COMPONENTS],
    /// `π_k r_k √(2π)`, for the first `π_1 r_1`.
    factors: [f64; MAX_COMPONENTS],
    /// `π_0/κ`.
    atom: f64,
}

impl Mixture {
    pub(crate) fn new(prior: &RemainderPrior, params: ResidualParams) -> Self {
        let kappa = params.lambda * params.sigma;
        let zeros = [0.0; MAX_COMPONENTS];
        let mut mixture = Self { count: 0, kappas: zeros, gaps: zeros, factors: zeros, atom: prior.atom() / kappa };
        let smallest_rate = prior.exponentials().next().map_or(1.0, |(_, rate)| rate);
        for (index, (weight, rate)) in prior.exponentials().enumerate() {
            mixture.kappas[index] = kappa * rate;
            mixture.gaps[index] = kappa * (rate - smallest_rate);
            mixture.factors[index] = weight * rate * if index == 0 { 1.0 } else { SQRT_TAU };
            mixture.count += 1;
        }
        mixture
    }

    /// The number of exponentials.
    #[inline(always)]
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Whether there is a point mass.
    #[inline(always)]
    pub(crate) fn has_atom(&self) -> bool {
        self.atom > 0.0
    }

    /// `κ_1`, the smallest.
    pub(crate) fn smallest_kappa(&self) -> f64 {
        self.kappas[0]
    }
}

/// The posterior of one register of entries.
pub(crate) struct MixturePosterior<S: Simd> {
    /// `b̄/σ`.
    pub(crate) mean: S::f64s,
    /// `m = 1 − Var[b]/σ²`, which may be below zero.
    pub(crate) curvature: S::f64s,
    /// `1/P`.
    pub(crate) inverse_density: S::f64s,
    /// The terms of `P`; the last is that of the point mass.
    pub(crate) terms: [S::f64s; MAX_COMPONENTS + 1],
    /// The derivatives and second derivatives of `log f` in `log λ` and `log σ`: `l`, `s`, `ll`, `ls`, `ss`.
    pub(crate) derivatives: [S::f64s; 5],
}

/// The posterior under one component, and the derivatives of its log-density (see [`crate::noise_derivatives`]).
struct ComponentPosterior<S: Simd> {
    b: TruncatedLanes<S>,
    /// `h B`.
    curvature: S::f64s,
    l: S::f64s,
    s: S::f64s,
    ll: S::f64s,
    ls: S::f64s,
    ss: S::f64s,
}

#[inline(always)]
fn component_posterior<S: Simd>(simd: S, t: S::f64s, kappas: S::f64s) -> ComponentPosterior<S> {
    let b = truncated_lanes(simd, simd.sub_f64s(t, kappas));
    let reach = simd.add_f64s(t, kappas);
    let curvature = simd.mul_f64s(b.hazard, b.mean);
    let square = simd.mul_f64s(kappas, kappas);
    let kappa_b = simd.mul_f64s(kappas, b.mean);
    let hazard_reach = simd.mul_f64s(b.hazard, reach);
    let relative_variance = simd.sub_f64s(simd.splat_f64s(1.0), curvature);
    let curvature_reach = simd.mul_f64s(curvature, reach);
    let two_kappas = simd.add_f64s(kappas, kappas);
    let ss = simd.mul_f64s(two_kappas, simd.sub_f64s(kappas, b.hazard));
    ComponentPosterior {
        l: simd.sub_f64s(simd.splat_f64s(1.0), kappa_b),
        s: simd.sub_f64s(square, hazard_reach),
        ll: simd.sub_f64s(simd.mul_f64s(square, relative_variance), kappa_b),
        ls: simd.sub_f64s(simd.mul_f64s(simd.mul_f64s(kappas, relative_variance), reach), kappa_b),
        ss: simd.add_f64s(simd.sub_f64s(ss, simd.mul_f64s(curvature_reach, reach)), hazard_reach),
        b,
        curvature,
    }
}

/// Sums over components, weighted by the terms of `P`; of differences from the first component, to avoid cancellation.
struct WeightedSums<S: Simd> {
    total: S::f64s,
    mean: S::f64s,
    curvature: S::f64s,
    shift: S::f64s,
    square_shift: S::f64s,
    l: S::f64s,
    s: S::f64s,
    ll: S::f64s,
    ls: S::f64s,
    ss: S::f64s,
}

impl<S: Simd> WeightedSums<S> {
    #[inline(always)]
    fn new(simd: S) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self {
            total: zero,
            mean: zero,
            curvature: zero,
            shift: zero,
            square_shift: zero,
            l: zero,
            s: zero,
            ll: zero,
            ls: zero,
            ss: zero,
        }
    }

    #[inline(always)]
    fn add(
        &mut self,
        simd: S,
        weight: S::f64s,
        component: &ComponentPosterior<S>,
        first: &ComponentPosterior<S>,
        derivatives: bool,
    ) {
        self.total = simd.add_f64s(self.total, weight);
        self.mean = mul_add(simd, weight, component.b.mean, self.mean);
        if derivatives {
            let difference = simd.sub_f64s(component.b.mean, first.b.mean);
            let (l, s) = (simd.sub_f64s(component.l, first.l), simd.sub_f64s(component.s, first.s));
            self.curvature = mul_add(simd, weight, component.curvature, self.curvature);
            self.shift = mul_add(simd, weight, difference, self.shift);
            self.square_shift = mul_add(simd, weight, simd.mul_f64s(difference, difference), self.square_shift);
            self.l = mul_add(simd, weight, l, self.l);
            self.s = mul_add(simd, weight, s, self.s);
            self.ll = mul_add(simd, weight, mul_add(simd, l, l, component.ll), self.ll);
            self.ls = mul_add(simd, weight, mul_add(simd, l, s, component.ls), self.ls);
            self.ss = mul_add(simd, weight, mul_add(simd, s, s, component.ss), self.ss);
        }
    }
}

/// The mean of a product minus the product of means.
#[inline(always)]
fn covariance<S: Simd>(simd: S, mean: S::f64s, one: S::f64s, other: S::f64s) -> S::f64s {
    simd.sub_f64s(mean, simd.mul_f64s(one, other))
}

/// `y` for a gap `κ_k − κ_1`, given `z_1⁺`.
#[inline(always)]
fn density_ratio<S: Simd>(simd: S, gap: S::f64s, above: S::f64s) -> S::f64s {
    let d = simd.min_f64s(gap, above);
    density_at_square(simd, simd.mul_f64s(d, simd.sub_f64s(simd.add_f64s(above, above), d)))
}

/// The posterior of `b` at `t = x/σs` and `s`, in units of `σs`. Curvature and derivatives are valid only if requested by
/// `derivatives`.
#[inline(always)]
pub(crate) fn mixture_posterior<S: Simd>(
    simd: S,
    mixture: &Mixture,
    t: S::f64s,
    s: S::f64s,
    derivatives: bool,
) -> MixturePosterior<S> {
    let zero = simd.splat_f64s(0.0);
    let one = simd.splat_f64s(1.0);
    let smallest = simd.mul_f64s(simd.splat_f64s(mixture.kappas[0]), s);
    let first = component_posterior(simd, t, smallest);
    let above = simd.max_f64s(simd.sub_f64s(t, smallest), zero);
    let mut terms = [zero; MAX_COMPONENTS + 1];
    let mut sums = WeightedSums::new(simd);
    terms[0] = simd.div_f64s(simd.splat_f64s(mixture.factors[0]), first.b.inverse_mass);
    sums.add(simd, terms[0], &first, &first, derivatives);
    // Indexed, because closures of iterator adaptors would not all be compiled for the same instruction set.
    #[allow(clippy::needless_range_loop)]
    for index in 1..mixture.count {
        let component = component_posterior(simd, t, simd.mul_f64s(simd.splat_f64s(mixture.kappas[index]), s));
        let gap = simd.mul_f64s(simd.splat_f64s(mixture.gaps[index]), s);
        let term = simd.mul_f64s(simd.splat_f64s(mixture.factors[index]), density_ratio(simd, gap, above));
        terms[index] = simd.div_f64s(term, component.b.inverse_mass);
        sums.add(simd, terms[index], &component, &first, derivatives);
    }
    if mixture.has_atom() {
        let square = simd.mul_f64s(t, t);
        let atom = TruncatedLanes { mean: zero, hazard: zero, inverse_mass: one };
        let component = ComponentPosterior {
            b: atom,
            curvature: one,
            l: zero,
            s: simd.sub_f64s(square, one),
            ll: zero,
            ls: zero,
            ss: simd.mul_f64s(simd.splat_f64s(-2.0), square),
        };
        let term = simd.div_f64s(simd.mul_f64s(simd.splat_f64s(mixture.atom), density_ratio(simd, above, above)), s);
        terms[MAX_COMPONENTS] = term;
        sums.add(simd, term, &component, &first, derivatives);
    }
    let inverse = simd.div_f64s(one, sums.total);
    let (shift, l) = (simd.mul_f64s(sums.shift, inverse), simd.mul_f64s(sums.l, inverse));
    let derivative = simd.mul_f64s(sums.s, inverse);
    let square_shift = covariance(simd, simd.mul_f64s(sums.square_shift, inverse), shift, shift);
    MixturePosterior {
        mean: simd.mul_f64s(sums.mean, inverse),
        curvature: simd.sub_f64s(simd.mul_f64s(sums.curvature, inverse), square_shift),
        inverse_density: inverse,
        terms,
        derivatives: [
            simd.add_f64s(first.l, l),
            simd.add_f64s(first.s, derivative),
            covariance(simd, simd.mul_f64s(sums.ll, inverse), l, l),
            covariance(simd, simd.mul_f64s(sums.ls, inverse), l, derivative),
            covariance(simd, simd.mul_f64s(sums.ss, inverse), derivative, derivative),
        ],
    }
}

/// The sums that only a mixture prior has, in lanes.
#[derive(Clone, Copy)]
pub(crate) struct MixtureAccumulator<S: Simd> {
    responsibilities: [S::f64s; MAX_COMPONENTS + 1],
    derivatives: [S::f64s; 5],
}

impl<S: Simd> MixtureAccumulator<S> {
    #[inline(always)]
    pub(crate) fn new(simd: S) -> Self {
        let zero = simd.splat_f64s(0.0);
        Self { responsibilities: [zero; MAX_COMPONENTS + 1], derivatives: [zero; 5] }
    }

    /// Adds a register; the lanes outside `keep` are excluded.
    #[inline(always)]
    pub(crate) fn add(
        &mut self,
        simd: S,
        mixture: &Mixture,
        posterior: &MixturePosterior<S>,
        derivatives: bool,
        keep: Option<S::m64s>,
    ) {
        let zero = simd.splat_f64s(0.0);
        let inverse = kept(simd, keep, posterior.inverse_density, zero);
        for index in 0..mixture.count() {
            let term = kept(simd, keep, posterior.terms[index], zero);
            self.responsibilities[index] = mul_add(simd, term, inverse, self.responsibilities[index]);
        }
        if mixture.has_atom() {
            let term = kept(simd, keep, posterior.terms[MAX_COMPONENTS], zero);
            self.responsibilities[MAX_COMPONENTS] = mul_add(simd, term, inverse, self.responsibilities[MAX_COMPONENTS]);
        }
        if derivatives {
            for index in 0..5 {
                self.derivatives[index] =
                    simd.add_f64s(self.derivatives[index], kept(simd, keep, posterior.derivatives[index], zero));
            }
        }
    }

    #[inline(always)]
    pub(crate) fn sums(&self, simd: S) -> MixtureStats {
        MixtureStats {
            responsibilities: self.responsibilities.map(|lanes| simd.reduce_sum_f64s(lanes)),
            derivatives: self.derivatives.map(|lanes| simd.reduce_sum_f64s(lanes)),
        }
    }
}

/// The sums over entries that only a mixture prior has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MixtureStats {
    /// `Σ p_k`, the responsibilities, by increasing rate; the last is `Σ p_0`.
    pub(crate) responsibilities: [f64; MAX_COMPONENTS + 1],
    /// The sums of the derivatives of `log f`: `l`, `s`, `ll`, `ls`, `ss`.
    pub(crate) derivatives: [f64; 5],
}

impl MixtureStats {
    /// The sums over no entries.
    pub(crate) const ZERO: Self = Self { responsibilities: [0.0; MAX_COMPONENTS + 1], derivatives: [0.0; 5] };

    /// Adds the sums of other entries, each counted `weight` times.
    pub(crate) fn add(&mut self, other: &Self, weight: f64) {
        let pairs = self
            .responsibilities
            .iter_mut()
            .chain(&mut self.derivatives)
            .zip(other.responsibilities.iter().chain(&other.derivatives));
        pairs.for_each(|(sum, part)| *sum += weight * part);
    }
}
