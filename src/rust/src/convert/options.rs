//! The list of options that R sends, and the settings of the core that it contains.

use super::prior::Priors;
use super::units::LoadingUnits;
use super::Units;
use extendr_api::prelude::*;
use nmu_core::deflation::{Count, Plan};
use nmu_core::em::NotebookEm;
use nmu_core::factor::Factor;
use nmu_core::fit::{FitOptions, PriorStage, StopRule};
use nmu_core::fitter::{FactorFitter, ModelFitter};
use nmu_core::init::InitialLoadings;
use nmu_core::noise::{BoundSpec, ResidualParams};
use nmu_core::noise_estimators::{Fixed, MaximumLikelihood, Moments, NoiseEstimator, Notebook};
use nmu_core::residual::{Problem, ResidualView};
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::summary::power_of_two_near;
use nmu_core::storage::Storage;
use nmu_core::underapprox::UnderapproxOptions;

/// A list of options, read by name.
pub(crate) struct Options(List);

impl Options {
    pub(crate) fn new(list: List) -> Self {
        Self(list)
    }

    /// Converts an object of R's that must be a list; `what` describes it in the error.
    pub(super) fn from_object(object: Robj, what: &str) -> Result<Self, String> {
        List::try_from(object).map(Self).map_err(|_| format!("{what} is not a list"))
    }

    pub(super) fn get<T>(&self, name: &str) -> Result<T, String>
    where
        T: TryFrom<Robj>,
    {
        T::try_from(self.find(name)?).map_err(|_| format!("option {name} has the wrong type"))
    }

    /// The element of exactly that name. R's `$` also matches longer names, and the user may have redefined it.
    pub(super) fn find(&self, name: &str) -> Result<Robj, String> {
        let element = self.0.iter().find(|(key, _)| *key == name);
        element.map(|(_, value)| value).ok_or_else(|| format!("option {name} is missing"))
    }

    /// The element of that name; `None` for `NULL`.
    fn non_null(&self, name: &str) -> Result<Option<Robj>, String> {
        self.find(name).map(|value| (!value.is_null()).then_some(value))
    }

    /// A list within this one; `None` for `NULL`.
    pub(super) fn list(&self, name: &str) -> Result<Option<Self>, String> {
        self.non_null(name)?.map(|value| Self::from_object(value, &format!("option {name}"))).transpose()
    }

    pub(super) fn count_of(&self, name: &str) -> Result<usize, String> {
        let value: i32 = self.get(name)?;
        usize::try_from(value).map_err(|_| format!("option {name} is negative"))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, String> {
        self.get(name)
    }

    pub(super) fn text(&self, name: &str) -> Result<String, String> {
        self.get(name)
    }

    /// R's function that shows progress, `function(stage, factor, iteration, loglik)`; `None` for `NULL`.
    pub(crate) fn progress(&self) -> Result<Option<Function>, String> {
        let wrong_type = |_| "option progress is not a function".to_string();
        self.non_null("progress")?.map(|value| Function::try_from(value).map_err(wrong_type)).transpose()
    }

    /// Units in which entries have a root mean square near 1, if `rms` is theirs. Those of R if `rms` is 0: for a matrix of
    /// zeros, and for the notebook's iteration, whose λ and σ are in the units of the matrix.
    pub(crate) fn units(&self) -> Result<Units, String> {
        let rms: f64 = self.get("rms")?;
        Ok(if rms > 0.0 { Units::new(1.0 / power_of_two_near(rms)) } else { Units::OF_R })
    }

    /// The largest entry of the matrix that was fitted, in the units of R.
    pub(crate) fn largest_entry(&self) -> Result<f64, String> {
        self.get("largest")
    }

    /// The number of factors.
    pub(crate) fn count(&self) -> Result<usize, String> {
        self.count_of("K")
    }

    /// The units of a normal-means problem.
    pub(crate) fn loading_units(&self) -> Result<LoadingUnits, String> {
        self.get("unit").map(LoadingUnits::new)
    }

    /// The method that fits factors: the notebook's iteration, or the model's.
    pub(crate) fn fitter<'a>(
        &self,
        units: Units,
        notebook: &'a Notebook,
        schedule: Vec<PriorStage<'a>>,
    ) -> Result<Box<dyn FactorFitter + 'a>, String> {
        Ok(match self.estimator(units)? {
            Some(estimator) => Box::new(self.model_fitter_with(estimator, schedule)?),
            None => Box::new(self.notebook_em(notebook)?),
        })
    }

    /// The model's method without priors of the loadings.
    ///
    /// # Errors
    /// An internal error for the notebook's iteration, which R refuses before.
    pub(crate) fn model_fitter(&self, units: Units) -> Result<ModelFitter<'static>, String> {
        let estimator = self.estimator(units)?.ok_or("internal error: the notebook's iteration has no model")?;
        self.model_fitter_with(estimator, Vec::new())
    }

    fn model_fitter_with<'a>(
        &self,
        estimator: Box<dyn NoiseEstimator>,
        schedule: Vec<PriorStage<'a>>,
    ) -> Result<ModelFitter<'a>, String> {
        let (remainder, noise_structure) = (self.remainder_prior_family()?, self.noise_structure()?);
        let (stop, starts) = (self.stop_rule()?, self.count_of("starts")?);
        let options = FitOptions { estimator, schedule, remainder, noise_structure, stop, starts };
        Ok(ModelFitter { options })
    }

    /// The estimator of λ and σ in the model; `None` for the notebook's iteration, which has its own. The only place that
    /// reads `rule`.
    fn estimator(&self, units: Units) -> Result<Option<Box<dyn NoiseEstimator>>, String> {
        Ok(match self.text("rule")?.as_str() {
            "notebook" => None,
            "mle" => {
                let (bounds, ratio_floors) = (self.bounds()?, self.get("ratio_floors")?);
                Some(Box::new(MaximumLikelihood { bounds, ratio_floors }))
            }
            "moments" => Some(Box::new(Moments { bounds: self.bounds()? })),
            "fixed" => Some(Box::new(Fixed(self.params(units)?))),
            other => return Err(format!("there is no rule {other}")),
        })
    }

    /// The settings of the notebook's iteration. No rounds of estimation mean one round with λ and σ fixed.
    pub(crate) fn notebook_em<'a>(&self, notebook: &'a Notebook) -> Result<NotebookEm<'a>, String> {
        let rounds = self.count_of("rounds")?;
        Ok(NotebookEm {
            params: self.params(Units::OF_R)?,
            estimator: (rounds > 0).then_some(notebook as &dyn NoiseEstimator),
            rounds: rounds.max(1),
            iterations: self.count_of("maxiter")?,
            tolerance: self.get("tol")?,
            trace: self.get("trace")?,
        })
    }

    /// When to stop the optimizer.
    pub(crate) fn stop_rule(&self) -> Result<StopRule, String> {
        Ok(StopRule::new(self.get("tol")?, self.count_of("maxiter")?))
    }

    /// The priors of a schedule.
    pub(crate) fn priors(&self, name: &str, units: LoadingUnits) -> Result<Priors, String> {
        Priors::new(&self.get::<List>(name)?, units)
    }

    /// The bounds on λ and σ, relative to the matrix.
    fn bounds(&self) -> Result<BoundSpec, String> {
        Ok(BoundSpec { floor: self.get("floor")?, cap: self.get("cap")? })
    }

    pub(crate) fn threads(&self) -> Result<Threads, String> {
        self.count_of("threads").map(Threads::new)
    }

    /// Relative accuracy to which sums over the zeros of a sparse matrix are interpolated.
    pub(super) fn interpolation(&self) -> Result<f64, String> {
        self.get("interpolation")
    }

    /// The settings of a certified underapproximation.
    pub(crate) fn underapprox_settings(&self) -> Result<UnderapproxOptions, String> {
        let settings = UnderapproxOptions::new(self.count_of("K")?);
        Ok(if self.flag("refine")? { settings } else { UnderapproxOptions { rounds: 0, exchanges: 0, ..settings } })
    }

    /// The matrix in `storage`, in the given units.
    pub(crate) fn problem<'a>(&self, storage: &'a dyn Storage, units: Units) -> Result<Problem<'a>, String> {
        Ok(Problem { storage, symmetric: self.flag("symmetric")?, scale: units.scale() })
    }

    /// Evaluates a function of the residual of a fit: the matrix minus `factors`, with the fit's prior of the remainder,
    /// noise scales, λ and σ.
    pub(crate) fn with_residual<T>(
        &self,
        problem: &Problem,
        factors: &[Factor],
        units: Units,
        evaluate: impl FnOnce(&ResidualView, ResidualParams) -> T,
    ) -> Result<T, String> {
        let (prior, scales, params) = (self.remainder_prior()?, self.noise_scales()?, self.params(units)?);
        let view = problem.view(factors).with_remainder_prior(prior);
        Ok(evaluate(&view.with_noise_scales(scales.as_ref()), params))
    }

    /// The factors to find and those that are known.
    pub(crate) fn plan(&self, units: Units) -> Result<Plan, String> {
        let count = self.count_of("K")?;
        let inits = self.factors("init", units)?;
        Ok(Plan {
            fixed: self.factors("fixed", units)?,
            kept: self.factors("kept", units)?,
            kept_params: self.kept_params(units)?,
            init: inits.iter().map(|init| InitialLoadings::new(init.u(), init.v())).collect(),
            count: if self.flag("choose")? { Count::AtMost(count) } else { Count::Exactly(count) },
            refine: self.flag("refine")?,
        })
    }

    /// The user's initial loadings of one factor; `None` if there are none.
    pub(crate) fn initial_loadings(&self) -> Result<Option<InitialLoadings>, String> {
        let (u, v): (Option<Vec<f64>>, Option<Vec<f64>>) = (self.get("u")?, self.get("v")?);
        Ok(u.map(|u| InitialLoadings::new(&u, v.as_ref().unwrap_or(&u))))
    }
}
