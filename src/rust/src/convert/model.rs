//! What R says of the model: the law of the remainder, the noise, factors.

use super::Options;
use extendr_api::prelude::*;
use nmu_core::factor::Factor;
use nmu_core::mle::remainder_update::{ComponentMeans, RemainderPriorFamily};
use nmu_core::noise::ResidualParams;
use nmu_core::noise::{NoiseScales, NoiseStructure};
use nmu_core::remainder_prior::RemainderPrior;

impl Options {
    /// What is known of the law of the remainder: `means` and `weights` in units of their own, or that it is a point mass
    /// `tied` to an exponential.
    pub(super) fn family(&self) -> Result<RemainderPriorFamily, String> {
        let list = self.list("b_prior")?.ok_or("option b_prior is NULL")?;
        let means: Vec<f64> = list.get("means")?;
        let weights: Option<Vec<f64>> = list.get("weights")?;
        match weights {
            _ if list.flag("point_exponential")? => Ok(RemainderPriorFamily::PointExponential),
            Some(weights) => RemainderPrior::new(weights.into_iter().zip(means)).map(RemainderPriorFamily::Known),
            None => ComponentMeans::new(&means).map(RemainderPriorFamily::Mixture),
        }
        .map_err(|error| error.to_string())
    }

    /// The law of the remainder, all of which is known.
    pub(crate) fn law(&self) -> Result<RemainderPrior, String> {
        match self.family()? {
            RemainderPriorFamily::Known(law) => Ok(law),
            _ => Err("the law of the remainder is not known".to_string()),
        }
    }

    /// How the noise differs: `scatter` is a word, or what is known of it.
    pub(super) fn scatter(&self) -> Result<NoiseStructure, String> {
        Ok(match self.find("noise_scales")?.as_str() {
            Some("constant") => NoiseStructure::Homoscedastic,
            Some("row") => NoiseStructure::ByRow,
            Some("column") => NoiseStructure::ByColumn,
            Some(other) => return Err(format!("noise does not differ by {other}")),
            None => self.scales()?.map_or(NoiseStructure::Homoscedastic, NoiseStructure::Known),
        })
    }

    /// Standard deviations of the noise of entries, in units of σ: numbers for `rows` and `columns`, or for `entries`, or
    /// `NULL`.
    pub(crate) fn scales(&self) -> Result<Option<NoiseScales>, String> {
        let Some(list) = self.list("noise_scales")? else { return Ok(None) };
        let entries = list.find("entries")?;
        let scales = if entries.is_null() {
            NoiseScales::outer(list.get("rows")?, list.get("columns")?)
        } else {
            // As many as the matrix has entries.
            let values = entries.as_real_slice().ok_or("option entries has the wrong type")?;
            let mut copied = Vec::new();
            copied.try_reserve_exact(values.len()).map_err(|_| "no memory for the noise of all entries".to_string())?;
            copied.extend_from_slice(values);
            NoiseScales::entries(copied)
        };
        scales.map(Some).map_err(|error| error.to_string())
    }

    /// λ and σ, in units in which entries are multiplied by `scale`.
    pub(crate) fn noise(&self, scale: f64) -> Result<ResidualParams, String> {
        Ok(ResidualParams { lambda: self.get::<f64>("lambda")? / scale, sigma: self.get::<f64>("sigma")? * scale })
    }

    /// The loadings of the columns alone.
    pub(crate) fn columns(&self, ncol: usize) -> Result<Vec<Vec<f64>>, String> {
        let v: Vec<f64> = self.get("v")?;
        Ok(v.chunks_exact(ncol).map(<[f64]>::to_vec).collect())
    }

    /// λ and σ of the factors that are kept, if there are any and these are known.
    pub(super) fn kept_params(&self, scale: f64) -> Result<Option<ResidualParams>, String> {
        let Some(kept) = self.list("kept")? else { return Ok(None) };
        // R has NA where they were not estimated, and that is no number.
        let number = |name: &str| kept.get::<Option<f64>>(name);
        let (Some(lambda), Some(sigma)) = (number("lambda")?, number("sigma")?) else { return Ok(None) };
        let params = ResidualParams { lambda: lambda / scale, sigma: sigma * scale };
        Ok(Some(params).filter(|params| params.lambda.is_finite() && params.sigma.is_finite()))
    }

    /// Factors as R has them: `NULL`, or a list of `d`, `u` and `v`, matrices with a column a factor; `v` is `NULL` where
    /// the matrix is symmetric.
    pub(crate) fn factors(&self, name: &str, scale: f64) -> Result<Vec<Factor>, String> {
        let Some(list) = self.list(name)? else { return Ok(Vec::new()) };
        let d: Vec<f64> = list.get("d")?;
        let (u, v): (RMatrix<f64>, Option<RMatrix<f64>>) = (list.get("u")?, list.get("v")?);
        fn column(matrix: &RMatrix<f64>, index: usize) -> &[f64] {
            &matrix.data()[index * matrix.nrows()..(index + 1) * matrix.nrows()]
        }
        let factor =
            |(index, d): (usize, &f64)| Factor::new(d * scale, column(&u, index), v.as_ref().map(|v| column(v, index)));
        Ok(d.iter().enumerate().map(factor).collect())
    }
}
