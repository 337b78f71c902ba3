//! The pass without a remainder, over dense and sparse matrices: comparison with sums over the entries.

use crate::common::{close, generator, matrix, uniform};
use faer::{ColRef, MatRef};
use nmu_core::factor::Factor;
use nmu_core::noise::{NoiseScales, ResidualParams};
use nmu_core::noise_derivatives::NoiseDerivatives;
use nmu_core::pass::{sweep, Model, PassLevel, PassOutput, PassSpec};
use nmu_core::remainder_prior::RemainderPrior;
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::{Dense, Masked, Sparse, Storage};

const PARAMS: ResidualParams = ResidualParams { lambda: f64::INFINITY, sigma: 0.7 };
const SHIFT: f64 = 0.2;
const SCALE: f64 = 0.5;

/// A matrix of mostly zeros with missing entries, its weights and factors; the last one is the model's.
struct Case {
    nrow: usize,
    ncol: usize,
    symmetric: bool,
    values: Vec<f64>,
    factors: Vec<Factor>,
    p: Vec<f64>,
    q: Vec<f64>,
}

fn cases() -> Vec<Case> {
    let shapes = [(90, 90, true), (70, 110, false), (700, 30, false)];
    let missing = [false, true].into_iter();
    let all = missing.flat_map(|missing| shapes.map(|(nrow, ncol, symmetric)| (nrow, ncol, symmetric, missing)));
    all.map(|(nrow, ncol, symmetric, missing)| {
        let random = &mut generator(1);
        let values = matrix(random, nrow, ncol, symmetric);
        let keep = |index: usize| {
            let (row, column) = (index % nrow, index / nrow);
            let (low, high) = if symmetric { (row.min(column), row.max(column)) } else { (row, column) };
            ((7 * low + 3 * high) % 5, (11 * low + 5 * high) % 17)
        };
        let entry = |(index, value): (usize, &f64)| match keep(index) {
            (_, 4) if missing => f64::NAN,
            (0, _) => *value,
            _ => 0.0,
        };
        let values = values.iter().enumerate().map(entry).collect();
        let mut loadings = |length| uniform(random, length, 0.0, 1.0);
        let mut factor = || {
            let u = loadings(nrow);
            Factor::new(0.3, &u, (!symmetric).then(|| loadings(ncol)).as_deref())
        };
        let factors = vec![factor(), factor()];
        let p = loadings(nrow);
        let q = if symmetric { p.clone() } else { loadings(ncol) };
        Case { nrow, ncol, symmetric, values, factors, p, q }
    })
    .collect()
}

/// Row and column sums, row and column curvatures; number of entries, log-likelihood, its derivatives in log σ, mean and
/// variance.
fn expected(case: &Case, level: PassLevel, scales: Option<&NoiseScales>) -> ([Vec<f64>; 4], [f64; 6]) {
    let Case { nrow, ncol, factors, p, q, .. } = case;
    let mut vectors = [vec![0.0; *nrow], vec![0.0; *ncol], vec![0.0; *nrow], vec![0.0; *ncol]];
    let [rows, columns, row_curvatures, column_curvatures] = &mut vectors;
    let (mut count, mut log_likelihood, mut squares, mut first, mut second) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for j in 0..*ncol {
        for i in 0..*nrow {
            let part = |factor: &Factor| factor.d * factor.u()[i] * factor.v()[j];
            let (before, model) = (part(&factors[0]), part(&factors[1]));
            let entry = SCALE * case.values[j * nrow + i] - before;
            let s = match scales {
                Some(NoiseScales::Outer { rows, columns }) => rows[i] * columns[j],
                _ => 1.0,
            };
            let x = entry - model;
            let (difference, m) = match (level, x.is_nan()) {
                (PassLevel::Curvature, true) => (0.0, 0.0),
                (PassLevel::Curvature, false) => (x / (s * s), 1.0 / (s * s)),
                (_, true) => (model, 0.0),
                (_, false) => (entry, 0.0),
            };
            rows[i] += difference * q[j];
            columns[j] += difference * p[i];
            row_curvatures[i] += m * q[j] * q[j];
            column_curvatures[j] += m * p[i] * p[i];
            if !x.is_nan() {
                let (sigma, t) = (PARAMS.sigma * s, x / (PARAMS.sigma * s));
                count += 1.0;
                squares += t * t;
                log_likelihood -= 0.5 * t * t + (sigma * std::f64::consts::TAU.sqrt()).ln();
                first += x;
                second += x * x;
            }
        }
    }
    let weight = if case.symmetric { 0.5 } else { 1.0 };
    let mean = first / count;
    let sums = [count, log_likelihood, squares - count, -2.0 * squares].map(|sum| weight * sum);
    let [count_sum, log_likelihood, derivative, second_derivative] = sums;
    (vectors, [count_sum, log_likelihood, derivative, second_derivative, mean, second / count - mean * mean])
}

fn check(case: &Case, storage: &dyn Storage, scales: Option<&NoiseScales>, what: &str) {
    let (before, model) = case.factors.split_at(1);
    let view = ResidualView::new(storage, before, case.symmetric).scaled_by(SCALE);
    let view = view.with_remainder_prior(RemainderPrior::NONE).with_noise_scales(scales);
    for level in [PassLevel::Expectation, PassLevel::Likelihood, PassLevel::Curvature] {
        let (row_weights, column_weights) = (ColRef::from_slice(&case.p), ColRef::from_slice(&case.q));
        let spec = PassSpec { row_weights, column_weights, shift: SHIFT, level };
        let run =
            |threads: usize| sweep(&view, Model { factor: &model[0], params: PARAMS }, &spec, Threads::new(threads));
        let PassOutput { products, curvatures, sums } = run(1);
        assert_eq!(run(3).sums, sums, "{what}");
        let ([rows, columns, row_curvatures, column_curvatures], expected) = expected(case, level, scales);
        let at = format!("{what}, {} x {}, {level:?}", case.nrow, case.ncol);
        assert!(close(products.rows(), &rows, 1e-12), "rows, {at}");
        assert!(case.symmetric || close(products.columns(), &columns, 1e-12), "columns, {at}");
        let curved = level == PassLevel::Curvature;
        if curved {
            assert!(close(curvatures.rows(), &row_curvatures, 1e-12), "row curvatures, {at}");
            assert!(case.symmetric || close(curvatures.columns(), &column_curvatures, 1e-12), "{at}");
        }
        let [count, log_likelihood, derivative, second_derivative, mean, variance] = expected;
        assert_eq!(sums.count, count, "{at}");
        assert_eq!(sums.mean_b, 0.0, "{at}");
        assert!(close(&[sums.residual_mean(), sums.residual_variance()], &[mean, variance], 1e-12), "{at}");
        if level != PassLevel::Expectation {
            assert!(close(&[sums.log_likelihood(PARAMS)], &[log_likelihood], 1e-12), "{at}");
            let derivatives = NoiseDerivatives::new(&sums, PARAMS);
            assert_eq!(derivatives.gradient[0], 0.0);
            assert!(close(&[derivatives.gradient[1], derivatives.hessian[2]], &[derivative, second_derivative], 1e-11));
            let [lambda_error, sigma_error] = derivatives.standard_errors();
            assert!(lambda_error.is_nan() && (sigma_error - (-1.0 / second_derivative).sqrt()).abs() < 1e-12);
        }
    }
}

#[test]
fn pass_without_a_remainder_equals_sum_over_entries() {
    for case in cases() {
        let Case { nrow, ncol, symmetric, ref values, .. } = case;
        let dense = Dense::new(MatRef::from_column_major_slice(values, nrow, ncol));
        check(&case, &Masked::new(dense), None, "dense");
        let random = &mut generator(5);
        let rows = uniform(random, nrow, 0.5, 2.0);
        let columns = if symmetric { rows.clone() } else { uniform(random, ncol, 0.5, 2.0) };
        let scales = NoiseScales::outer(rows, columns).expect("valid scales");
        check(&case, &Masked::new(dense), Some(&scales), "noise scales");
        let (mut starts, mut stored_rows, mut stored) = (vec![0], Vec::new(), Vec::new());
        for column in 0..ncol {
            for row in 0..nrow {
                let value = values[column * nrow + row];
                if value != 0.0 {
                    stored_rows.push(row as i32);
                    stored.push(value);
                }
            }
            starts.push(stored.len() as i32);
        }
        let sparse = Sparse::new(nrow, &starts, &stored_rows, &stored).expect("compressed columns");
        check(&case, &sparse, None, "sparse");
        check(&case, &sparse, Some(&scales), "sparse, noise scales");
    }
}
