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

use crate::factor::Factor;
use crate::pass::sparse::monomials::{Side, Terms};
use crate::pass::sparse::polynomials::Polynomials;
use crate::pass::sparse::subtract;
use crate::pass::sparse::zero_row::{Block, Row};
use crate::pass::sparse::zeros::Zeros;
use crate::pass::stats::SUMS;
use crate::pass::{PassOutput, PassStats, RowColSums};
use crate::vector::dot;

/// The most exponents that are worth it.
const MAX_TERMS: usize = 1000;

impl Zeros<'_> {
    /// The sweep; `None` where it would take too many powers.
    pub(crate) fn by_power_series(&self) -> Option<PassOutput> {
        let Self { view, subtracted, model, question, tolerance, look, curved, threads } = *self;
        let factors: Vec<&Factor> = self.factors().collect();
        let rows = Side::new(factors.iter().map(|factor| factor.u()).collect(), question.row_weights);
        let columns = Side::new(factors.iter().map(|factor| factor.v()).collect(), question.column_weights);
        let weights: Vec<f64> = factors.iter().map(|factor| factor.d).collect();
        let largest = rows.largest(&columns, &weights).min(columns.largest(&rows, &weights));
        let block = Block::entry(0, 1.0);
        let polynomials =
            Polynomials::up_to(largest, tolerance, rows.length().saturating_mul(columns.length()), |explained| {
                look(Row { block: &block, w: &[explained], model, last: 0, shift: question.shift }).0
            })?;
        if count_terms(factors.len(), polynomials.degree()) > MAX_TERMS {
            return None;
        }
        let shares = weights.iter().zip(rows.sizes.iter().zip(&columns.sizes));
        let shares: Vec<f64> = shares.map(|(d, (row, column))| d * row * (column / largest)).collect();
        let terms = Terms::new(polynomials.degree(), &shares);
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
        let mut sums = PassStats::empty(question.shift);
        sums.add(&PassStats { count, ..PassStats::from_values(values, question.shift) }, half);
        sums.maximum = 0.0;
        let mut products = RowColSums { rows: products, columns: other_products };
        if !curved {
            // These are of what was left before the model's factor, not after it; of their square a bound will do.
            subtract(subtracted, question, &mut products);
            sums.square_rest = (sums.square_rest.sqrt() + (half * squared_norm(subtracted)).sqrt()).powi(2);
        }
        Some(PassOutput { products, curvatures: RowColSums { rows: curvatures, columns: other_curvatures }, sums })
    }
}

/// `‖Σ_k d_k u_k v_kᵀ‖²`.
fn squared_norm(factors: &[&Factor]) -> f64 {
    let inner = |a: &Factor, b: &Factor| a.d * b.d * dot(a.u(), b.u()) * dot(a.v(), b.v());
    factors.iter().map(|a| factors.iter().map(|b| inner(a, b)).sum::<f64>()).sum()
}

/// `binom(factors + degree, degree)`, or a number that is too large.
fn count_terms(factors: usize, degree: usize) -> usize {
    (1..=degree).fold(1, |count: usize, power| count.saturating_mul(factors + power) / power)
}
