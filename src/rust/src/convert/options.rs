//! What R asks for.

use super::Priors;
use extendr_api::prelude::*;
use nmu_core::bayes::Stage;
use nmu_core::certify;
use nmu_core::climb::{Climb, Rule};
use nmu_core::deflate::{Count, Plan, Problem};
use nmu_core::em::Settings;
use nmu_core::noise::{Law, LawFamily, Means, Moments, Noise, Notebook, Scales, Scatter, Shares};
use nmu_core::parallel::Threads;
use nmu_core::project::Stop;
use nmu_core::scan::power_of_two_near;
use nmu_core::start::Start;
use nmu_core::storage::Storage;
use nmu_core::view::Factor;

/// The list of options that R sends, read by name.
pub(crate) struct Options(List);

impl Options {
    pub(crate) fn new(list: List) -> Self {
        Self(list)
    }

    pub(super) fn get<T>(&self, name: &str) -> Result<T, String>
    where
        T: TryFrom<Robj>,
    {
        let value = self.0.dollar(name).map_err(|_| format!("option {name} is missing"))?;
        T::try_from(value).map_err(|_| format!("option {name} has the wrong type"))
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
    pub(crate) fn climb<'a>(&self, scale: f64, schedule: Vec<Stage<'a>>) -> Result<Climb<'a>, String> {
        let rule = match self.text("rule")?.as_str() {
            "mle" => Rule::Likelihood(self.shares()?, self.get("ladder")?),
            "moments" => Rule::Alternate(&Moments, self.shares()?),
            "fixed" => Rule::Fixed(self.noise(scale)?),
            other => return Err(format!("there is no rule {other}")),
        };
        Ok(Climb {
            rule,
            schedule,
            law: self.family()?,
            scatter: self.scatter()?,
            tolerance: self.get("tol")?,
            iterations: self.count_of("maxiter")?,
        })
    }

    /// What is known of the law of the remainder: `means` and `weights` in units of their own, or that it is a point mass
    /// `tied` to an exponential.
    fn family(&self) -> Result<LawFamily, String> {
        let list = Self(self.get("law")?);
        let means: Vec<f64> = list.get("means")?;
        let weights: Option<Vec<f64>> = list.get("weights")?;
        match weights {
            _ if list.flag("tied")? => Ok(LawFamily::PointExponential),
            Some(weights) => Law::new(weights.into_iter().zip(means)).map(LawFamily::Known),
            None => Means::new(&means).map(LawFamily::Mixture),
        }
        .map_err(|error| error.to_string())
    }

    /// The law of the remainder, all of which is known.
    pub(crate) fn law(&self) -> Result<Law, String> {
        match self.family()? {
            LawFamily::Known(law) => Ok(law),
            _ => Err("the law of the remainder is not known".to_string()),
        }
    }

    /// How the noise differs: `scatter` is a word, or what is known of it.
    fn scatter(&self) -> Result<Scatter, String> {
        let value = self.0.dollar("scatter").map_err(|_| "option scatter is missing".to_string())?;
        Ok(match value.as_str() {
            Some("constant") => Scatter::Even,
            Some("row") => Scatter::Rows,
            Some("column") => Scatter::Columns,
            Some(other) => return Err(format!("noise does not differ by {other}")),
            None => self.scales()?.map_or(Scatter::Even, Scatter::Known),
        })
    }

    /// Standard deviations of the noise of entries, in units of σ: numbers for `rows` and `columns`, or for `entries`, or
    /// `NULL`.
    pub(crate) fn scales(&self) -> Result<Option<Scales>, String> {
        let value = self.0.dollar("scatter").map_err(|_| "option scatter is missing".to_string())?;
        if value.is_null() {
            return Ok(None);
        }
        let list = Self(List::try_from(value).map_err(|_| "option scatter is not a list".to_string())?);
        let entries: Option<Vec<f64>> = list.get("entries")?;
        let scales = match entries {
            Some(entries) => Scales::entries(entries),
            None => Scales::outer(list.get("rows")?, list.get("columns")?),
        };
        scales.map(Some).map_err(|error| error.to_string())
    }

    /// λ and σ, in units in which entries are multiplied by `scale`.
    pub(crate) fn noise(&self, scale: f64) -> Result<Noise, String> {
        Ok(Noise { lambda: self.get::<f64>("lambda")? / scale, sigma: self.get::<f64>("sigma")? * scale })
    }

    /// The loadings of the columns alone.
    pub(crate) fn columns(&self, ncol: usize) -> Result<Vec<Vec<f64>>, String> {
        let v: Vec<f64> = self.get("v")?;
        Ok(v.chunks_exact(ncol).map(<[f64]>::to_vec).collect())
    }

    /// When a climb stops.
    pub(crate) fn stop(&self) -> Result<Stop, String> {
        Ok(Stop { tolerance: self.get("tol")?, iterations: self.count_of("maxiter")? })
    }

    /// What the quantities that a prior is for are multiplied by.
    pub(crate) fn unit(&self) -> Result<f64, String> {
        self.get("unit")
    }

    /// The priors of a schedule, in units in which what they are for is multiplied by `unit`: `sqrt(scale)` of loadings.
    pub(crate) fn priors(&self, name: &str, unit: f64) -> Result<Priors, String> {
        Priors::new(&self.get::<List>(name)?, unit)
    }

    fn shares(&self) -> Result<Shares, String> {
        Ok(Shares { floor: self.get("floor")?, cap: self.get("cap")? })
    }

    pub(crate) fn threads(&self) -> Result<Threads, String> {
        self.count_of("threads").map(Threads::new)
    }

    /// To what share of their size sums over the zeros of a sparse matrix are interpolated.
    pub(super) fn interpolation(&self) -> Result<f64, String> {
        self.get("interpolation")
    }

    /// The settings of a certified underapproximation.
    pub(crate) fn certify(&self) -> Result<certify::Settings, String> {
        let settings = certify::Settings::new(self.count_of("K")?);
        Ok(if self.flag("refine")? { settings } else { certify::Settings { rounds: 0, exchanges: 0, ..settings } })
    }

    /// The matrix in `storage`, in units in which its entries are multiplied by `scale`.
    pub(crate) fn problem<'a>(&self, storage: &'a dyn Storage, scale: f64) -> Result<Problem<'a>, String> {
        Ok(Problem { storage, symmetric: self.flag("symmetric")?, scale })
    }

    /// What to look for and what is known, in units in which entries are multiplied by `scale`.
    pub(crate) fn plan(&self, scale: f64) -> Result<Plan, String> {
        let count = self.count_of("K")?;
        let starts = self.factors("starts", scale)?;
        Ok(Plan {
            fixed: self.factors("fixed", scale)?,
            kept: self.factors("kept", scale)?,
            kept_noise: self.kept_noise(scale)?,
            starts: starts.iter().map(|start| Start::new(&start.u, start.v())).collect(),
            count: if self.flag("choose")? { Count::AtMost(count) } else { Count::Exactly(count) },
            refine: self.flag("refine")?,
        })
    }

    /// λ and σ of the factors that are kept, if there are any and these are known.
    fn kept_noise(&self, scale: f64) -> Result<Option<Noise>, String> {
        let kept: Robj = self.get("kept")?;
        if kept.is_null() {
            return Ok(None);
        }
        let noise = Self(List::try_from(kept).map_err(|_| "option kept is not a list")?).noise(scale)?;
        Ok(Some(noise).filter(|noise| noise.lambda.is_finite() && noise.sigma.is_finite()))
    }

    /// Factors as R has them: `NULL`, or a list of `d`, `u` and `v`, matrices with a column a factor; `v` is `NULL` where
    /// the matrix is symmetric.
    pub(crate) fn factors(&self, name: &str, scale: f64) -> Result<Vec<Factor>, String> {
        let value = self.0.dollar(name).map_err(|_| format!("option {name} is missing"))?;
        if value.is_null() {
            return Ok(Vec::new());
        }
        let list = Self(List::try_from(value).map_err(|_| format!("option {name} is not a list"))?);
        let d: Vec<f64> = list.get("d")?;
        let (u, v): (RMatrix<f64>, Option<RMatrix<f64>>) = (list.get("u")?, list.get("v")?);
        let column = |matrix: &RMatrix<f64>, index: usize| -> Vec<f64> {
            matrix.data().iter().skip(index * matrix.nrows()).take(matrix.nrows()).copied().collect()
        };
        let factor = |(index, d): (usize, &f64)| Factor {
            d: d * scale,
            u: column(&u, index),
            v: v.as_ref().map(|v| column(v, index)),
        };
        Ok(d.iter().enumerate().map(factor).collect())
    }

    /// The user's start; `None` where there is none.
    pub(crate) fn start(&self) -> Result<Option<Start>, String> {
        let (u, v): (Option<Vec<f64>>, Option<Vec<f64>>) = (self.get("u")?, self.get("v")?);
        Ok(match (u, v) {
            (Some(u), Some(v)) => Some(Start::new(&u, &v)),
            (Some(u), None) => Some(Start::new(&u, &u)),
            _ => None,
        })
    }

    /// The settings of the iteration; no rounds of estimation mean one round with λ and σ fixed.
    pub(crate) fn settings<'a>(&self, estimator: &'a Notebook) -> Result<Settings<'a>, String> {
        let rounds = self.count_of("rounds")?;
        Ok(Settings {
            noise: Noise { lambda: self.get("lambda")?, sigma: self.get("sigma")? },
            estimator: (rounds > 0).then_some(estimator),
            rounds: rounds.max(1),
            iterations: self.count_of("maxiter")?,
            tolerance: self.get("tol")?,
            trace: self.get("trace")?,
        })
    }
}
