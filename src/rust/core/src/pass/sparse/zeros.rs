//! What a sweep would find were every entry zero, without going over them one by one.
//!
//! There the residual `−Σ_k w_ik y_jk` depends on the loadings alone. In a row where no factor has a loading it is zero: one
//! entry tells all. In a row where one factor has, every sum over the columns is a smooth function of that loading, and
//! interpolated ([`super::chebyshev`]) where rows are many; at its nodes, what a column adds is a smooth function of the
//! loading there, and the columns are summed up likewise. In rows on which factors overlap, the sums are functions of all
//! their loadings, and interpolated on a grid ([`super::overlap`]) if that has fewer nodes than there are rows; else such rows
//! are gone over, but only at the columns where one of the factors has a loading.

use crate::factor::Factor;
use crate::pass::sparse::row_sums::Margin;
use crate::pass::sparse::zero_row::Look;
use crate::pass::{margins, Model, PassOutput, PassSpec, PassStats};
use crate::residual::ResidualView;
use crate::runtime::parallel::Threads;
use crate::support::{supports, Support, MAX_FACTORS};

/// Zeros that are to be swept over, in the place of all entries.
pub(crate) struct Zeros<'a> {
    pub(crate) view: &'a ResidualView<'a>,
    /// The factors that were taken out.
    pub(crate) subtracted: &'a [&'a Factor],
    pub(crate) model: Model<'a>,
    pub(crate) question: &'a PassSpec<'a>,
    /// What a sum may be off by, as a share of the largest.
    pub(crate) tolerance: f64,
    /// What zeros yield.
    pub(crate) look: Look,
    /// Whether that has curvatures.
    pub(crate) curved: bool,
    pub(crate) threads: Threads,
}

impl<'a> Zeros<'a> {
    /// All factors, the model's last.
    pub(crate) fn factors(&self) -> impl Iterator<Item = &'a Factor> + 'a {
        self.subtracted.iter().copied().chain([self.model.factor])
    }

    /// The sweep by which factors have a loading; `None` where there are too many of them, or so many patterns of loadings that
    /// finding what each meets takes longer than going over all entries.
    pub(crate) fn by_support(&self) -> Option<PassOutput> {
        let Self { view, subtracted, model, question, tolerance, look, curved, threads } = *self;
        if subtracted.len() + 1 > MAX_FACTORS {
            return None;
        }
        let rows = Margin {
            loadings: self.factors().map(|factor| factor.u()).collect(),
            others: self.factors().map(Factor::v).collect(),
            d: self.factors().map(|factor| factor.d).collect(),
            weights: question.column_weights,
            model,
            shift: question.shift,
            tolerance,
            look,
            curved,
        };
        let symmetric = view.is_symmetric();
        let down = supports(&rows.loadings, view.nrow());
        let across = if symmetric { Vec::new() } else { supports(&rows.others, view.ncol()) };
        let looks = |found: &[Support], others: usize| -> f64 {
            found.iter().map(|pattern| pattern.count() as f64 * others as f64).sum()
        };
        if looks(&down, view.ncol()) + looks(&across, view.nrow()) > view.count() {
            return None;
        }
        let mut total = PassOutput {
            products: margins(view),
            curvatures: Default::default(),
            sums: PassStats::empty(question.shift),
        };
        let found = rows.sums_by_row(down, threads);
        total.products.rows = found.products;
        total.curvatures.rows = found.curvatures;
        total.sums.add(&found.sums, if symmetric { 0.5 } else { 1.0 });
        if !symmetric {
            let Margin { loadings, others, d, .. } = rows;
            let columns = Margin { loadings: others, others: loadings, d, weights: question.row_weights, ..rows };
            let found = columns.sums_by_row(across, threads);
            total.products.columns = found.products;
            total.curvatures.columns = found.curvatures;
        }
        Some(total)
    }
}
