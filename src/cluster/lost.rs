//! The error of a query that lost contact with a worker.

use std::{error::Error as StdError, iter};

use datafusion::common::DataFusionError;
use lamcat_core::error::{Error, ErrorKind};
use tonic::{Code, Status};
use url::Url;

/// What such an error's text contains, also when it comes from another worker, which sends errors as texts.
const LOST: &str = "lost contact with a worker";

/// Returns the error for a failure of the network or of the worker at `url`; errors of a query itself are returned as they
/// are.
pub(crate) fn or_lost(error: DataFusionError, url: &Url) -> DataFusionError {
    let Some(status) = causes(&error).find_map(|e| e.downcast_ref::<Status>()) else { return error };
    match status.code() {
        Code::Unauthenticated
        | Code::PermissionDenied
        | Code::InvalidArgument
        | Code::OutOfRange
        | Code::Unimplemented => {
            let refused = Error::new(ErrorKind::Config, format!("a worker refuses the request: {}", status.message()));
            refused.at("worker", url).into()
        }
        _ => {
            let reason = causes(status).skip(1).last().map(ToString::to_string);
            let reason = reason.unwrap_or_else(|| status.message().to_owned());
            Error::new(ErrorKind::Io, LOST).at("worker", url).source(reason).retryable(true).into()
        }
    }
}

/// What a worker says that was asked for the rows of a stage that it was not given: it was started again in between, or the
/// stage was lost on the way.
const WITHOUT_STAGE: &str = "while waiting for the plan to be set by the coordinator";

/// Whether a query failed because contact with a worker was lost.
pub(crate) fn is_lost(error: &DataFusionError) -> bool {
    let text = error.to_string();
    text.contains(LOST) || text.contains(WITHOUT_STAGE)
}

/// An error's words for people.
pub(crate) fn in_words(error: &DataFusionError) -> String {
    let own = causes(error).find_map(|e| e.downcast_ref::<Error>());
    own.map_or_else(|| error.strip_backtrace(), ToString::to_string)
}

/// An error, its cause, the cause of that, and so on.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |e| StdError::source(*e))
}
