//! The sweep over a matrix of zeros by power series in the loadings, for residuals in a narrow range.
//!
//! The residual of a zero is `x = −W` with `W = Σ_k w_ik y_jk` between 0 and some `X`. Each function of `W` that a sweep sums
//! is smooth, and equals a polynomial `f(W) = Σ_m g_m (W/X)^m` up to rounding. Its degree is the lower, the shorter the range
//! relative to σ and `1/λ`. By the multinomial theorem
//!
//! ```text
//! W_ij^m = Σ_{|α| = m} m!/α! w_i^α y_j^α,   w_i^α = Π_k w_ik^α_k
//! Σ_j f(W_ij) q_j = Σ_α g_|α| |α|!/α! X^−|α| T_α w_i^α,   T_α = Σ_j y_j^α q_j
//! ```
//!
//! in time proportional to the number of rows and columns times the number of exponents α, whatever the supports of the
//! loadings. Terms of one degree have the same sign, so they do not cancel.

use crate::factor::Factor;
use crate::pass::sparse::chebyshev::{fit, Interval, FUNCTIONS};
use crate::pass::sparse::row_sums::{Block, Row, RowValues};
use crate::pass::sparse::subtract;
use crate::pass::sparse::zeros::Zeros;
use crate::pass::stats::SUMS;
use crate::pass::{PassOutput, PassStats, RowColSums};
use crate::runtime::parallel::Threads;
use crate::vector::dot;
use pulp::{Arch, Simd, WithSimd};

/// The maximal number of exponents.
const MAX_TERMS: usize = 1000;
/// The number of rows in a register-sized group.
const LANES: usize = 8;
/// The number of rows of a job, a multiple of the lanes.
const ROWS_PER_JOB: usize = 1 << 12;
/// The admissible rounding error of powers in a sum whose tolerance is smaller.
const ROUNDING: f64 = 1e-13;

impl Zeros<'_> {
    /// The sweep; `None` if it would take too many powers.
    pub(crate) fn by_power_series(&self) -> Option<PassOutput> {
        let Self { view, subtracted, model, spec, tolerance, evaluate_row, curved, threads } = *self;
        let factors: Vec<&Factor> = self.factors().collect();
        let rows = SideLoadings::new(factors.iter().map(|factor| factor.u()).collect(), spec.row_weights);
        let columns = SideLoadings::new(factors.iter().map(|factor| factor.v()).collect(), spec.column_weights);
        let weights: Vec<f64> = factors.iter().map(|factor| factor.d).collect();
        let largest = rows.largest(&columns, &weights).min(columns.largest(&rows, &weights));
        let block = Block::entry(0, 1.0);
        let polynomials =
            Polynomials::up_to(largest, tolerance, rows.length().saturating_mul(columns.length()), |fitted| {
                evaluate_row(Row { block: &block, w: &[fitted], model, last: 0, shift: spec.shift }).0
            })?;
        if count_terms(factors.len(), polynomials.degree()) > MAX_TERMS {
            return None;
        }
        let ratios = weights.iter().zip(rows.sizes.iter().zip(&columns.sizes));
        let ratios: Vec<f64> = ratios.map(|(d, (row, column))| d * row * (column / largest)).collect();
        let terms = Terms::new(polynomials.degree(), &ratios);
        let across = columns.moments(&terms, threads);
        let symmetric = view.is_symmetric();
        let down = if symmetric { across.clone() } else { rows.moments(&terms, threads) };
        let (products, curvatures) = rows.evaluate(&terms, &polynomials, &across, curved, threads);
        let (other_products, other_curvatures) =
            if symmetric { Default::default() } else { columns.evaluate(&terms, &polynomials, &down, curved, threads) };
        let mut values = [0.0; SUMS];
        for (index, term) in terms.0.iter().enumerate() {
            let weight = term.weight * across[index].count * down[index].count;
            let functions = &polynomials.0[term.degree][2..];
            values.iter_mut().zip(functions).for_each(|(value, function)| *value += weight * function);
        }
        let count = rows.length() as f64 * columns.length() as f64;
        let half = if symmetric { 0.5 } else { 1.0 };
        let mut sums = PassStats::empty(spec.shift);
        sums.add(&PassStats { count, ..PassStats::from_values(values, spec.shift) }, half);
        sums.maximum = 0.0;
        let mut products = RowColSums::new(&products, &other_products);
        if !curved {
            // The products are of the entries before the model's factor is subtracted. For their square a bound suffices.
            subtract(subtracted, spec, &mut products);
            sums.square_difference = (sums.square_difference.sqrt() + (half * squared_norm(subtracted)).sqrt()).powi(2);
        }
        Some(PassOutput { products, curvatures: RowColSums::new(&curvatures, &other_curvatures), sums })
    }
}

/// `‖Σ_k d_k u_k v_kᵀ‖²`.
fn squared_norm(factors: &[&Factor]) -> f64 {
    let inner = |a: &Factor, b: &Factor| a.d * b.d * dot(a.u(), b.u()) * dot(a.v(), b.v());
    factors.iter().map(|a| factors.iter().map(|b| inner(a, b)).sum::<f64>()).sum()
}

/// `binom(factors + degree, degree)`; if it overflows, some number above any limit.
fn count_terms(factors: usize, degree: usize) -> usize {
    (1..=degree).fold(1, |count: usize, power| count.saturating_mul(factors + power) / power)
}

type Lanes = [f64; LANES];

/// An exponent α: that of an earlier term, raised by one in one factor.
pub(crate) struct Term {
    before: usize,
    factor: usize,
    pub(crate) degree: usize,
    /// `|α|!/α!` times the ratio `(d_k max w_k max y_k/X)^α`.
    pub(crate) weight: f64,
}

/// All exponents up to a degree, sorted by degree; the first is zero.
pub(crate) struct Terms(pub(crate) Vec<Term>);

impl Terms {
    pub(crate) fn new(degree: usize, ratios: &[f64]) -> Self {
        let mut terms = vec![Term { before: 0, factor: 0, degree: 0, weight: 1.0 }];
        // The exponent of the last factor of each term.
        let mut exponents = vec![0];
        let mut first = 0;
        for degree in 1..=degree {
            let end = terms.len();
            for before in first..end {
                let Term { factor: last, weight, .. } = terms[before];
                for (factor, ratio) in ratios.iter().enumerate().skip(last) {
                    let exponent = if factor == last { exponents[before] + 1 } else { 1 };
                    let weight = weight * ratio * degree as f64 / exponent as f64;
                    terms.push(Term { before, factor, degree, weight });
                    exponents.push(exponent);
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
pub(crate) struct SideLoadings<'a> {
    loadings: Vec<&'a [f64]>,
    /// The largest loading on each factor: in these units powers do not overflow, and do not all underflow.
    pub(crate) sizes: Vec<f64>,
    weights: &'a [f64],
}

impl<'a> SideLoadings<'a> {
    pub(crate) fn new(loadings: Vec<&'a [f64]>, weights: &'a [f64]) -> Self {
        let sizes = loadings.iter().map(|loadings| loadings.iter().copied().fold(0.0, f64::max)).collect();
        Self { loadings, sizes, weights }
    }

    pub(crate) fn length(&self) -> usize {
        self.weights.len()
    }

    /// An upper bound of W: `max_i Σ_k d_k w_ik max_j y_jk`.
    pub(crate) fn largest(&self, other: &Self, weights: &[f64]) -> f64 {
        let bound = |row: usize| -> f64 {
            let parts = self.loadings.iter().zip(weights).zip(&other.sizes);
            parts.map(|((loadings, weight), size)| weight * loadings[row] * size).sum()
        };
        (0..self.length()).map(bound).fold(0.0, f64::max)
    }

    /// Applies `work` to ranges of rows, one per job.
    fn map<T: Send>(&self, threads: Threads, work: impl Fn(usize, usize) -> T + Sync) -> Vec<T> {
        let length = self.length();
        threads.map(length.div_ceil(ROWS_PER_JOB), |piece| {
            work(piece * ROWS_PER_JOB, (piece * ROWS_PER_JOB + ROWS_PER_JOB).min(length))
        })
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

    /// Returns the product and the curvature of each row; curvatures only if `curved`.
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

    /// Computes the powers of a group of rows; those of rows from `end` on are zero.
    #[inline(always)]
    fn compute_powers(&self, terms: &Terms, row: usize, end: usize, powers: &mut [Lanes]) {
        let count = (end - row).min(LANES);
        let lanes = |value: &dyn Fn(usize) -> f64| -> Lanes {
            std::array::from_fn(|lane| if lane < count { value(row + lane) } else { 0.0 })
        };
        powers[0] = lanes(&|_| 1.0);
        for (index, term) in terms.0.iter().enumerate().skip(1) {
            let (done, rest) = powers.split_at_mut(index);
            // The terms of degree one follow the first term, one per factor.
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
    side: &'a SideLoadings<'a>,
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
            side.compute_powers(terms, row, end, &mut powers);
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
    side: &'a SideLoadings<'a>,
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
            side.compute_powers(terms, row, end, &mut powers);
            let (mut product, mut curvature) = ([0.0; LANES], [0.0; LANES]);
            for ([to_product, to_curvature], power) in coefficients.iter().zip(&powers) {
                for lane in 0..LANES {
                    product[lane] += to_product * power[lane];
                    curvature[lane] += to_curvature * power[lane];
                }
            }
            let count = (end - row).min(LANES);
            products.extend_from_slice(&product[..count]);
            curvatures.extend_from_slice(&curvature[..count]);
        }
        (products, curvatures)
    }
}

/// The summed functions of `W`, one row of coefficients for each power of `W/X`: product, curvature and all sums.
pub(crate) struct Polynomials(pub(crate) Vec<RowValues>);

impl Polynomials {
    /// The polynomials of lowest degree on `[0, largest]` that attain the tolerance, from the values that `zero` gives. `None`
    /// if these would be about as many as the `wanted` values.
    pub(crate) fn up_to(largest: f64, tolerance: f64, wanted: usize, zero: impl Fn(f64) -> RowValues) -> Option<Self> {
        let interval = Interval::around([0.0, largest].into_iter());
        let series = fit(interval, tolerance, wanted, |points| points.iter().map(|&point| zero(point)).collect())?;
        let coefficients = series.coefficients();
        let size = |of: &dyn Fn(usize) -> f64| (0..coefficients.len()).map(of).fold(0.0, f64::max);
        let sizes: [f64; FUNCTIONS] = std::array::from_fn(|function| size(&|k| coefficients[k][function].abs()));
        let small = |values: &RowValues, tolerance: f64| {
            values.iter().zip(&sizes).all(|(value, size)| *value <= tolerance * size)
        };
        let mut omitted = [0.0; FUNCTIONS];
        let mut degree = coefficients.len() - 1;
        while degree > 0 {
            let sums: [f64; FUNCTIONS] = std::array::from_fn(|f| omitted[f] + coefficients[degree][f].abs());
            if !small(&sums, tolerance) {
                break;
            }
            omitted = sums;
            degree -= 1;
        }
        let (mut powers, mut rounding) = (vec![[0.0; FUNCTIONS]; degree + 1], [0.0; FUNCTIONS]);
        let (mut polynomial, mut next) = (vec![1.0], vec![-1.0, 2.0]);
        for coefficients in &coefficients[..=degree] {
            for (power, sums) in polynomial.iter().zip(&mut powers) {
                sums.iter_mut().zip(coefficients).for_each(|(sum, coefficient)| *sum += coefficient * power);
            }
            let growth: f64 = polynomial.iter().map(|power| power.abs()).sum();
            rounding.iter_mut().zip(coefficients).for_each(|(r, c)| *r += f64::EPSILON * growth * c.abs());
            let after = shifted_chebyshev(&polynomial, &next);
            (polynomial, next) = (next, after);
        }
        small(&rounding, tolerance.max(ROUNDING)).then_some(Self(powers))
    }

    pub(crate) fn degree(&self) -> usize {
        self.0.len() - 1
    }
}

/// The coefficients of `T_{k+1}(2s − 1) = 2 (2s − 1) T_k − T_{k−1}`.
fn shifted_chebyshev(before: &[f64], last: &[f64]) -> Vec<f64> {
    let at = |powers: &[f64], power: usize| powers.get(power).copied().unwrap_or(0.0);
    let lower = |power: usize| if power == 0 { 0.0 } else { at(last, power - 1) };
    (0..=last.len()).map(|power| 4.0 * lower(power) - 2.0 * at(last, power) - at(before, power)).collect()
}
