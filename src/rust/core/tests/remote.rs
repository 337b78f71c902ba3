//! Matrices whose entries other processes hold: fits equal those of a local matrix to the bit, and partial results after a
//! loss of entries are discarded.

use crate::common::fitters::{maximum_likelihood, options};
use crate::common::{generator, matrix};
use faer::MatRef;
use nmu_core::deflation::{deflate, Deflation, Plan};
use nmu_core::factor::Factor;
use nmu_core::fit::FitOptions;
use nmu_core::fitter::ModelFitter;
use nmu_core::noise::{NoiseScales, NoiseStructure};
use nmu_core::pass::serve_request;
use nmu_core::remainder_prior::RemainderPriorFamily;
use nmu_core::residual::Problem;
use nmu_core::runtime::cancel::abandon;
use nmu_core::runtime::parallel::Threads;
use nmu_core::runtime::progress::no_report;
use nmu_core::standard_errors::standard_errors;
use nmu_core::storage::{Dense, Masked, Remote, Storage};
use nmu_core::trace::{Status, Trace};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A matrix that workers sweep over, in `groups` groups of tiles. They fail after `last` requests.
struct RemoteMatrix<'a> {
    entries: Dense<'a>,
    groups: usize,
    requests: AtomicUsize,
    last: usize,
}

impl<'a> RemoteMatrix<'a> {
    fn new(values: &'a [f64], nrow: usize, groups: usize, last: usize) -> Self {
        let entries = Dense::new(MatRef::from_column_major_slice(values, nrow, values.len() / nrow));
        Self { entries, groups, requests: AtomicUsize::new(0), last }
    }
}

impl Storage for RemoteMatrix<'_> {
    fn nrow(&self) -> usize {
        self.entries.nrow()
    }

    fn ncol(&self) -> usize {
        self.entries.ncol()
    }

    fn remote(&self) -> Option<&dyn Remote> {
        Some(self)
    }

    fn column<'b>(&'b self, column: usize, rows: Range<usize>, buffer: &'b mut [f64]) -> &'b [f64] {
        self.entries.column(column, rows, buffer)
    }
}

impl Remote for RemoteMatrix<'_> {
    fn evaluate(&self, request: &[f64], lengths: &[usize]) -> Vec<Vec<f64>> {
        if self.requests.fetch_add(1, Ordering::Relaxed) >= self.last {
            abandon();
        }
        let tiles = lengths.len();
        let cut = |group: usize| tiles * group / self.groups;
        // The workers mask the same entries as the storage around this one.
        let storage = Masked::new(self.entries);
        let responses: Vec<Vec<f64>> = (0..self.groups)
            .flat_map(|group| serve_request(&storage, request, cut(group)..cut(group + 1)).expect("a valid request"))
            .collect();
        assert!(responses.iter().map(Vec::len).eq(lengths.iter().copied()), "the lengths of the responses");
        responses
    }
}

fn fitter(remainder: RemainderPriorFamily, noise_structure: NoiseStructure) -> ModelFitter<'static> {
    let common = options(maximum_likelihood(&[0.5, 1.0]), Vec::new(), 1e-8, 60);
    ModelFitter { options: FitOptions { remainder, noise_structure, ..common } }
}

fn fit(storage: &dyn Storage, symmetric: bool, fitter: &ModelFitter, count: usize) -> Deflation {
    let problem = Problem { storage, symmetric, scale: 0.5 };
    let plan = Plan { refine: true, ..Plan::new(count) };
    deflate(&problem, plan, fitter, Threads::new(1), &mut no_report)
}

/// All results of a fit as text that shows every bit.
fn to_text(deflation: &Deflation) -> String {
    let steps = |trace: &[Trace]| format!("{trace:?}");
    let fits: Vec<_> = deflation
        .fits
        .iter()
        .map(|fit| &fit.model)
        .map(|fit| (&fit.factors, fit.params, &fit.noise_sd, steps(&fit.trace)))
        .collect();
    let refit = deflation
        .refit
        .as_ref()
        .map(|refit| &refit.model)
        .map(|refit| (&refit.factors, refit.params, steps(&refit.trace)));
    format!("{fits:?} {refit:?}")
}

#[test]
fn fits_equal_those_of_a_local_matrix() {
    let point = || RemainderPriorFamily::PointExponential;
    let cases = [
        (301, 301, true, fitter(RemainderPriorFamily::default(), NoiseStructure::Homoscedastic)),
        (90, 600, false, fitter(RemainderPriorFamily::default(), NoiseStructure::ByRow)),
        (60, 900, false, fitter(point(), NoiseStructure::Homoscedastic)),
    ];
    for (nrow, ncol, symmetric, fitter) in cases {
        let mut values = matrix(&mut generator(31), nrow, ncol, symmetric);
        values[0] = f64::NAN;
        let local = Masked::new(Dense::new(MatRef::from_column_major_slice(&values, nrow, ncol)));
        let expected = to_text(&fit(&local, symmetric, &fitter, 2));
        for groups in [1, 3] {
            let remote = RemoteMatrix::new(&values, nrow, groups, usize::MAX);
            assert!(
                to_text(&fit(&Masked::new(remote), symmetric, &fitter, 2)) == expected,
                "{nrow} x {ncol}, {groups}"
            );
        }
    }
}

#[test]
fn standard_errors_equal_those_of_a_local_matrix() {
    let values = matrix(&mut generator(32), 70, 300, false);
    let scales = NoiseScales::entries(vec![1.5; values.len()]).expect("positive");
    let dense = Dense::new(MatRef::from_column_major_slice(&values, 70, 300));
    let actual = fit(&dense, false, &fitter(RemainderPriorFamily::default(), NoiseStructure::Homoscedastic), 2);
    let factors: Vec<Factor> = actual.fits.iter().map(|fit| fit.factor().clone()).collect();
    let params = actual.fits[1].model.params;
    let errors = |storage: &dyn Storage| {
        let problem = Problem { storage, symmetric: false, scale: 0.5 };
        let view = problem.view(&[]);
        format!("{:?}", standard_errors(&view.with_noise_scales(Some(&scales)), &factors, params, Threads::new(1)))
    };
    assert_eq!(errors(&RemoteMatrix::new(&values, 70, 4, usize::MAX)), errors(&dense));
}

#[test]
fn only_results_before_entries_were_lost_are_kept() {
    let values = matrix(&mut generator(33), 301, 301, true);
    let fitter = fitter(RemainderPriorFamily::default(), NoiseStructure::Homoscedastic);
    let whole = RemoteMatrix::new(&values, 301, 1, usize::MAX);
    let expected = fit(&whole, true, &fitter, 2);
    let requests = whole.requests.load(Ordering::Relaxed);
    let mut lengths = Vec::new();
    for last in (0..requests).step_by(requests / 12) {
        let actual = fit(&RemoteMatrix::new(&values, 301, 1, last), true, &fitter, 2);
        for (actual, expected) in actual.fits.iter().zip(&expected.fits) {
            assert_eq!(actual.factor(), expected.factor());
        }
        // The joint fit is the last one that was complete.
        let joint = actual.refit.as_ref().map(|refit| &refit.model);
        assert_eq!(joint.map_or(0, |joint| joint.factors.len()), actual.fits.len());
        if let (Some(joint), Some(last)) = (joint, actual.fits.last()) {
            assert_eq!(joint.status, Status::Interrupted);
            assert_eq!((joint.factors.last(), joint.log_likelihood), (Some(last.factor()), last.model.log_likelihood));
        }
        lengths.push(actual.fits.len());
    }
    assert!(lengths.is_sorted() && lengths.first() == Some(&0) && lengths.last() == Some(&2), "{lengths:?}");
}

/// A request for a sweep for one factor, with these noise scales.
fn request(nrow: usize, ncol: usize, scales: [&[f64]; 3]) -> Vec<f64> {
    let (u, v) = (vec![0.1; nrow], vec![0.1; ncol]);
    // Scale and symmetry, no subtracted factors, the prior; level and shift, λ and σ; factor, weights.
    let before: [&[f64]; 3] = [&[1.0, 0.0], &[], &[0.0, 1.0, 1.0]];
    let after: [&[f64]; 7] = [&[3.0, 0.5], &[1.0, 1.0], &[1.0], &u, &v, &u, &v];
    let vectors = before.into_iter().chain(scales).chain(after);
    vectors.flat_map(|values| std::iter::once(values.len() as f64).chain(values.iter().copied())).collect()
}

#[test]
fn noise_scales_of_another_matrix_are_rejected() {
    let values = matrix(&mut generator(35), 20, 30, false);
    let dense = Dense::new(MatRef::from_column_major_slice(&values, 20, 30));
    let (rows, columns, entries) = ([1.0; 20], [2.0; 30], [1.5; 600]);
    for scales in [[&[][..], &[], &[]], [&rows, &columns, &[]], [&[], &[], &entries]] {
        assert!(serve_request(&dense, &request(20, 30, scales), 0..1).is_ok());
    }
    for scales in [
        [&rows[..], &[][..], &[][..]],
        [&[], &columns, &[]],
        [&rows[..19], &columns, &[]],
        [&rows, &columns[..29], &[]],
        [&[], &[], &entries[..599]],
        [&rows, &columns, &entries],
    ] {
        assert!(serve_request(&dense, &request(20, 30, scales), 0..1).is_err());
    }
}

#[test]
fn requests_for_another_matrix_are_rejected() {
    let values = matrix(&mut generator(34), 20, 20, false);
    let dense = Dense::new(MatRef::from_column_major_slice(&values, 20, 20));
    for request in [&[][..], &[2.0, 1.0], &[2.0, 1.0, 0.0, 1.0, 5.0, 3.0, 1.0], &[f64::NAN; 40]] {
        assert!(serve_request(&dense, request, 0..1).is_err());
    }
}
