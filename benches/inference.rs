//! Stars per second of the bare model and of SQL from Parquet to Parquet, in one run: full-size random weights, 64
//! tokens in, 1 and 3 labels out. `cargo bench --bench inference`; figures in benches/README.md.

use std::{fs::File, hint::black_box, path::Path, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use datafusion::{
    arrow::{array::AsArray, datatypes::Float32Type},
    parquet::arrow::ArrowWriter,
};
use lamcat::{
    context::Packed,
    gaia::sample,
    inference::{Backend, CandleBackend, CpuBackend, Requests},
    model::{Architecture, Model, init},
    schema::Vocabulary,
    session::{Session, SessionOptions},
};
use tokio::runtime::Runtime;

const ROWS: usize = 1024;
const LABELS: [&[&str]; 2] = [&["teff"], &["teff", "logg", "m_h"]];
const TABLE: &str = "(SELECT source_id, xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS xp FROM stars)";

fn model() -> Model {
    init::random("full", Architecture::leung_bovy_2023(), Vocabulary::leung_bovy_2023(), 0)
        .expect("the published sizes are valid")
}

/// The sample's stars that have both spectra, often enough to make `ROWS`.
fn stars_file(path: &Path) {
    let batch = sample(ROWS, 0).expect("the sample can be built");
    let mut writer = ArrowWriter::try_new(File::create(path).expect("writable"), batch.schema(), None).expect("writer");
    writer.write(&batch).expect("writable");
    writer.close().expect("writable");
}

async fn session(path: &Path) -> Session {
    let session = Session::new(&SessionOptions::default()).expect("a session");
    session.engine().set_default_model(model());
    let sql = format!("CREATE EXTERNAL TABLE stars STORED AS PARQUET LOCATION '{}'", path.display());
    session.sql(&sql).await.expect("a table").collect().await.expect("a table");
    session
}

/// The contexts SQL would pack, packed before the clock starts.
async fn contexts(session: &Session) -> Packed {
    let model = session.engine().model(None).expect("a model");
    let rows = session.sql(&format!("SELECT xp FROM {TABLE} WHERE xp IS NOT NULL")).await.expect("a query");
    let mut packed = Packed::with_capacity(ROWS, 64);
    for batch in rows.collect().await.expect("rows") {
        let lists = batch.column(0).as_fixed_size_list();
        for row in 0..batch.num_rows() {
            let list = lists.value(row);
            let values = list.as_primitive::<Float32Type>();
            let ids = (1..=32u32).chain(56..88);
            let context = ids.map(|id| (id, values.value(id as usize - 1)));
            packed.push(model.vocabulary(), context).expect("64 tokens fit");
        }
    }
    packed
}

fn bare(c: &mut Criterion, model: &Model, packed: &Packed) {
    let mut group = c.benchmark_group("bare");
    group.throughput(Throughput::Elements(packed.rows as u64));
    let backends: [(&str, Box<dyn Backend>); 2] =
        [("cpu", Box::new(CpuBackend::default())), ("candle", Box::new(CandleBackend))];
    for (name, mut backend) in backends {
        for labels in LABELS {
            let tokens = labels.iter().map(|l| model.vocabulary().require(l).expect("a label")).collect();
            let requests = Requests { tokens, embedding: false };
            group.bench_function(format!("{name} {} labels", labels.len()), |b| {
                b.iter(|| black_box(backend.infer(model, packed, &requests).expect("answers")));
            });
        }
    }
    group.finish();
}

fn sql(c: &mut Criterion, runtime: &Runtime, session: &Session, folder: &Path, rows: usize) {
    let mut group = c.benchmark_group("sql");
    group.throughput(Throughput::Elements(rows as u64));
    for labels in LABELS {
        let columns: Vec<String> = labels.iter().map(|l| format!("lam_infer(xp, '{l}') AS {l}")).collect();
        let to = folder.join("labels.parquet");
        let query = format!("COPY (SELECT source_id, {} FROM {TABLE}) TO '{}'", columns.join(", "), to.display());
        group.bench_function(format!("{} labels", labels.len()), |b| {
            b.to_async(runtime).iter(|| async {
                let frame = session.sql(&query).await.expect("a query");
                black_box(frame.collect().await.expect("rows"));
            });
        });
    }
    group.finish();
}

fn benchmark(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("stars.parquet");
    stars_file(&path);
    let runtime = Runtime::new().expect("a runtime");
    let session = runtime.block_on(session(&path));
    let packed = runtime.block_on(contexts(&session));
    let model = session.engine().model(None).expect("a model");
    bare(c, &model, &packed);
    sql(c, &runtime, &session, folder.path(), packed.rows);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(30));
    targets = benchmark
}
criterion_main!(benches);
