//! Several factors: joint fits with 1, 2, … of them, or greedy deflation, in which each factor is fitted to the matrix minus the
//! earlier ones; these can be refitted jointly.

use crate::error::Error;
use crate::factor::{Factor, FreeFactor};
use crate::fit::{elbo, FactorFit, Growth, JointFit, JointStart, ModelFit, StartOutcome};
use crate::fitter::FactorFitter;
use crate::init::{InitialLoadings, Origin};
use crate::noise::ResidualParams;
use crate::posterior::FactorPosterior;
use crate::residual::{Problem, ResidualView};
use crate::runtime::cancel::{cancel, catch_end, is_stop_requested, End};
use crate::runtime::parallel::Threads;
use crate::runtime::progress::{Progress, ProgressCallback, Stage};
use crate::selection::{best_count, criterion, should_continue, Candidate};
use crate::trace::Status;

/// Which factors to fit, and which are known.
pub struct Plan {
    /// Factors whose loadings are held. Their weights are estimated first, unless factors are kept: then an earlier fit has
    /// estimated them.
    pub fixed: Vec<Factor>,
    /// Factors of an earlier fit.
    pub kept: Vec<Factor>,
    /// λ and σ of that fit: starting values of a refit if no factor is added.
    pub kept_params: Option<ResidualParams>,
    /// Initial loadings of the first new factors; later ones choose their own.
    pub init: Vec<InitialLoadings>,
    /// Number of new factors.
    pub count: Count,
    /// Whether all factors are fitted jointly. Initial loadings of all factors are then the start of the joint fit.
    pub refine: bool,
}

/// Number of new factors.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// This number, null factors included.
    Exactly(usize),
    /// The number that the selection criterion chooses, at most this.
    AtMost(usize),
}

impl Plan {
    /// A plan for `count` new factors, without a refit.
    pub fn new(count: usize) -> Self {
        Self {
            fixed: Vec::new(),
            kept: Vec::new(),
            kept_params: None,
            init: Vec::new(),
            count: Count::Exactly(count),
            refine: false,
        }
    }

    /// Smallest number of factors of the result, null factors included.
    pub fn min_factors(&self) -> usize {
        let new = match self.count {
            Count::Exactly(count) => count,
            Count::AtMost(_) => 1,
        };
        self.fixed.len() + self.kept.len() + new
    }
}

/// Result of a deflation.
pub struct Deflation {
    /// The fixed factors with their weights.
    pub fixed: Vec<Factor>,
    /// The fits with 1, 2, … new factors: of the greedy path, or the last factor of each joint fit.
    pub fits: Vec<FactorFit>,
    /// The joint fit of the fixed, the kept and the new factors. If a cancellation left it incomplete, it has fewer of them.
    pub refit: Option<JointFit>,
    /// The fits that were compared, if the number of factors was chosen.
    pub candidates: Vec<Candidate>,
    /// Whether a factor or a refit was cancelled before it had a result.
    pub interrupted: bool,
}

impl Deflation {
    /// The ELBO after each new factor; NaN without priors, and from the first factor on that has none.
    pub fn elbos(&self) -> Vec<f64> {
        elbos(&self.fits)
    }
}

/// The ELBO after each factor: variances and divergences add up over factors.
fn elbos(fits: &[FactorFit]) -> Vec<f64> {
    let (mut low_rank_variance, mut kl) = (0.0, 0.0);
    let after = |fit: &FactorFit| {
        let model = &fit.model;
        low_rank_variance += model.low_rank_variance;
        kl += match model.posteriors.first() {
            Some(posterior) => FactorPosterior::kl(posterior),
            None if model.status == Status::Null => 0.0,
            None => f64::NAN,
        };
        elbo(model.log_likelihood, low_rank_variance, model.params, kl)
    };
    fits.iter().map(after).collect()
}

/// Fits factors to a matrix one after another.
///
/// Ends early if λ and σ can no longer be estimated or a stop is requested; that last factor is kept if it has a result. Also
/// ends if it is abandoned, since entries can no longer be read; then the factors completed before are kept.
pub fn deflate(
    problem: &Problem,
    plan: Plan,
    fitter: &dyn FactorFitter,
    threads: Threads,
    progress: &mut ProgressCallback,
) -> Deflation {
    let Plan { fixed, kept, kept_params, init, count, refine } = plan;
    let (fits, candidates) = (Vec::new(), Vec::new());
    let mut deflation =
        Deflating { problem, fitter, refine, threads, fixed, kept, kept_params, fits, grown: None, candidates };
    let result = catch_end(|| deflation.run(init, count, progress));
    let Deflating { fixed, fits, grown, candidates, .. } = deflation;
    let interrupted = result.as_ref().err() == Some(&End::Cancelled);
    let refit = result.unwrap_or_else(|_| grown.map(|grown| as_interrupted(grown.joint)));
    Deflation { fixed, fits, refit, candidates, interrupted }
}

/// Outcome of fitting one more factor.
#[derive(PartialEq)]
enum Next {
    Added,
    Null,
    Ended,
}

/// A deflation in progress. A cancellation leaves the factors completed so far.
struct Deflating<'a> {
    problem: &'a Problem<'a>,
    fitter: &'a dyn FactorFitter,
    refine: bool,
    threads: Threads,
    fixed: Vec<Factor>,
    kept: Vec<Factor>,
    kept_params: Option<ResidualParams>,
    fits: Vec<FactorFit>,
    /// The last of the joint fits.
    grown: Option<Growth>,
    candidates: Vec<Candidate>,
}

impl Deflating<'_> {
    /// Whether joint fits with 1, 2, … factors take the place of the greedy path.
    fn grows(&self) -> bool {
        self.refine && self.fitter.extends_joint_fits()
    }

    fn run(&mut self, init: Vec<InitialLoadings>, count: Count, progress: &mut ProgressCallback) -> Option<JointFit> {
        if self.kept.is_empty() && !self.fixed.is_empty() {
            let view = self.problem.view(&[]);
            let model = self.fitter.estimate_weights(&view, self.fixed.clone(), self.threads, progress);
            self.fixed = model.map_or_else(|| self.fixed.clone(), |model| model.factors);
        }
        match count {
            Count::Exactly(count) if self.refine && count > 0 && init.len() == count && self.kept.is_empty() => {
                self.fit_from(&init, progress)
            }
            Count::Exactly(count) => self.fit_exactly(count, init, progress),
            Count::AtMost(limit) => self.fit_at_most(limit, init, progress),
        }
    }

    /// Fits all factors jointly from given loadings; their weights, λ and σ first maximize the objective with the loadings held.
    fn fit_from(&mut self, init: &[InitialLoadings], progress: &mut ProgressCallback) -> Option<JointFit> {
        let view = self.problem.view(&[]);
        let given = init.iter().map(|init| init.least_squares_factor(&view, self.threads));
        let all = self.fixed.iter().cloned().chain(given).collect();
        let mut model = self.fitter.estimate_weights(&view, all, self.threads, progress)?;
        let new = model.factors.split_off(self.fixed.len());
        let (status, params) = (model.status, model.params);
        self.fixed = std::mem::take(&mut model.factors);
        let model = ModelFit { trace: Vec::new(), ..model };
        let fit = |factor: Factor| FactorFit {
            model: ModelFit { factors: vec![factor], ..model.clone() },
            ratio_floor: None,
            path: Vec::new(),
        };
        self.fits = new.into_iter().map(fit).collect();
        if matches!(status, Status::NoEstimate | Status::Interrupted) {
            return None;
        }
        let start = JointStart { origin: Origin::Given, params: Some(params), ..self.path_start() };
        self.fit_jointly(&start, progress)
    }

    /// Fits this number of factors.
    fn fit_exactly(
        &mut self,
        count: usize,
        init: Vec<InitialLoadings>,
        progress: &mut ProgressCallback,
    ) -> Option<JointFit> {
        let mut init = init.into_iter();
        while self.fits.len() < count {
            if self.next_factor(init.next(), progress) == Next::Ended {
                return self.grown.take().map(|grown| grown.joint);
            }
        }
        self.full_joint_fit(progress)
    }

    /// Fits the number of factors that the criterion chooses. What it rates is what is returned.
    fn fit_at_most(
        &mut self,
        limit: usize,
        init: Vec<InitialLoadings>,
        progress: &mut ProgressCallback,
    ) -> Option<JointFit> {
        if limit == 0 {
            return self.full_joint_fit(progress);
        }
        let null = self.fit_null(progress)?;
        let mut init = init.into_iter();
        let (mut joints, mut criteria): (Vec<JointFit>, Vec<f64>) = (Vec::new(), Vec::new());
        while self.fits.len() < limit && should_continue(&criteria) {
            match self.next_factor(init.next(), progress) {
                Next::Ended if !self.grows() => return None,
                Next::Null => break,
                _ => {}
            }
            let joint = self.full_joint_fit(progress);
            let interrupted = joint.as_ref().is_some_and(is_interrupted);
            if self.grows() && !interrupted && joint.as_ref().is_some_and(|joint| is_null(&joint.model)) {
                break;
            }
            criteria.push(self.record(joint.as_ref(), null.log_likelihood));
            if interrupted {
                return joint;
            }
            joints.extend(joint);
        }
        let count = best_count(&criteria);
        self.fits.truncate(count);
        for candidate in &mut self.candidates {
            candidate.kept &= candidate.factors == count;
        }
        if (1..=joints.len()).contains(&count) {
            return Some(joints.swap_remove(count - 1));
        }
        self.grown = None;
        if count == 0 && self.kept.is_empty() {
            // One null factor reports that no factor is worthwhile.
            self.fits = vec![FactorFit { model: null, ratio_floor: None, path: Vec::new() }];
        }
        self.full_joint_fit(progress)
    }

    /// The fit without new or kept factors, as one null factor, which is the first candidate unless there are kept factors. It is
    /// fast, so a stop within cancels it.
    fn fit_null(&mut self, progress: &mut ProgressCallback) -> Option<ModelFit> {
        let view = self.problem.view(&[]);
        let model = self.fitter.estimate_weights(&view, self.fixed.clone(), self.threads, progress)?;
        if model.status == Status::Interrupted {
            cancel();
        }
        let (log_likelihood, status) = (model.log_likelihood, Status::Null);
        if self.kept.is_empty() {
            let (start, objective, criterion) = (Origin::Null, log_likelihood, 0.0);
            self.candidates.push(Candidate { factors: 0, start, objective, criterion, status, kept: true });
        }
        Some(ModelFit { factors: vec![view.zero_factor()], status, trace: Vec::new(), ..model })
    }

    /// Fits one more factor: jointly with those so far, or greedily.
    fn next_factor(&mut self, init: Option<InitialLoadings>, progress: &mut ProgressCallback) -> Next {
        if self.grows() {
            self.grow(init, progress)
        } else {
            self.next_greedy_factor(init, progress)
        }
    }

    /// Fits one more factor to the matrix minus the factors so far.
    fn next_greedy_factor(&mut self, init: Option<InitialLoadings>, progress: &mut ProgressCallback) -> Next {
        let index = self.fits.len();
        let subtracted: Vec<Factor> = self.factors().cloned().collect();
        let mut report = |event: Progress| progress(event.in_stage(Stage::Factor, index));
        let fit = self.fitter.fit(&self.problem.view(&subtracted), init, self.threads, &mut report);
        let next = match fit.model.status {
            Status::NoEstimate | Status::Interrupted => Next::Ended,
            Status::Null => Next::Null,
            _ => Next::Added,
        };
        self.fits.push(fit);
        next
    }

    /// The fixed, the kept and the new factors.
    fn factors(&self) -> impl Iterator<Item = &Factor> {
        self.fixed.iter().chain(&self.kept).chain(self.fits.iter().map(FactorFit::factor))
    }

    /// Factors of which the weights alone may move if they are fixed, and all else otherwise.
    fn free<'f>(&self, factors: impl Iterator<Item = &'f Factor>) -> Vec<FreeFactor> {
        let free = |(index, factor): (usize, &Factor)| {
            let factor = factor.clone();
            if index < self.fixed.len() {
                FreeFactor::weight(factor)
            } else {
                FreeFactor::loadings(factor)
            }
        };
        factors.enumerate().map(free).collect()
    }

    /// The factors of the greedy path as a start of a joint fit.
    fn path_start(&self) -> JointStart {
        let params = self.fits.last().map(|fit| fit.model.params).or(self.kept_params);
        JointStart { origin: Origin::Path, factors: self.free(self.factors()), params }
    }

    /// Fits one factor more than the last joint fit has, or than there are fixed and kept ones, jointly with these.
    fn grow(&mut self, init: Option<InitialLoadings>, progress: &mut ProgressCallback) -> Next {
        let extension = self.grown.as_mut().and_then(|grown| grown.extension.take());
        let base = match &self.grown {
            Some(Growth { joint, .. }) => self.start_from(&joint.model.factors, joint.model.params),
            None => self.path_start(),
        };
        let view = self.problem.view(&[]);
        let mut report = joint_report(self.fits.len(), progress);
        let grown = self.fitter.grow(&view, &base, extension, init, self.threads, &mut report);
        let Some(mut grown) = grown else { return Next::Ended };
        // A step that was cancelled may have been left out.
        if is_stop_requested() {
            grown.joint = as_interrupted(grown.joint);
        }
        let mut model = grown.joint.model.clone();
        model.factors.drain(..model.factors.len() - 1);
        let next = match &grown.joint {
            joint if is_interrupted(joint) => Next::Ended,
            joint if is_null(&joint.model) => Next::Null,
            _ => Next::Added,
        };
        if next == Next::Null && model.status == Status::Converged {
            model.status = Status::Null;
        }
        self.fits.push(FactorFit { model, ratio_floor: None, path: Vec::new() });
        self.grown = Some(grown);
        next
    }

    /// A start at the factors of a fit.
    fn start_from(&self, factors: &[Factor], params: ResidualParams) -> JointStart {
        JointStart { origin: Origin::Path, factors: self.free(factors.iter()), params: Some(params) }
    }

    /// The joint fit of all factors so far, if there is one: from a short one, or from the greedy path.
    ///
    /// Short fits with 1, 2, … factors are the same whatever number of factors is asked for, and none is worse than the one before.
    fn full_joint_fit(&self, progress: &mut ProgressCallback) -> Option<JointFit> {
        if !self.refine {
            return None;
        }
        let Some(Growth { joint: short, .. }) = &self.grown else {
            return self.fit_jointly(&self.path_start(), progress);
        };
        if is_interrupted(short) {
            return Some(short.clone());
        }
        let origin = short.starts.iter().find(|start| start.kept).map_or(Origin::Path, |start| start.start);
        let start = JointStart { origin, ..self.start_from(&short.model.factors, short.model.params) };
        let mut full = self.fit_jointly(&start, progress)?;
        full.starts.extend(short.starts.iter().filter(|start| !start.kept));
        Some(full)
    }

    fn fit_jointly(&self, start: &JointStart, progress: &mut ProgressCallback) -> Option<JointFit> {
        let mut report = joint_report(self.fits.len().saturating_sub(1), progress);
        self.fitter.fit_jointly(&self.problem.view(&[]), start, self.threads, &mut report)
    }

    /// Records the candidates with the present number of factors and returns the criterion of the one that is kept.
    fn record(&mut self, joint: Option<&JointFit>, null_log_likelihood: f64) -> f64 {
        let count = self.fits.len();
        let last = &self.fits[count - 1].model;
        let (model, elbo) = match joint {
            Some(JointFit { model, .. }) if model.posteriors.is_empty() => (model, f64::NAN),
            Some(JointFit { model, .. }) => (model, model.elbo()),
            None => (last, elbos(&self.fits)[count - 1]),
        };
        // The ELBO penalizes factors by itself. Fixed factors have no free loadings.
        let (objective, criterion) = if elbo.is_nan() {
            let all: Vec<&Factor> = match joint {
                Some(joint) => joint.model.factors.iter().collect(),
                None => self.factors().collect(),
            };
            let gain = model.log_likelihood - null_log_likelihood;
            (model.log_likelihood, criterion(gain, model.count, &all[self.fixed.len()..]))
        } else {
            (elbo, elbo - null_log_likelihood)
        };
        let path = [StartOutcome { start: Origin::Path, objective, status: last.status, kept: true }];
        let starts = joint.map_or(&path[..], |joint| &joint.starts);
        self.candidates.extend(starts.iter().map(|&StartOutcome { start, objective, status, kept }| Candidate {
            factors: count,
            start,
            objective,
            criterion: if kept { criterion } else { f64::NAN },
            status,
            kept,
        }));
        criterion
    }
}

/// Reports progress of a joint fit; `last` is the index of its last new factor.
fn joint_report<'p, 'q>(last: usize, progress: &'p mut ProgressCallback<'q>) -> impl FnMut(Progress) + use<'p, 'q> {
    move |event: Progress| progress(event.in_stage(Stage::Refit, last))
}

fn is_interrupted(joint: &JointFit) -> bool {
    joint.model.status == Status::Interrupted
}

/// The fit with the status of an interrupted one.
fn as_interrupted(mut joint: JointFit) -> JointFit {
    joint.model.status = Status::Interrupted;
    joint
}

/// Whether the last factor is null.
fn is_null(model: &ModelFit) -> bool {
    model.factors.last().is_none_or(|last| last.d == 0.0)
}

/// The peak number of values that a fit holds per row, and per column of a general matrix: a base and an increment per
/// factor. Fits of symmetric sparse matrices in a limited address space took 51 to 60 with one factor, and 81 to 110
/// with four that are refitted.
const VALUES_PER_ROW: [usize; 2] = [48, 20];

/// Checks that the memory for a fit of `factors` factors, beside the matrix, is available. It is allocated and freed.
///
/// A failed allocation within a fit would abort the process; here it is an error.
///
/// # Errors
/// [`Error::Memory`] if the allocation fails.
pub fn check_memory(view: &ResidualView, factors: usize) -> Result<(), Error> {
    let length = view.nrow() + if view.is_symmetric() { 0 } else { view.ncol() };
    let [base, per_factor] = VALUES_PER_ROW;
    let values = per_factor.saturating_mul(factors).saturating_add(base).saturating_mul(length);
    let error = |_| Error::Memory { what: "the vectors of a fit" };
    Vec::<f64>::new().try_reserve_exact(values).map_err(error)
}
