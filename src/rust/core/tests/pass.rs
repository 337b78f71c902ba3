//! Comparison of the fused pass with the same sums computed entry by entry.

use crate::common::{close, expected_pass, generator, matrix, uniform};
use faer::{ColRef, MatRef};
use nmu_core::factor::Factor;
use nmu_core::noise::ResidualParams;
use nmu_core::pass::{product, sweep, Model, PassLevel, PassSpec};
use nmu_core::residual::ResidualView;
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::Dense;

/// Shapes with and without partial registers, of one tile and of many.
const SHAPES: [(usize, usize, bool); 8] = [
    (1, 1, true),
    (7, 7, true),
    (64, 64, true),
    (301, 301, true),
    (1, 9, false),
    (33, 5, false),
    (70, 300, false),
    (1500, 40, false),
];

/// λ and σ for which most `z` are negative, near zero, and positive.
const NOISES: [ResidualParams; 3] = [
    ResidualParams { lambda: 30.0, sigma: 1.0 },
    ResidualParams { lambda: 1.0, sigma: 0.7 },
    ResidualParams { lambda: 0.3, sigma: 0.01 },
];

fn factor(seed: u64, nrow: usize, ncol: usize, symmetric: bool) -> Factor {
    let mut generator = generator(seed);
    let u = uniform(&mut generator, nrow, 0.0, 1.0);
    let v = (!symmetric).then(|| uniform(&mut generator, ncol, 0.0, 1.0));
    Factor::new(0.6, &u, v.as_deref())
}

#[test]
fn sweep_equals_sum_over_entries() {
    for (nrow, ncol, symmetric) in SHAPES {
        let values = matrix(&mut generator(1), nrow, ncol, symmetric);
        let storage = Dense::new(MatRef::from_column_major_slice(&values, nrow, ncol));
        let view = ResidualView::new(&storage, &[], symmetric);
        let factor = factor(2, nrow, ncol, symmetric);
        let p = uniform(&mut generator(3), nrow, 0.0, 1.0);
        let q = if symmetric { p.clone() } else { uniform(&mut generator(4), ncol, 0.0, 1.0) };
        for params in NOISES {
            for level in [PassLevel::Expectation, PassLevel::Likelihood, PassLevel::Curvature] {
                let model = Model { factor: &factor, params };
                let derivatives = level == PassLevel::Curvature;
                let expected = expected_pass(&values, nrow, model, &p, &q, derivatives);
                let spec = PassSpec {
                    row_weights: ColRef::from_slice(&p),
                    column_weights: ColRef::from_slice(&q),
                    shift: 0.3,
                    level,
                };
                let actual = sweep(&view, model, &spec, Threads::new(1));
                let at = format!("{nrow} x {ncol}, {symmetric}, {params:?}, {level:?}");
                // The sums of a symmetric matrix count each pair once and the diagonal half.
                let weight = if symmetric { 0.5 } else { 1.0 };
                assert!(close(actual.products.rows(), &expected.rows, 1e-13), "products at {at}");
                if !symmetric {
                    assert!(close(actual.products.columns(), &expected.columns, 1e-13), "column products at {at}");
                }
                let sums = actual.sums;
                assert_eq!(sums.count, weight * expected.count);
                assert!(close(&[sums.mean_b], &[weight * expected.mean_b], 1e-13), "mean of b at {at}");
                // If `x − b̄` is far below the entries, it has fewer correct digits than these.
                let norm = (weight * expected.square_difference).sqrt();
                let off = (sums.square_difference.sqrt() - norm).abs();
                let bound = 1e-12 * norm + 1e-14 * expected.count.sqrt();
                assert!(off <= bound, "squared difference at {at}: {off:e}");
                assert!(close(&[sums.residual_mean()], &[expected.mean], 1e-13), "mean at {at}");
                assert!((sums.residual_variance() - expected.variance).abs() < 1e-13, "variance at {at}");
                assert!((sums.maximum - expected.maximum).abs() < 1e-14, "maximum at {at}");
                if level != PassLevel::Expectation {
                    let likelihood = sums.log_likelihood(params);
                    assert!(close(&[likelihood], &[weight * expected.log_likelihood], 1e-12), "likelihood at {at}");
                }
                if derivatives {
                    assert!(close(actual.curvatures.rows(), &expected.row_curvatures, 1e-13), "curvatures at {at}");
                    if !symmetric {
                        let (actual, expected) = (actual.curvatures.columns(), &expected.column_curvatures);
                        assert!(close(actual, expected, 1e-13), "column curvatures at {at}");
                    }
                }
            }
        }
    }
}

#[test]
fn view_equals_matrix_minus_factors() {
    for (nrow, ncol, symmetric) in SHAPES {
        let values = matrix(&mut generator(5), nrow, ncol, symmetric);
        let factors = [factor(6, nrow, ncol, symmetric), factor(7, nrow, ncol, symmetric)];
        let mut deflated = values.clone();
        for Factor { d, u, v } in &factors {
            for column in 0..ncol {
                for row in 0..nrow {
                    deflated[column * nrow + row] -= d * u[row] * v.as_ref().unwrap_or(u)[column];
                }
            }
        }
        let storage = Dense::new(MatRef::from_column_major_slice(&values, nrow, ncol));
        let copy = Dense::new(MatRef::from_column_major_slice(&deflated, nrow, ncol));
        let (p, q) = (vec![1.0; nrow], vec![1.0; ncol]);
        let actual = product(
            &ResidualView::new(&storage, &factors, symmetric),
            ColRef::from_slice(&p),
            ColRef::from_slice(&q),
            Threads::new(1),
        );
        let expected = product(
            &ResidualView::new(&copy, &[], symmetric),
            ColRef::from_slice(&p),
            ColRef::from_slice(&q),
            Threads::new(1),
        );
        assert!(close(actual.rows(), expected.rows(), 1e-13));
        assert!(close(actual.columns(), expected.columns(), 1e-13));
    }
}

#[test]
fn result_is_bitwise_independent_of_threads() {
    for (nrow, ncol, symmetric) in SHAPES {
        let values = matrix(&mut generator(8), nrow, ncol, symmetric);
        let storage = Dense::new(MatRef::from_column_major_slice(&values, nrow, ncol));
        let view = ResidualView::new(&storage, &[], symmetric);
        let factor = factor(9, nrow, ncol, symmetric);
        let model = Model { factor: &factor, params: NOISES[1] };
        let spec = PassSpec {
            row_weights: ColRef::from_slice(factor.u()),
            column_weights: ColRef::from_slice(factor.v()),
            shift: 0.5,
            level: PassLevel::Curvature,
        };
        let single = sweep(&view, model, &spec, Threads::new(1));
        for threads in [2, 3, 8] {
            assert_eq!(single, sweep(&view, model, &spec, Threads::new(threads)));
        }
    }
}
