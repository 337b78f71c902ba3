//! Loadings raised to all exponents up to a degree, and sums of such powers.

use crate::pass::sparse::polynomials::Polynomials;
use crate::runtime::parallel::Threads;
use pulp::{Arch, Simd, WithSimd};

/// Rows that are looked at side by side.
const LANES: usize = 8;
/// The rows that a thread takes at a time, a multiple of the lanes.
const ROWS: usize = 1 << 12;

type Lanes = [f64; LANES];

/// An exponent α as the one before it in the list that it is a factor more than.
pub(crate) struct Term {
    before: usize,
    factor: usize,
    pub(crate) degree: usize,
    /// `|α|!/α!` times the shares of `X`.
    pub(crate) weight: f64,
}

/// All exponents up to a degree, by degree; the first is nothing.
pub(crate) struct Terms(pub(crate) Vec<Term>);

impl Terms {
    pub(crate) fn new(degree: usize, shares: &[f64]) -> Self {
        let mut terms = vec![Term { before: 0, factor: 0, degree: 0, weight: 1.0 }];
        // How often the last factor of a term is in it.
        let mut repeats = vec![0];
        let mut first = 0;
        for degree in 1..=degree {
            let end = terms.len();
            for before in first..end {
                let Term { factor: last, weight, .. } = terms[before];
                for (factor, share) in shares.iter().enumerate().skip(last) {
                    let again = if factor == last { repeats[before] + 1 } else { 1 };
                    let weight = weight * share * degree as f64 / again as f64;
                    terms.push(Term { before, factor, degree, weight });
                    repeats.push(again);
                }
            }
            first = end;
        }
        Self(terms)
    }
}

/// `Σ w^α`, `Σ w^α q` and `Σ w^α q²`.
#[derive(Clone, Copy, Default)]
pub(crate) struct Moment {
    pub(crate) count: f64,
    weighted: f64,
    squared: f64,
}

/// The loadings of one side of the matrix.
pub(crate) struct Side<'a> {
    loadings: Vec<&'a [f64]>,
    /// The largest of each factor's loadings: in units of these, powers neither overflow nor vanish all.
    pub(crate) sizes: Vec<f64>,
    weights: &'a [f64],
}

impl<'a> Side<'a> {
    pub(crate) fn new(loadings: Vec<&'a [f64]>, weights: &'a [f64]) -> Self {
        let sizes = loadings.iter().map(|loadings| loadings.iter().copied().fold(0.0, f64::max)).collect();
        Self { loadings, sizes, weights }
    }

    pub(crate) fn length(&self) -> usize {
        self.weights.len()
    }

    /// What no W is above: `max_i Σ_k d_k w_ik max_j y_jk`.
    pub(crate) fn largest(&self, other: &Self, weights: &[f64]) -> f64 {
        let most = |row: usize| -> f64 {
            let parts = self.loadings.iter().zip(weights).zip(&other.sizes);
            parts.map(|((loadings, weight), size)| weight * loadings[row] * size).sum()
        };
        (0..self.length()).map(most).fold(0.0, f64::max)
    }

    /// Ranges of rows, one a job.
    fn map<T: Send>(&self, threads: Threads, work: impl Fn(usize, usize) -> T + Sync) -> Vec<T> {
        let length = self.length();
        threads.map(length.div_ceil(ROWS), |piece| work(piece * ROWS, (piece * ROWS + ROWS).min(length)))
    }

    pub(crate) fn moments(&self, terms: &Terms, threads: Threads) -> Vec<Moment> {
        let arch = Arch::new();
        let parts = self.map(threads, |first, end| arch.dispatch(Moments { side: self, terms, first, end }));
        let mut total = vec![Moment::default(); terms.0.len()];
        for part in parts {
            for (total, part) in total.iter_mut().zip(part) {
                total.count += part.count;
                total.weighted += part.weighted;
                total.squared += part.squared;
            }
        }
        total
    }

    /// The product and the curvature of each row; no curvatures where none are asked for.
    pub(crate) fn evaluate(
        &self,
        terms: &Terms,
        polynomials: &Polynomials,
        moments: &[Moment],
        curved: bool,
        threads: Threads,
    ) -> (Vec<f64>, Vec<f64>) {
        let coefficients: Vec<[f64; 2]> = terms
            .0
            .iter()
            .zip(moments)
            .map(|(term, moment)| {
                let [product, curvature, ..] = polynomials.0[term.degree];
                [product * term.weight * moment.weighted, curvature * term.weight * moment.squared]
            })
            .collect();
        let arch = Arch::new();
        let coefficients = &coefficients[..];
        let parts =
            self.map(threads, |first, end| arch.dispatch(Evaluation { side: self, terms, coefficients, first, end }));
        let (mut products, mut curvatures) = (Vec::with_capacity(self.length()), Vec::new());
        for (product, curvature) in parts {
            products.extend(product);
            if curved {
                curvatures.extend(curvature);
            }
        }
        (products, curvatures)
    }

    /// The powers of some rows; of rows from `end` on, nothing.
    #[inline(always)]
    fn raise(&self, terms: &Terms, row: usize, end: usize, powers: &mut [Lanes]) {
        let many = (end - row).min(LANES);
        let lanes = |of: &dyn Fn(usize) -> f64| -> Lanes {
            std::array::from_fn(|lane| if lane < many { of(row + lane) } else { 0.0 })
        };
        powers[0] = lanes(&|_| 1.0);
        for (index, term) in terms.0.iter().enumerate().skip(1) {
            let (done, rest) = powers.split_at_mut(index);
            // Those of the first degree stand behind the first, a factor each.
            let (before, loading) = match term.degree {
                1 => {
                    let size = self.sizes[term.factor];
                    let inverse = if size > 0.0 { 1.0 / size } else { 0.0 };
                    let loadings = self.loadings[term.factor];
                    (&done[0], lanes(&|row| loadings[row] * inverse))
                }
                _ => (&done[term.before], done[1 + term.factor]),
            };
            rest[0] = std::array::from_fn(|lane| before[lane] * loading[lane]);
        }
    }
}

struct Moments<'a> {
    side: &'a Side<'a>,
    terms: &'a Terms,
    first: usize,
    end: usize,
}

impl WithSimd for Moments<'_> {
    type Output = Vec<Moment>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Self { side, terms, first, end } = self;
        let mut powers = vec![[0.0; LANES]; terms.0.len()];
        let mut sums = vec![[[0.0; LANES]; 3]; terms.0.len()];
        for row in (first..end).step_by(LANES) {
            side.raise(terms, row, end, &mut powers);
            let weight: Lanes =
                std::array::from_fn(|lane| if row + lane < end { side.weights[row + lane] } else { 0.0 });
            for (sums, power) in sums.iter_mut().zip(&powers) {
                for lane in 0..LANES {
                    let weighted = power[lane] * weight[lane];
                    sums[0][lane] += power[lane];
                    sums[1][lane] += weighted;
                    sums[2][lane] += weighted * weight[lane];
                }
            }
        }
        let add = |lanes: Lanes| lanes.iter().sum();
        sums.iter()
            .map(|&[count, weighted, squared]| Moment {
                count: add(count),
                weighted: add(weighted),
                squared: add(squared),
            })
            .collect()
    }
}

struct Evaluation<'a> {
    side: &'a Side<'a>,
    terms: &'a Terms,
    coefficients: &'a [[f64; 2]],
    first: usize,
    end: usize,
}

impl WithSimd for Evaluation<'_> {
    type Output = (Vec<f64>, Vec<f64>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Self { side, terms, coefficients, first, end } = self;
        let mut powers = vec![[0.0; LANES]; terms.0.len()];
        let (mut products, mut curvatures) = (Vec::with_capacity(end - first), Vec::with_capacity(end - first));
        for row in (first..end).step_by(LANES) {
            side.raise(terms, row, end, &mut powers);
            let (mut product, mut curvature) = ([0.0; LANES], [0.0; LANES]);
            for ([to_product, to_curvature], power) in coefficients.iter().zip(&powers) {
                for lane in 0..LANES {
                    product[lane] += to_product * power[lane];
                    curvature[lane] += to_curvature * power[lane];
                }
            }
            let many = (end - row).min(LANES);
            products.extend_from_slice(&product[..many]);
            curvatures.extend_from_slice(&curvature[..many]);
        }
        (products, curvatures)
    }
}
