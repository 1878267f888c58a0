//! FITS tables: the real one, and damaged ones.

use std::fs;

use arrow::{
    array::{Array, AsArray},
    datatypes::{Float32Type, Int16Type, Int64Type},
};
use lamcat::sources::{FitsTable, Fold};

use crate::{
    program::{fail, lamcat, run},
    shared::shared,
};

const FIELD_STARS: &str = "data/xp_continuous/field_stars/xp_continuous_combined_chunk0.fits";

#[test]
fn the_field_stars_read_as_astropy_reads_them() {
    let Some(path) = shared(FIELD_STARS) else { return };
    let table = FitsTable::open(&path).unwrap();
    assert_eq!((table.rows(), table.schema().fields().len()), (2000, 223));
    let fold = Fold::new(table.schema());
    let batches: Vec<_> = table.map(|b| fold.apply(&b.unwrap()).unwrap()).collect();
    let batch = arrow::compute::concat_batches(fold.schema(), &batches).unwrap();
    // Values printed by astropy 8.0.2: Table.read(path)[0, 1, 1999].
    let ids = batch["source_id"].as_primitive::<Int64Type>();
    assert_eq!((ids.value(0), ids.value(1), ids.value(1999)), EXPECTED_IDS);
    let relevant = batch["bp_n_relevant_bases"].as_primitive::<Int16Type>();
    assert_eq!((relevant.value(0), relevant.value(1), relevant.value(1999)), EXPECTED_RELEVANT);
    for (column, row, at, expected) in EXPECTED_COEFFICIENTS {
        let list = batch[column].as_fixed_size_list().value(row);
        assert_eq!(list.len(), 55);
        let value = list.as_primitive::<Float32Type>().value(at);
        assert_eq!(value.to_bits(), f32::to_bits(expected), "{column}[{row}][{at}]");
    }
}

#[expect(clippy::unreadable_literal, reason = "as astropy prints them")]
const EXPECTED_IDS: (i64, i64, i64) = (4295806720, 38655544960, 659367674908032);
const EXPECTED_RELEVANT: (i16, i16, i16) = (3, 12, 5);
#[expect(clippy::unreadable_literal, reason = "as astropy prints them")]
const EXPECTED_COEFFICIENTS: [(&str, usize, usize, f32); 5] = [
    ("bp_coeff", 0, 0, 102.93399),
    ("bp_coeff", 1999, 54, -0.016797926),
    ("rp_coeff", 1, 7, 3.5773153),
    ("e_bp_coeff", 1, 0, 2.7803876),
    ("e_rp_coeff", 1999, 54, 0.042728614),
];

#[test]
fn what_is_no_table_or_ends_early_is_refused() {
    let Some(path) = shared(FIELD_STARS) else { return };
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(path).unwrap();
    let write = |name: &str, content: &[u8]| fs::write(folder.path().join(name), content).unwrap();
    write("short.fits", &bytes[..bytes.len() / 2]);
    write("header.fits", &bytes[..2880 + 400]);
    write("text.fits", b"this is not a FITS file");
    write("primary.fits", &bytes[..2880]);
    let ingest = |name: &str| {
        let mut command = lamcat(folder.path());
        command.args(["ingest", name, "-o", "out.parquet"]);
        command
    };
    let e = fail(&mut ingest("short.fits"));
    assert!(e.contains("ends before its 2000 rows") && e.contains("short.fits") && e.contains("row "), "{e}");
    for name in ["header.fits", "text.fits", "primary.fits", "absent.fits"] {
        let e = fail(&mut ingest(name));
        assert!(e.contains("cannot read the FITS table") && e.contains(name), "{name}: {e}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "nothing half-written stays: {left:?}");
}

#[test]
fn ingest_says_what_it_would_do_and_does_not_overwrite() {
    let Some(path) = shared(FIELD_STARS) else { return };
    let folder = tempfile::tempdir().unwrap();
    let ingest = |more: &[&str]| {
        let mut command = lamcat(folder.path());
        command.arg("ingest").arg(&path).args(["-o", "out.parquet"]).args(more);
        command
    };
    let (plan, _) = run(&mut ingest(&["--dry-run"]));
    assert!(plan.starts_with("2000 rows\n") && plan.contains("bp_coeff: FixedSizeList(55 x Float32)"), "{plan}");
    assert!(!folder.path().join("out.parquet").exists());
    run(&mut ingest(&[]));
    let first = fs::read(folder.path().join("out.parquet")).unwrap();
    let e = fail(&mut ingest(&[]));
    assert!(e.contains("exists") && e.contains("--overwrite"), "{e}");
    run(&mut ingest(&["--overwrite"]));
    assert_eq!(first, fs::read(folder.path().join("out.parquet")).unwrap(), "the same bytes again");
}
