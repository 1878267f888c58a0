//! How many tasks a scan is divided into, and which files each of them reads.

use std::sync::Arc;

use datafusion::{
    common::Result,
    datasource::{
        physical_plan::{FileGroup, FileGroupPartitioner, FileScanConfig},
        source::DataSourceExec,
    },
    physical_plan::{ExecutionPlan, ExecutionPlanProperties},
};
use datafusion_distributed::{
    DesiredTaskCountEvent, DesiredTaskCountEventResponse, DistributedConfig, DistributedLeafExec, ScaleUpLeafNodeEvent,
    ScaleUpLeafNodeEventResponse,
};

use crate::codec::scan_of;

/// The bytes of files that are worth a task of their own: some seconds of inference. `SET
/// distributed.file_scan_config_bytes_per_partition` changes it.
pub(crate) const TASK_BYTES: usize = 1 << 20;

/// The number of tasks for a scan. The planner lowers it to the number of workers.
pub(crate) fn wanted(event: DesiredTaskCountEvent) -> Option<Result<DesiredTaskCountEventResponse>> {
    let scan = scan_of(event.plan)?;
    // A plan that was made for two or more partitions is also right for more. If there is one, a node above may rely on it: an
    // aggregate without a second phase, a limit, a window. Files in groups by their values may not be divided either.
    if event.plan.output_partitioning().partition_count() < 2 || scan.output_partitioning.is_some() {
        return Some(Ok(DesiredTaskCountEventResponse::maximum(1)));
    }
    let files = || scan.file_groups.iter().flat_map(FileGroup::files);
    let bytes: usize = files().map(|file| file.effective_size() as usize).sum();
    let settings = DistributedConfig::from_session_config(event.session_config);
    let task_bytes = settings.map_or(TASK_BYTES, |settings| settings.file_scan_config_bytes_per_partition);
    let mut tasks = bytes.div_ceil(task_bytes.max(1));
    if !scan.file_source().supports_repartitioning() {
        tasks = tasks.min(files().count());
    }
    Some(Ok(DesiredTaskCountEventResponse::desired(tasks.max(1))))
}

/// Divides the files of a scan between tasks, all of which have the same number of partitions.
pub(crate) fn divided(event: ScaleUpLeafNodeEvent) -> Option<Result<ScaleUpLeafNodeEventResponse>> {
    let scan = scan_of(event.plan)?;
    if event.task_count == 1 {
        let leaf = DistributedLeafExec::try_new(event.plan.clone(), [event.plan.clone()]);
        return Some(leaf.map(|leaf| ScaleUpLeafNodeEventResponse::new(Arc::new(leaf))));
    }
    let partitions = event.plan.output_partitioning().partition_count();
    let mut groups = groups(scan, partitions * event.task_count);
    let each = groups.len().div_ceil(event.task_count);
    groups.resize(each * event.task_count, FileGroup::new(Vec::new()));
    let mut tasks = vec![Vec::with_capacity(each); event.task_count];
    for (i, group) in groups.into_iter().enumerate() {
        tasks[i % event.task_count].push(group);
    }
    let tasks = tasks.into_iter().map(|file_groups| {
        let mut scan = scan.clone();
        scan.file_groups = file_groups;
        DataSourceExec::from_data_source(scan) as Arc<dyn ExecutionPlan>
    });
    let leaf = DistributedLeafExec::try_new(event.plan.clone(), tasks);
    Some(leaf.map(|leaf| ScaleUpLeafNodeEventResponse::new(Arc::new(leaf))))
}

/// The files in about `wanted` groups. Files are split only if their format can be read from the middle. Rows of a group
/// keep their order.
fn groups(scan: &FileScanConfig, wanted: usize) -> Vec<FileGroup> {
    if scan.file_source().supports_repartitioning() {
        let divided = FileGroupPartitioner::new()
            .with_target_partitions(wanted)
            .with_repartition_file_min_size(0)
            .with_preserve_order_within_groups(!scan.output_ordering.is_empty())
            .repartition_file_groups(&scan.file_groups);
        if let Some(divided) = divided {
            return divided;
        }
    }
    let mut groups: Vec<_> = scan.file_groups.iter().map(|group| group.files().to_vec()).collect();
    while groups.len() < wanted {
        let Some(longest) = groups.iter_mut().max_by_key(|files| files.len()).filter(|files| files.len() > 1) else {
            break;
        };
        let half = longest.split_off(longest.len() / 2);
        groups.push(half);
    }
    groups.into_iter().map(FileGroup::new).collect()
}
