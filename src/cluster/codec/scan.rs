//! Scans of files: Parquet read in a way that is correct for NaN, and the formats of the archive.

use std::{str::FromStr, sync::Arc};

use datafusion::{
    common::{Result, internal_datafusion_err, internal_err},
    datasource::{
        physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder},
        source::DataSourceExec,
    },
    execution::TaskContext,
    physical_plan::ExecutionPlan,
};
use datafusion_proto::{
    physical_plan::{
        PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
        from_proto::{parse_protobuf_file_scan_config, parse_table_schema_from_proto},
        to_proto::serialize_file_scan_config,
    },
    protobuf::{FileScanExecConf, PhysicalPlanNode},
};
use lamcat_core::error::{Error, ErrorKind};
use lamcat_formats::{ArchiveFormat, ArchiveScan, OnError, TableChoice, careful_scan, plain_scan};
use lamcat_sql::session::{are_known_columns, is_of_this_process, known_columns};
use prost::Message;

use super::{Kind, scan_of};

/// A scan of Parquet files.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Parquet {
    /// DataFusion's own scan.
    #[prost(message, optional, tag = "1")]
    scan: Option<PhysicalPlanNode>,
    /// Whether a file with further columns is refused.
    #[prost(bool, tag = "2")]
    known_columns: bool,
}

/// A scan of files of a format of the archive.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Archive {
    #[prost(message, optional, tag = "1")]
    files: Option<FileScanExecConf>,
    /// The name of the format.
    #[prost(string, tag = "2")]
    format: String,
    /// Whether malformed values become NULL.
    #[prost(bool, tag = "3")]
    null_on_error: bool,
    /// Whether only the first table of each file is read.
    #[prost(bool, tag = "4")]
    first_table: bool,
    /// The text after the `#` of a file's name; empty if there is none.
    #[prost(string, tag = "5")]
    table: String,
}

/// Returns why a scan can only run in this process. Scans of other formats than lamcat's own travel as DataFusion defines,
/// which leaves out how the files are compressed and their lines end.
pub(crate) fn bound_to_this_process(scan: &FileScanConfig) -> Option<Error> {
    let source = scan.file_source();
    if plain_scan(scan).is_none() && ArchiveScan::of(source).is_none() {
        let message = format!("{} files of this kind are read where the query was asked", source.file_type());
        return Some(Error::new(ErrorKind::Plan, message));
    }
    let url = url::Url::parse(scan.object_store_url.as_str()).ok()?;
    let local = is_of_this_process(&url);
    let chosen = scan.file_groups.iter().flat_map(FileGroup::files).any(|file| !file.extensions.is_empty());
    let limit = scan.limit.is_some_and(|rows| u32::try_from(rows).is_err());
    (local || chosen || limit).then(|| {
        let message = match (local, chosen) {
            (true, _) => "standard input, archives, and URLs with a secret in them are known to this process alone",
            (_, true) => "the rows of this scan are chosen in this process",
            _ => "a limit of more than four billion rows is not sent to workers",
        };
        Error::new(ErrorKind::Plan, message)
    })
}

pub(super) fn encode(
    scan: &FileScanConfig,
    codec: &dyn PhysicalExtensionCodec,
    converter: &dyn PhysicalProtoConverterExtension,
) -> Result<Kind> {
    if let Some(reason) = bound_to_this_process(scan) {
        return Err(reason.into());
    }
    let known_columns = match &scan.expr_adapter_factory {
        None => false,
        Some(check) if are_known_columns(check) => true,
        Some(check) => return internal_err!("lamcat sends no {check:?} to a worker"),
    };
    if let Some(plain) = plain_scan(scan) {
        let plan: Arc<dyn ExecutionPlan> = DataSourceExec::from_data_source(plain);
        let scan = Some(converter.execution_plan_to_proto(&plan, codec)?);
        return Ok(Kind::Parquet(Box::new(Parquet { scan, known_columns })));
    }
    let Some(archive) = ArchiveScan::of(scan.file_source()) else {
        return internal_err!("lamcat sends no scan of {} files to a worker", scan.file_source().file_type());
    };
    Ok(Kind::Archive(Box::new(Archive {
        files: Some(serialize_file_scan_config(scan, codec, converter)?),
        format: archive.format.name().to_owned(),
        null_on_error: archive.on_error == OnError::Null,
        first_table: archive.choice == TableChoice::First,
        table: archive.choice.to_string().strip_prefix('#').unwrap_or_default().to_owned(),
    })))
}

pub(super) fn decode_parquet(
    node: &Parquet,
    codec: &dyn PhysicalExtensionCodec,
    task: &TaskContext,
    converter: &dyn PhysicalProtoConverterExtension,
) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(scan) = &node.scan else { return internal_err!("a scan of Parquet files without files") };
    let plan = converter.proto_to_execution_plan(scan, &PhysicalPlanDecodeContext::new(task, codec))?;
    let Some(scan) = scan_of(&plan) else { return internal_err!("a scan of Parquet files is a {}", plan.name()) };
    let check = node.known_columns.then(known_columns);
    let scan = FileScanConfigBuilder::from(careful_scan(scan)).with_expr_adapter(check).build();
    Ok(DataSourceExec::from_data_source(scan))
}

pub(super) fn decode_archive(
    node: &Archive,
    codec: &dyn PhysicalExtensionCodec,
    task: &TaskContext,
    converter: &dyn PhysicalProtoConverterExtension,
) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(files) = &node.files else { return internal_err!("a scan of archive files without files") };
    let Some(format) = ArchiveFormat::of_sql_name(&node.format) else {
        return internal_err!("'{}' is no format of the archive", node.format);
    };
    let choice = match node.table.as_str() {
        "" if node.first_table => TableChoice::First,
        "" => TableChoice::All,
        table => TableChoice::from_str(table)?,
    };
    let on_error = if node.null_on_error { OnError::Null } else { OnError::Fail };
    let source = ArchiveScan { format, on_error, choice }.source(parse_table_schema_from_proto(files)?);
    let plans = PhysicalPlanDecodeContext::new(task, codec);
    let scan = parse_protobuf_file_scan_config(files, &plans, converter, source)
        .map_err(|e| internal_datafusion_err!("a scan of archive files is damaged: {e}"))?;
    Ok(DataSourceExec::from_data_source(scan))
}
