//! Gaia: its columns, its scales of brightness and parallax, its BP and RP spectra, its SQL functions, and simulated
//! stars. Everything that lamcat knows about this survey is here, and other crates use it only through [`Survey`].

mod bases;
mod columns;
mod functions;
mod parallax;
pub mod photometry;
mod sample;
pub mod simulate;
mod source_id;
pub mod xp;

use datafusion::{common::Result as DataFusionResult, logical_expr::LogicalPlan};
use lamcat_core::{
    schema::Basis,
    survey::{Survey, SurveyColumn},
    udf::FunctionSpec,
};

pub use parallax::parallax_zero_point;
pub use photometry::g_flux;
pub use sample::sample;
pub use source_id::{SOURCE_ID_LEVEL, source_id_pixel};

use bases::{BASIS_HINT, DR4_BP_COEFFICIENTS, check_band_length};

/// The Gaia survey.
#[derive(Debug)]
pub struct Gaia;

lamcat_core::survey!(Gaia);

impl Survey for Gaia {
    fn name(&self) -> &'static str {
        "Gaia"
    }

    fn bases(&self) -> Vec<Basis> {
        bases::bases()
    }

    fn column(&self, name: &str) -> Option<SurveyColumn> {
        columns::column(name)
    }

    fn joined_columns(&self) -> &'static [&'static str] {
        &columns::JOINED
    }

    fn functions(&self) -> Vec<&'static FunctionSpec> {
        functions::specs()
    }

    fn checked(&self, plan: LogicalPlan) -> DataFusionResult<LogicalPlan> {
        functions::with_bases_checked(plan)
    }
}
