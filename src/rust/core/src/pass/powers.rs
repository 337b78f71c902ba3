//! What a sweep would find were every entry zero, by powers of the loadings, where the residuals range little.
//!
//! There `x = −W` with `W = Σ_k w_ik y_jk` between 0 and some `X`. Each function of it that a sweep adds up is smooth, and
//! the shorter the range beside σ and `1/λ`, the lower the degree of the polynomial `f(W) = Σ_m g_m (W/X)^m` that it equals
//! but for rounding. By the multinomial theorem
//!
//! ```text
//! W_ij^m = Σ_{|α| = m} m!/α! w_i^α y_j^α,   w_i^α = Π_k w_ik^α_k
//! Σ_j f(W_ij) q_j = Σ_α g_|α| |α|!/α! X^−|α| T_α w_i^α,   T_α = Σ_j y_j^α q_j
//! ```
//!
//! in time proportional to the number of rows and columns and to that of the exponents α, whatever the pattern of the
//! loadings. Terms of one degree are of one sign: none cancel.

use super::chebyshev::{fit, Interval, POINTS};
use super::line::{level, Kernel, Line};
use super::sparse::subtract;
use super::sums::SUMS;
use super::{Margins, Model, Question, Sums, Sweep};
use crate::noise::Law;
use crate::parallel::Threads;
use crate::vector::dot;
use crate::view::{Factor, View};
use pulp::{Arch, Simd, WithSimd};

/// The most exponents that are worth it.
const MOST_TERMS: usize = 1000;
/// The rounding that powers may add to a sum whose tolerance is not larger.
const ROUNDING: f64 = 1e-13;
/// Rows that are looked at side by side.
const LANES: usize = 8;
/// The rows that a thread takes at a time, a multiple of the lanes.
const ROWS: usize = 1 << 12;

type Lanes = [f64; LANES];

/// The sweep over zeros; `None` where it would take too many powers.
pub(super) fn powers<const LEVEL: u8>(
    view: &View,
    taken: &[&Factor],
    model: Model,
    question: &Question,
    tolerance: f64,
    threads: Threads,
) -> Option<Sweep> {
    let factors: Vec<&Factor> = taken.iter().copied().chain([model.factor]).collect();
    let rows = Side::new(factors.iter().map(|factor| &factor.u[..]).collect(), question.row_weights);
    let columns = Side::new(factors.iter().map(|factor| factor.v()).collect(), question.column_weights);
    let weights: Vec<f64> = factors.iter().map(|factor| factor.d).collect();
    let largest = rows.largest(&columns, &weights).min(columns.largest(&rows, &weights));
    let polynomials = Polynomials::up_to::<LEVEL>(largest, model, question.shift, tolerance, factors.len())?;
    let shares = weights.iter().zip(rows.sizes.iter().zip(&columns.sizes));
    let shares: Vec<f64> = shares.map(|(d, (row, column))| d * row * (column / largest)).collect();
    let terms = Terms::new(polynomials.degree(), &shares);
    let across = columns.moments(&terms, threads);
    let symmetric = view.is_symmetric();
    let down = if symmetric { across.clone() } else { rows.moments(&terms, threads) };
    let (products, curvatures) = rows.evaluate::<LEVEL>(&terms, &polynomials, &across, threads);
    let (other_products, other_curvatures) =
        if symmetric { Default::default() } else { columns.evaluate::<LEVEL>(&terms, &polynomials, &down, threads) };
    let mut values = [0.0; SUMS];
    for (index, term) in terms.0.iter().enumerate() {
        let weight = term.weight * across[index].count * down[index].count;
        let functions = &polynomials.0[term.degree][2..];
        values.iter_mut().zip(functions).for_each(|(value, function)| *value += weight * function);
    }
    let count = rows.length() as f64 * columns.length() as f64;
    let half = if symmetric { 0.5 } else { 1.0 };
    let mut sums = Sums::empty(question.shift);
    sums.add(&Sums { count, ..Sums::from_values(values, question.shift) }, half);
    (sums.minimum, sums.maximum) = (-largest, 0.0);
    let mut products = Margins { rows: products, columns: other_products };
    if LEVEL < level::CURVATURE {
        // These are of what was left before the model's factor, not after it; of their square a bound will do.
        subtract(taken, question, &mut products);
        sums.square_rest = (sums.square_rest.sqrt() + (half * squared_norm(taken)).sqrt()).powi(2);
    }
    Some(Sweep { products, curvatures: Margins { rows: curvatures, columns: other_curvatures }, sums })
}

/// `‖Σ_k d_k u_k v_kᵀ‖²`.
fn squared_norm(factors: &[&Factor]) -> f64 {
    let inner = |a: &Factor, b: &Factor| a.d * b.d * dot(&a.u, &b.u) * dot(a.v(), b.v());
    factors.iter().map(|a| factors.iter().map(|b| inner(a, b)).sum::<f64>()).sum()
}

/// The functions of `W` that are added up, a row of coefficients a power of `W/X`: product, curvature and all sums.
struct Polynomials(Vec<[f64; POINTS]>);

impl Polynomials {
    /// Those on `[0, largest]`, of the least degree that will do; `None` where that makes too many terms.
    fn up_to<const LEVEL: u8>(largest: f64, model: Model, shift: f64, tolerance: f64, factors: usize) -> Option<Self> {
        let arch = Arch::new();
        let interval = Interval::around([0.0, largest].into_iter());
        let series = fit(interval, tolerance, usize::MAX, |points| {
            points.iter().map(|&explained| arch.dispatch(Zero::<LEVEL> { explained, model, shift })).collect()
        })?;
        let coefficients = series.coefficients();
        let size = |of: &dyn Fn(usize) -> f64| (0..coefficients.len()).map(of).fold(0.0, f64::max);
        let sizes: [f64; POINTS] = std::array::from_fn(|function| size(&|k| coefficients[k][function].abs()));
        let small = |found: &[f64; POINTS], tolerance: f64| {
            found.iter().zip(&sizes).all(|(found, size)| *found <= tolerance * size)
        };
        let mut left_out = [0.0; POINTS];
        let mut degree = coefficients.len() - 1;
        while degree > 0 {
            let more: [f64; POINTS] = std::array::from_fn(|f| left_out[f] + coefficients[degree][f].abs());
            if !small(&more, tolerance) {
                break;
            }
            left_out = more;
            degree -= 1;
        }
        if count_terms(factors, degree) > MOST_TERMS {
            return None;
        }
        let (mut powers, mut rounding) = (vec![[0.0; POINTS]; degree + 1], [0.0; POINTS]);
        let (mut polynomial, mut next) = (vec![1.0], vec![-1.0, 2.0]);
        for coefficients in &coefficients[..=degree] {
            for (power, place) in polynomial.iter().zip(&mut powers) {
                place.iter_mut().zip(coefficients).for_each(|(place, coefficient)| *place += coefficient * power);
            }
            let growth: f64 = polynomial.iter().map(|power| power.abs()).sum();
            rounding.iter_mut().zip(coefficients).for_each(|(r, c)| *r += f64::EPSILON * growth * c.abs());
            let after = shifted_chebyshev(&polynomial, &next);
            (polynomial, next) = (next, after);
        }
        small(&rounding, tolerance.max(ROUNDING)).then_some(Self(powers))
    }

    fn degree(&self) -> usize {
        self.0.len() - 1
    }
}

/// The powers of `T_{k+1}(2s − 1) = 2 (2s − 1) T_k − T_{k−1}`.
fn shifted_chebyshev(before: &[f64], last: &[f64]) -> Vec<f64> {
    let at = |powers: &[f64], power: usize| powers.get(power).copied().unwrap_or(0.0);
    let lower = |power: usize| if power == 0 { 0.0 } else { at(last, power - 1) };
    (0..=last.len()).map(|power| 4.0 * lower(power) - 2.0 * at(last, power) - at(before, power)).collect()
}

/// `binom(factors + degree, degree)`, or a number that is too large.
fn count_terms(factors: usize, degree: usize) -> usize {
    (1..=degree).fold(1, |count: usize, power| count.saturating_mul(factors + power) / power)
}

/// What a zero yields whose part in W is given.
struct Zero<'a, const LEVEL: u8> {
    explained: f64,
    model: Model<'a>,
    shift: f64,
}

impl<const LEVEL: u8> WithSimd for Zero<'_, LEVEL> {
    type Output = [f64; POINTS];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let mut kernel = Kernel::<S, LEVEL, false, false>::new(simd, self.model.noise, &Law::EXPONENTIAL, self.shift);
        let totals = kernel.line(Line {
            entries: &[0.0],
            loadings: &[1.0],
            weights: &[1.0],
            products: &mut [0.0],
            curvatures: &mut [0.0],
            loading: self.explained,
            weight: 1.0,
            deviations: &[],
            deviation: 1.0,
        });
        let mut found = [totals.product; POINTS];
        found[1] = totals.curvature;
        found[2..].copy_from_slice(&kernel.sums().values());
        found
    }
}

/// An exponent α as the one before it in the list that it is a factor more than.
struct Term {
    before: usize,
    factor: usize,
    degree: usize,
    /// `|α|!/α!` times the shares of `X`.
    weight: f64,
}

/// All exponents up to a degree, by degree; the first is nothing.
struct Terms(Vec<Term>);

impl Terms {
    fn new(degree: usize, shares: &[f64]) -> Self {
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
struct Moment {
    count: f64,
    weighted: f64,
    squared: f64,
}

/// The loadings of one side of the matrix.
struct Side<'a> {
    loadings: Vec<&'a [f64]>,
    /// The largest of each factor's loadings: in units of these, powers neither overflow nor vanish all.
    sizes: Vec<f64>,
    weights: &'a [f64],
}

impl<'a> Side<'a> {
    fn new(loadings: Vec<&'a [f64]>, weights: &'a [f64]) -> Self {
        let sizes = loadings.iter().map(|loadings| loadings.iter().copied().fold(0.0, f64::max)).collect();
        Self { loadings, sizes, weights }
    }

    fn length(&self) -> usize {
        self.weights.len()
    }

    /// What no W is above: `max_i Σ_k d_k w_ik max_j y_jk`.
    fn largest(&self, other: &Self, weights: &[f64]) -> f64 {
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

    fn moments(&self, terms: &Terms, threads: Threads) -> Vec<Moment> {
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
    fn evaluate<const LEVEL: u8>(
        &self,
        terms: &Terms,
        polynomials: &Polynomials,
        moments: &[Moment],
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
            if LEVEL == level::CURVATURE {
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
