//! Sorts and joins more rows than fit in memory, by spilling to the local disk.

use std::sync::Arc;

use datafusion::{
    error::Result,
    execution::{
        cache::cache_manager::CacheManagerConfig,
        memory_pool::{FairSpillPool, MemoryLimit},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    prelude::SessionContext,
};
use lamcat_core::outputs::SpillFactory;

/// Bytes of footers that are cached, however many files are read.
const FOOTER_BYTES: usize = 2 << 20;

/// An environment with the stores and the memory pool of another one, which caches few footers.
pub(super) fn with_few_footers(environment: &RuntimeEnv) -> RuntimeEnvBuilder {
    let caches = CacheManagerConfig::default().with_metadata_cache_limit(FOOTER_BYTES);
    RuntimeEnvBuilder::from_runtime_env(environment).with_cache_manager(caches)
}

/// The memory that a query may use, however many rows and cores there are.
///
/// Every sort reserves a fixed part of its memory for merging its files, and may not take more than that. With
/// DataFusion's defaults each sort reserves 10 MB at first and merges as many files as memory allows, so when many
/// sorts run at once, the last ones find no memory left.
pub(super) struct MemoryBudget {
    /// Total bytes; the session's limit applies if that is lower.
    pub(super) bytes: usize,
    /// Number of partitions that are sorted at the same time.
    pub(super) partitions: usize,
    /// Number of sorts in each partition; a join has one for each side.
    pub(super) sorts: usize,
    /// Number of files that are merged at once.
    pub(super) merged: usize,
    /// Rows of a batch; one or two batches of each merged file are in memory.
    pub(super) batch_rows: usize,
}

/// A sort reserves this fraction of its memory for merging: one divided by this number.
const MERGING: usize = 4;

impl MemoryBudget {
    /// A context with the stores and settings of another one that keeps to this budget and uses sort-merge joins: a
    /// hash join holds one whole side in memory.
    ///
    /// # Errors
    /// If the context cannot be created.
    pub(super) fn context(&self, context: &SessionContext) -> Result<SessionContext> {
        let environment = context.runtime_env();
        let bytes = match environment.memory_pool.memory_limit() {
            MemoryLimit::Finite(bytes) => bytes.min(self.bytes),
            MemoryLimit::Infinite | MemoryLimit::Unknown => self.bytes,
        };
        let runtime = with_few_footers(&environment)
            .with_memory_pool(Arc::new(FairSpillPool::new(bytes)))
            .with_disk_manager_builder(SpillFactory::default().manager().with_max_spill_merge_fan_in(self.merged));
        let mut config = context
            .copied_config()
            .with_target_partitions(self.partitions)
            .with_batch_size(self.batch_rows)
            .with_sort_spill_reservation_bytes(bytes / (self.partitions * self.sorts * MERGING));
        config.options_mut().optimizer.prefer_hash_join = false;
        Ok(SessionContext::new_with_config_rt(config, runtime.build_arc()?))
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch},
        datatypes::Int64Type,
    };
    use datafusion::{
        physical_plan::{ExecutionPlan, displayable},
        prelude::SessionConfig,
    };

    use super::*;

    /// Rows that contain every number below `rows` once, in no particular order.
    fn numbers(rows: i64, factor: i64) -> RecordBatch {
        let ids = (0..rows).map(|row| row * factor % rows);
        let values = Float64Array::from_iter_values((0..rows).map(|row| row as f64));
        let mut columns: Vec<(String, ArrayRef)> = vec![("id".into(), Arc::new(Int64Array::from_iter_values(ids)))];
        columns.extend((0..8).map(|i| (format!("x{i}"), Arc::new(values.clone()) as ArrayRef)));
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn spilled(plan: &Arc<dyn ExecutionPlan>) -> usize {
        let own = plan.metrics().and_then(|metrics| metrics.spill_count()).unwrap_or(0);
        own + plan.children().into_iter().map(spilled).sum::<usize>()
    }

    #[tokio::test]
    async fn a_join_larger_than_its_memory_goes_through_files_on_many_cores() {
        let many = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(64));
        let join = MemoryBudget { bytes: 6 << 20, partitions: 2, sorts: 2, merged: 4, batch_rows: 256 };
        let context = join.context(&many).unwrap();
        context.register_batch("a", numbers(300_000, 7_919)).unwrap();
        context.register_batch("b", numbers(300_000, 104_729)).unwrap();
        let all = |side: &str| (0..8).map(|i| format!("{side}.x{i} >= 0")).collect::<Vec<_>>().join(" AND ");
        let query = format!(
            "SELECT count(*), count(a.id), count(b.id), count(*) FILTER (WHERE a.id = b.id AND {} AND {})
             FROM (SELECT * FROM a WHERE id >= 1000) a FULL JOIN b ON a.id = b.id",
            all("a"),
            all("b")
        );
        let plan = context.sql(&query).await.unwrap().create_physical_plan().await.unwrap();
        let rows = datafusion::physical_plan::collect(plan.clone(), context.task_ctx()).await.unwrap();
        let counts: Vec<i64> = rows[0].columns().iter().map(|c| c.as_primitive::<Int64Type>().value(0)).collect();
        assert_eq!(counts, [300_000, 299_000, 300_000, 299_000]);
        assert!(spilled(&plan) > 4, "{}", displayable(plan.as_ref()).indent(false));
    }
}
