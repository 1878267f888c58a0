//! The archive's files as tables: every kind of real file, and each format compared with the others.

use std::{collections::BTreeMap, fs, io::Read, path::Path};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{DataType, Float32Type, Float64Type, Int16Type, Int64Type},
};
use flate2::read::GzDecoder;
use lamcat::session::{Session, SessionOptions};

use crate::shared::shared;

/// Folder of the real spectra.
pub const XP: &str = "data/xp_continuous";

/// All rows of a query, as one batch.
pub async fn query(sql: &str) -> Result<RecordBatch, String> {
    let session = Session::new(&SessionOptions::default()).unwrap();
    let frame = session.sql(sql).await.map_err(|e| e.strip_backtrace())?;
    let schema = frame.schema().inner().clone();
    let batches = frame.collect().await.map_err(|e| e.strip_backtrace())?;
    Ok(concat_batches(&schema, &batches).unwrap())
}

/// All rows of a file.
pub async fn table(path: &Path) -> RecordBatch {
    query(&format!("SELECT * FROM '{}'", path.display())).await.unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The columns by name as text of their bits, independent of the order and the metadata of a format.
fn columns(batch: &RecordBatch) -> BTreeMap<String, (DataType, String)> {
    let fields = batch.schema();
    let column = |i: usize| {
        let data = batch.column(i).to_data();
        (fields.field(i).name().clone(), (fields.field(i).data_type().clone(), format!("{data:?}")))
    };
    (0..batch.num_columns()).map(column).collect()
}

fn same_numbers(a: &RecordBatch, b: &RecordBatch, what: &str) {
    assert_eq!(a.num_rows(), b.num_rows(), "{what}");
    let (fields, other) = (a.schema(), b.schema());
    for (i, field) in fields.fields().iter().enumerate() {
        let j = other.index_of(field.name()).unwrap();
        assert_eq!(field.data_type(), other.field(j).data_type(), "{what}: {}", field.name());
        assert_eq!(a.column(i), b.column(j), "{what}: {}", field.name());
    }
    assert_eq!(columns(a).len(), columns(b).len(), "{what}");
}

#[tokio::test]
async fn a_source_has_the_same_numbers_in_every_format() {
    let Some(folder) = shared(&format!("{XP}/gaiaxpy")) else { return };
    let fits = table(&folder.join("XP_CONTINUOUS_RAW.fits")).await;
    assert_eq!((fits.num_rows(), fits.num_columns()), (2, 26));
    for other in ["csv", "ecsv", "xml"] {
        same_numbers(&fits, &table(&folder.join(format!("XP_CONTINUOUS_RAW.{other}"))).await, other);
    }
    let missing = table(&folder.join("XP_CONTINUOUS_RAW_with_missing_BP.csv")).await;
    same_numbers(&missing, &table(&folder.join("XP_CONTINUOUS_RAW_with_missing_BP.ecsv")).await, "missing BP");
    assert_eq!((missing.num_rows(), missing["bp_coefficients"].null_count()), (3, 1));
    assert_eq!(missing["bp_n_relevant_bases"].null_count(), 1);
    // These values were printed by astropy 8.0.2 from the FITS file.
    let ids = fits["source_id"].as_primitive::<Int64Type>();
    assert_eq!(ids.value(0), 5_853_498_713_190_525_696);
    let rp = fits["rp_coefficients"].as_list::<i32>().value(1);
    let errors = fits["bp_coefficient_errors"].as_list::<i32>().value(0);
    let correlations = fits["rp_coefficient_correlations"].as_list::<i32>().value(1);
    assert_eq!((rp.len(), errors.len(), correlations.len()), (55, 55, 1485));
    assert_eq!(rp.as_primitive::<Float64Type>().value(54).to_bits(), f64::to_bits(0.034_381_477_864_480_17));
    assert_eq!(errors.as_primitive::<Float32Type>().value(54).to_bits(), f32::to_bits(0.677_589_7));
    assert_eq!(correlations.as_primitive::<Float32Type>().value(1484).to_bits(), f32::to_bits(0.215_742_29));
}

/// Reads an archive's CSV file by splitting lines only, as an independent check.
fn by_splitting(text: &str, column: &str) -> Vec<f64> {
    let mut lines = text.lines();
    let at = lines.next().unwrap().split(',').position(|c| c == column).unwrap();
    // Every second piece is a quoted cell.
    let mut cells = Vec::new();
    for (i, piece) in lines.next().unwrap().split('"').enumerate() {
        if i % 2 == 1 {
            piece.clone_into(cells.last_mut().unwrap());
        } else {
            let mut plain: Vec<String> = piece.split(',').map(str::to_owned).collect();
            if i > 0 {
                plain.remove(0);
            }
            cells.extend(plain);
        }
    }
    let numbers = cells[at].trim_matches(['(', ')', '[', ']']).split(',');
    numbers.map(|n| n.trim().parse().unwrap()).collect()
}

#[tokio::test]
async fn every_symbiotic_star_reads() {
    let Some(path) = shared(&format!("{XP}/unusual/symbiotic_stars_xp_continuous_csv.tar.gz")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for entry in tar::Archive::new(GzDecoder::new(fs::File::open(path).unwrap())).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().unwrap().to_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        fs::write(folder.path().join(&name), &text).unwrap();
        files.push((folder.path().join(&name), text));
    }
    assert_eq!(files.len(), 193);
    let all = query(&format!("SELECT source_id FROM '{}/*.csv'", folder.path().display())).await.unwrap();
    assert_eq!(all.num_rows(), 193);
    for (path, text) in files.iter().step_by(7) {
        let batch = table(path).await;
        assert_eq!(batch.num_rows(), 1);
        for column in ["bp_coefficients", "rp_coefficients"] {
            let read = batch[column].as_list::<i32>().value(0);
            assert_eq!(read.as_primitive::<Float64Type>().values(), by_splitting(text, column).as_slice());
        }
        let read = batch["rp_coefficient_correlations"].as_list::<i32>().value(0);
        let split: Vec<f32> = by_splitting(text, "rp_coefficient_correlations").iter().map(|v| *v as f32).collect();
        assert_eq!(read.as_primitive::<Float32Type>().values(), split.as_slice());
    }
}

#[tokio::test]
async fn datalink_products_read() {
    let Some(path) = shared(&format!("{XP}/datalink/gaia_dr3_source_id_5937083312263887616_dl_products_csv.zip"))
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap().extract(folder.path()).unwrap();
    let file = |product: &str| folder.path().join(format!("{product}-Gaia DR3 5937083312263887616.csv"));
    let continuous = table(&file("XP_CONTINUOUS")).await;
    assert_eq!((continuous.num_rows(), continuous.num_columns()), (1, 26));
    assert_eq!(continuous["rp_coefficient_correlations"].as_list::<i32>().value(0).len(), 1485);
    let sampled = table(&file("XP_SAMPLED")).await;
    assert_eq!(sampled.num_rows(), 343);
    assert_eq!(
        table(&file("MCMC_MSC")).await.num_rows(),
        fs::read_to_string(file("MCMC_MSC")).unwrap().lines().count() - 1
    );
}

#[tokio::test]
async fn votables_of_text_and_source_tables_read() {
    let Some(path) = shared(&format!("{XP}/field_stars/xp_continuous_combined_weiler2023_examples.vot")) else {
        return;
    };
    let stars = table(&path).await;
    assert_eq!(stars.num_rows(), 4);
    // This value was printed by astropy 8.0.2.
    assert_eq!(stars["source_id"].as_primitive::<Int64Type>().value(0), 505_171_240_162_594_560);
    assert_eq!(stars["rp_n_relevant_bases"].as_primitive::<Int16Type>().values(), &[34, 21, 33, 44]);
    let rp = stars["rp_coefficients"].as_list::<i32>().value(3);
    assert_eq!(rp.as_primitive::<Float64Type>().value(54).to_bits(), f64::to_bits(3.356_823_064_172_158_6));
    let sco = table(&shared(&format!("{XP}/gaiaxpy/18Sco-XP-spectra.csv")).unwrap()).await;
    assert_eq!(sco["bp_coefficient_errors"].as_list::<i32>().value(0).len(), 55);
    let source = table(&shared("data/gaia_source/astroquery_1712337806100O-result.ecsv").unwrap()).await;
    assert_eq!((source.num_rows(), source.num_columns()), (5, 153));
    let valid = |c: &str| source.num_rows() - source[c].null_count();
    assert_eq!(["ra", "parallax", "phot_bp_mean_mag", "radial_velocity", "dist"].map(valid), [5, 3, 5, 0, 5]);
    let fields = source.schema();
    assert_eq!(fields.field_with_name("pmra").unwrap().metadata()["unit"], "mas.yr**-1");
    assert_eq!(fields.field_with_name("ra").unwrap().metadata()["ucd"], "pos.eq.ra;meta.main");
    let vot = table(&shared("data/gaia_source/astroquery_1710099405832VAL-result.vot").unwrap()).await;
    assert_eq!(vot.num_columns(), 152);
    let same = vot.schema();
    for field in same.fields() {
        let other = fields.field_with_name(field.name()).unwrap();
        assert_eq!(
            (field.data_type(), field.metadata().get("unit")),
            (other.data_type(), other.metadata().get("unit"))
        );
    }
}
