//! Settings of the files that queries spill to. DataFusion would replace the disk manager, and the new spill files
//! would have names.

use datafusion::{
    common::Result,
    execution::{disk_manager::DEFAULT_MAX_TEMP_DIRECTORY_SIZE, runtime_env::RuntimeEnv},
    logical_expr::{LogicalPlan, Statement},
    prelude::SessionContext,
};
use lamcat_core::{
    error::{Error, ErrorKind},
    outputs::SpillFactory,
};

const FOLDER: &str = "datafusion.runtime.temp_directory";
const LIMIT: &str = "datafusion.runtime.max_temp_directory_size";

/// The limit that a statement sets for the bytes of all spill files; `None` if it is about something else.
///
/// # Errors
/// If the value is not a size, or the statement sets the folder.
pub(super) fn limit(plan: &LogicalPlan) -> Result<Option<u64>> {
    let (name, value) = match plan {
        LogicalPlan::Statement(Statement::SetVariable(set)) => (&set.variable, Some(&set.value)),
        LogicalPlan::Statement(Statement::ResetVariable(reset)) => (&reset.variable, None),
        _ => return Ok(None),
    };
    if name.eq_ignore_ascii_case(FOLDER) {
        return Err(Error::new(ErrorKind::Config, "the folder of temporary rows is not set in SQL")
            .hint("start lamcat with the folder in the environment variable TMPDIR; the files there have no names")
            .into());
    }
    if !name.eq_ignore_ascii_case(LIMIT) {
        return Ok(None);
    }
    let Some(value) = value else { return Ok(Some(DEFAULT_MAX_TEMP_DIRECTORY_SIZE)) };
    Ok(Some(SessionContext::parse_capacity_limit(LIMIT, value)? as u64))
}

/// Sets the limit for the bytes of all spill files.
pub(super) fn set_limit(runtime: &RuntimeEnv, spilled: &SpillFactory, most: u64) -> Result<()> {
    spilled.set_most(most);
    // DataFusion reports this value as the current setting.
    runtime.disk_manager.set_max_temp_directory_size(most)
}
