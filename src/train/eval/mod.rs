//! Evaluation of a model on stars whose labels are known, in the quantities that Leung & Bovy (2023, section 5) report.
//!
//! ```text
//! query ──> Stars ──> Plan (who is shown what, and asked for what) ──> evaluate ──> Evaluation ──> files
//! ```
//!
//! Residuals are truth minus prediction; their scatter is `mad_std`, 1.4826 times the median absolute deviation about
//! the median, and their bias is the median. A model's errors are judged against `sigma_total`, whose square is the sum
//! of the squares of the predicted sigma and of the label's own error if the query gives one. Here a coefficient is
//! also a label, in units of its token's scale.

mod charts;
mod derived;
mod evaluate;
mod files;
mod inpainting;
mod inputs;
mod metrics;
mod plan;
mod predictions;
mod report;
mod stars;

pub use evaluate::{Evaluation, LabelResult, evaluate};
pub use files::{About, coefficients_csv, metrics_csv, metrics_json};
pub use inpainting::{Coefficient, Inpainting};
pub use inputs::InputSet;
pub use metrics::{Metrics, PIT_BINS, calibration, percentile};
pub use plan::{LeftOut, Plan, Settings};
pub use predictions::Predictions;
pub use report::report_html;
pub use stars::Stars;
