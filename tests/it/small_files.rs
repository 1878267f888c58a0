//! Small files of every format, for tests of the readers.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::Int64Type,
};
use datafusion::parquet::arrow::ArrowWriter;

use crate::archive::query;

/// Creates a folder with these files.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

pub fn parquet(path: &Path, batch: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// The number of rows of a path in a folder.
pub async fn count(folder: &Path, name: &str) -> Result<i64, String> {
    let rows = query(&format!("SELECT count(*) AS n FROM '{}/{name}'", folder.display())).await?;
    Ok(rows["n"].as_primitive::<Int64Type>().value(0))
}

/// The error message for a file that cannot be read.
pub async fn message(folder: &Path, name: &str) -> String {
    let e = query(&format!("SELECT * FROM '{}/{name}'", folder.display())).await;
    e.map(|rows| panic!("{name} has {} rows", rows.num_rows())).unwrap_err()
}

/// A column of a file as sorted texts, with an empty text for NULL.
pub async fn texts(folder: &Path, name: &str, column: &str) -> Vec<String> {
    let sql = format!("SELECT CAST({column} AS VARCHAR) AS t FROM '{}/{name}'", folder.display());
    let rows = query(&sql).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut texts: Vec<String> =
        rows["t"].as_string::<i32>().iter().map(|t| t.unwrap_or_default().to_owned()).collect();
    texts.sort();
    texts
}

/// The bytes in every compression, with the file suffix of each.
pub fn compressed(bytes: &[u8]) -> [(&'static str, Vec<u8>); 4] {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(bytes).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(bytes).unwrap();
    let zstandard = zstd::encode_all(bytes, 1).unwrap();
    [
        (".gz", gzip.finish().unwrap()),
        (".bz2", bzip2.finish().unwrap()),
        (".xz", xz.finish().unwrap()),
        (".zst", zstandard),
    ]
}

/// A FITS HDU with one table that has a column of 16-bit integers.
pub fn fits_table(name: &str, column: &str, values: &[i16]) -> Vec<u8> {
    let cards = [
        "XTENSION= 'BINTABLE'".to_owned(),
        "BITPIX  =                    8".to_owned(),
        "NAXIS   =                    2".to_owned(),
        "NAXIS1  =                    2".to_owned(),
        format!("NAXIS2  = {:>20}", values.len()),
        "PCOUNT  =                    0".to_owned(),
        "GCOUNT  =                    1".to_owned(),
        "TFIELDS =                    1".to_owned(),
        format!("TTYPE1  = '{column}'"),
        "TFORM1  = 'I'".to_owned(),
        format!("EXTNAME = '{name}'"),
        "END".to_owned(),
    ];
    let mut unit: Vec<u8> = cards.iter().flat_map(|card| format!("{card:<80}").into_bytes()).collect();
    unit.resize(unit.len().next_multiple_of(2880), b' ');
    unit.extend(values.iter().flat_map(|v| v.to_be_bytes()));
    unit.resize(unit.len().next_multiple_of(2880), 0);
    unit
}

/// A FITS file of these tables.
pub fn fits(tables: &[Vec<u8>]) -> Vec<u8> {
    let cards =
        ["SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0", "END"];
    let mut primary: Vec<u8> = cards.iter().flat_map(|card| format!("{card:<80}").into_bytes()).collect();
    primary.resize(2880, b' ');
    [primary, tables.concat()].concat()
}

/// A VOTable of these tables.
pub fn votable(tables: &str) -> String {
    format!("<?xml version='1.0'?><VOTABLE version='1.4'><RESOURCE>{tables}</RESOURCE></VOTABLE>")
}

/// A table of a VOTable with rows of these cells.
pub fn vo_rows(name: &str, fields: &str, rows: &[&str]) -> String {
    let rows = rows.iter().map(|row| format!("<TR>{row}</TR>")).collect::<Vec<_>>().concat();
    format!("<TABLE name='{name}'>{fields}<DATA><TABLEDATA>{rows}</TABLEDATA></DATA></TABLE>")
}

/// A column of 16-bit integers.
pub const SHORT: &str = "<FIELD name='a' datatype='short'/>";
