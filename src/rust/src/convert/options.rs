//! What R asks for.

use super::Priors;
use extendr_api::prelude::*;
use nmu_core::deflation::{Count, Plan};
use nmu_core::em::NotebookEm;
use nmu_core::factor::Factor;
use nmu_core::fit::{FitOptions, PriorStage, StopRule};
use nmu_core::fitter::ModelFitter;
use nmu_core::init::InitialLoadings;
use nmu_core::noise::{BoundSpec, ResidualParams};
use nmu_core::noise_estimators::{Fixed, MaximumLikelihood, Moments, NoiseEstimator, Notebook};
use nmu_core::residual::{Problem, ResidualView};
use nmu_core::runtime::parallel::Threads;
use nmu_core::storage::summary::power_of_two_near;
use nmu_core::storage::Storage;
use nmu_core::underapprox::UnderapproxOptions;

/// The list of options that R sends, read by name.
pub(crate) struct Options(List);

impl Options {
    pub(crate) fn new(list: List) -> Self {
        Self(list)
    }

    /// Takes an object of R's that is to be a list; `what` it is says the error where it is none.
    pub(super) fn from_object(object: Robj, what: &str) -> Result<Self, String> {
        List::try_from(object).map(Self).map_err(|_| format!("{what} is not a list"))
    }

    pub(super) fn get<T>(&self, name: &str) -> Result<T, String>
    where
        T: TryFrom<Robj>,
    {
        T::try_from(self.find(name)?).map_err(|_| format!("option {name} has the wrong type"))
    }

    /// The element of that very name. R's own `$` would take a longer name for it, and may be another function by now.
    pub(super) fn find(&self, name: &str) -> Result<Robj, String> {
        let found = self.0.iter().find(|(own, _)| *own == name);
        found.map(|(_, value)| value).ok_or_else(|| format!("option {name} is missing"))
    }

    /// A list within this one; `None` where R has `NULL`.
    pub(super) fn list(&self, name: &str) -> Result<Option<Self>, String> {
        let value = self.find(name)?;
        if value.is_null() {
            return Ok(None);
        }
        Self::from_object(value, &format!("option {name}")).map(Some)
    }

    pub(super) fn count_of(&self, name: &str) -> Result<usize, String> {
        let value: i32 = self.get(name)?;
        usize::try_from(value).map_err(|_| format!("option {name} is negative"))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, String> {
        self.get(name)
    }

    pub(crate) fn text(&self, name: &str) -> Result<String, String> {
        self.get(name)
    }

    /// The power of two that brings entries of the given root mean square near 1; 1 where they are all zero.
    pub(crate) fn scale(&self) -> Result<f64, String> {
        let rms: f64 = self.get("rms")?;
        Ok(if rms > 0.0 { 1.0 / power_of_two_near(rms) } else { 1.0 })
    }

    /// The settings of a climb of the likelihood, in units in which entries are multiplied by `scale`.
    pub(crate) fn climb<'a>(&self, scale: f64, schedule: Vec<PriorStage<'a>>) -> Result<ModelFitter<'a>, String> {
        let estimator: Box<dyn NoiseEstimator> = match self.text("rule")?.as_str() {
            "mle" => Box::new(MaximumLikelihood { bounds: self.shares()?, ratio_floors: self.get("ratio_floors")? }),
            "moments" => Box::new(Moments { bounds: self.shares()? }),
            "fixed" => Box::new(Fixed(self.noise(scale)?)),
            other => return Err(format!("there is no rule {other}")),
        };
        let (remainder, noise_structure, stop) = (self.family()?, self.scatter()?, self.patience()?);
        Ok(ModelFitter { options: FitOptions { estimator, schedule, remainder, noise_structure, stop } })
    }

    /// How long a climb goes on.
    pub(crate) fn patience(&self) -> Result<StopRule, String> {
        Ok(StopRule { tolerance: self.get("tol")?, max_iterations: self.count_of("maxiter")? })
    }

    /// What the quantities that a prior is for are multiplied by.
    pub(crate) fn unit(&self) -> Result<f64, String> {
        self.get("unit")
    }

    /// The priors of a schedule, in units in which what they are for is multiplied by `unit`: `sqrt(scale)` of loadings.
    pub(crate) fn priors(&self, name: &str, unit: f64) -> Result<Priors, String> {
        Priors::new(&self.get::<List>(name)?, unit)
    }

    fn shares(&self) -> Result<BoundSpec, String> {
        Ok(BoundSpec { floor: self.get("floor")?, cap: self.get("cap")? })
    }

    pub(crate) fn threads(&self) -> Result<Threads, String> {
        self.count_of("threads").map(Threads::new)
    }

    /// To what share of their size sums over the zeros of a sparse matrix are interpolated.
    pub(super) fn interpolation(&self) -> Result<f64, String> {
        self.get("interpolation")
    }

    /// The settings of a certified underapproximation.
    pub(crate) fn certify(&self) -> Result<UnderapproxOptions, String> {
        let settings = UnderapproxOptions::new(self.count_of("K")?);
        Ok(if self.flag("refine")? { settings } else { UnderapproxOptions { rounds: 0, exchanges: 0, ..settings } })
    }

    /// The matrix in `storage`, in units in which its entries are multiplied by `scale`.
    pub(crate) fn problem<'a>(&self, storage: &'a dyn Storage, scale: f64) -> Result<Problem<'a>, String> {
        Ok(Problem { storage, symmetric: self.flag("symmetric")?, scale })
    }

    /// What `ask` finds of the matrix minus `factors`, under all that a fit says of the remainder and the noise.
    pub(crate) fn ask_of_fit<T>(
        &self,
        problem: &Problem,
        factors: &[Factor],
        ask: impl FnOnce(&ResidualView, ResidualParams) -> T,
    ) -> Result<T, String> {
        let (law, scales, params) = (self.law()?, self.scales()?, self.noise(problem.scale)?);
        let view = problem.view(factors).with_remainder_prior(law);
        Ok(ask(&view.with_noise_scales(scales.as_ref()), params))
    }

    /// What to look for and what is known, in units in which entries are multiplied by `scale`.
    pub(crate) fn plan(&self, scale: f64) -> Result<Plan, String> {
        let count = self.count_of("K")?;
        let starts = self.factors("init", scale)?;
        Ok(Plan {
            fixed: self.factors("fixed", scale)?,
            kept: self.factors("kept", scale)?,
            kept_params: self.kept_params(scale)?,
            init: starts.iter().map(|start| InitialLoadings::new(start.u(), start.v())).collect(),
            count: if self.flag("choose")? { Count::AtMost(count) } else { Count::Exactly(count) },
            refine: self.flag("refine")?,
        })
    }

    /// The user's start; `None` where there is none.
    pub(crate) fn start(&self) -> Result<Option<InitialLoadings>, String> {
        let (u, v): (Option<Vec<f64>>, Option<Vec<f64>>) = (self.get("u")?, self.get("v")?);
        Ok(match (u, v) {
            (Some(u), Some(v)) => Some(InitialLoadings::new(&u, &v)),
            (Some(u), None) => Some(InitialLoadings::new(&u, &u)),
            _ => None,
        })
    }

    /// The settings of the iteration; no rounds of estimation mean one round with λ and σ fixed.
    pub(crate) fn settings<'a>(&self, estimator: &'a Notebook) -> Result<NotebookEm<'a>, String> {
        let rounds = self.count_of("rounds")?;
        Ok(NotebookEm {
            params: ResidualParams { lambda: self.get("lambda")?, sigma: self.get("sigma")? },
            estimator: (rounds > 0).then_some(estimator as &dyn NoiseEstimator),
            rounds: rounds.max(1),
            iterations: self.count_of("maxiter")?,
            tolerance: self.get("tol")?,
            trace: self.get("trace")?,
        })
    }
}
