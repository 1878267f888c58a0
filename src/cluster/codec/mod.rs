//! How lamcat's own plan nodes travel to workers. DataFusion's nodes travel as it defines.
//!
//! Functions travel by name, models by content hash, and stores by URL: what a URL needs to be read with comes from each
//! worker's environment, so that no credential is part of a plan.

mod infer;
mod scan;

pub(crate) use infer::unknown_model;
pub(crate) use scan::bound_to_this_process;

use std::sync::Arc;

use datafusion::{
    common::{Result, internal_datafusion_err, internal_err},
    datasource::{physical_plan::FileScanConfig, source::DataSourceExec},
    execution::TaskContext,
    physical_plan::ExecutionPlan,
};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use lamcat_model::inference::Engine;
use lamcat_sql::planner::LamInferExec;
use prost::Message;

/// What the bytes of a node of lamcat begin with. DataFusion tries several decoders on the same bytes, and those of
/// protobuf accept many that are not meant for them.
const MAGIC: &[u8] = b"lamcat\0";

/// The codec of a session with an engine.
#[derive(Debug)]
pub(crate) struct Codec {
    engine: Arc<Engine>,
}

/// A node of lamcat.
#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(oneof = "Kind", tags = "1, 2, 3")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(message, tag = "1")]
    Infer(Box<infer::Infer>),
    #[prost(message, tag = "2")]
    Parquet(Box<scan::Parquet>),
    #[prost(message, tag = "3")]
    Archive(Box<scan::Archive>),
}

impl Codec {
    /// A codec whose operators run on `engine`.
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

impl PhysicalExtensionCodec for Codec {
    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let kind = if let Some(infer) = node.downcast_ref::<LamInferExec>() {
            Kind::Infer(Box::new(infer::encode(infer, self, converter)?))
        } else if let Some(scan) = scan_of(&node) {
            scan::encode(scan, self, converter)?
        } else {
            return internal_err!("lamcat sends no {} to a worker", node.name());
        };
        bytes.extend_from_slice(MAGIC);
        Node { kind: Some(kind) }.encode(bytes).map_err(|e| internal_datafusion_err!("{e}"))
    }

    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        task: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(bytes) = bytes.strip_prefix(MAGIC) else { return internal_err!("not a node of lamcat") };
        let node = Node::decode(bytes).map_err(|e| internal_datafusion_err!("a node of lamcat is damaged: {e}"))?;
        match node.kind {
            Some(Kind::Infer(infer)) => infer::decode(&infer, inputs, &self.engine, self, task, converter),
            Some(Kind::Parquet(scan)) => scan::decode_parquet(&scan, self, task, converter),
            Some(Kind::Archive(scan)) => scan::decode_archive(&scan, self, task, converter),
            None => internal_err!("a node of lamcat has no content"),
        }
    }
}

/// The configuration of a scan of files.
pub(crate) fn scan_of(node: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    node.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref()
}
