//! FITS tables: a real one, and damaged ones.

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
    let e = fail(&mut ingest("absent.fits"));
    assert!(e.contains("no table is found at 'absent.fits'"), "{e}");
    for name in ["header.fits", "text.fits", "primary.fits"] {
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
    assert!(plan.contains(" -> out.parquet\n") && plan.contains("bp_coeff: FixedSizeList(55 x Float32)"), "{plan}");
    assert!(!folder.path().join("out.parquet").exists());
    run(&mut ingest(&[]));
    let first = fs::read(folder.path().join("out.parquet")).unwrap();
    let (_, again) = run(&mut ingest(&[]));
    assert!(again.contains("1 file was done before"), "{again}");
    let e = fail(&mut ingest(&["--columns", "source_id"]));
    assert!(e.contains("exists") && e.contains("--overwrite"), "{e}");
    run(&mut ingest(&["--overwrite"]));
    assert_eq!(first, fs::read(folder.path().join("out.parquet")).unwrap(), "the same bytes again");
}

/// A FITS file with one binary table that has these (TFORM, TZERO) columns and this data.
fn table(columns: &[(&str, &str)], row_bytes: usize, data: &[u8]) -> Vec<u8> {
    let card = |text: String| format!("{text:<80}");
    let pad = |mut block: Vec<u8>, with: u8| {
        block.resize(block.len().next_multiple_of(2880), with);
        block
    };
    let primary = [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    0",
        "EXTEND  =                    T",
        "END",
    ];
    let primary: String = primary.map(|c| card(c.to_owned())).concat();
    let mut cards = vec![
        "XTENSION= 'BINTABLE'".to_owned(),
        "BITPIX  =                    8".to_owned(),
        "NAXIS   =                    2".to_owned(),
        format!("NAXIS1  = {row_bytes:>20}"),
        format!("NAXIS2  = {:>20}", data.len() / row_bytes),
        "PCOUNT  =                    0".to_owned(),
        "GCOUNT  =                    1".to_owned(),
        format!("TFIELDS = {:>20}", columns.len()),
    ];
    for (i, (form, zero)) in (1..).zip(columns) {
        cards.push(format!("{:<8}= 'c{i}'", format!("TTYPE{i}")));
        cards.push(format!("{:<8}= '{form}'", format!("TFORM{i}")));
        if !zero.is_empty() {
            cards.push(format!("{:<8}= {zero:>20}", format!("TZERO{i}")));
        }
    }
    cards.push("END".to_owned());
    let header: String = cards.into_iter().map(card).collect();
    [pad(primary.into_bytes(), b' '), pad(header.into_bytes(), b' '), pad(data.to_vec(), 0)].concat()
}

#[test]
fn unsigned_integers_keep_every_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("u.fits");
    let id = 4_345_775_217_221_821_313u64;
    let mut row = (id ^ (1 << 63)).to_be_bytes().to_vec();
    row.extend((0xee6b_2801u32 ^ (1 << 31)).to_be_bytes());
    row.extend((65_535u16 ^ (1 << 15)).to_be_bytes());
    row.push(b'T');
    let columns = [("K", "9223372036854775808"), ("J", "2147483648"), ("I", "32768"), ("L", "")];
    fs::write(&path, table(&columns, row.len(), &row)).unwrap();
    let batch = FitsTable::open(&path).unwrap().next().unwrap().unwrap();
    assert_eq!(batch.column(0).as_primitive::<arrow::datatypes::UInt64Type>().value(0), id);
    assert_eq!(batch.column(1).as_primitive::<Int64Type>().value(0), 0xee6b_2801);
    assert_eq!(batch.column(2).as_primitive::<arrow::datatypes::Int32Type>().value(0), 65_535);
    assert!(batch.column(3).as_boolean().value(0));
}

#[test]
fn a_column_of_an_odd_type_stands_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.fits");
    let read = |form: &str, cell: &[u8]| {
        let row = [cell, &[0, 7]].concat();
        fs::write(&path, table(&[(form, ""), ("I", "")], row.len(), &row)).unwrap();
        let table = FitsTable::open(&path).unwrap();
        let left_out = table.left_out();
        let batch = table.map(Result::unwrap).next().unwrap();
        assert_eq!(batch["c2"].as_primitive::<Int16Type>().value(0), 7, "{form}");
        (left_out.len(), batch.column_by_name("c1").cloned())
    };
    // Complex numbers have no type in Arrow, and neither have bits in the heap.
    for (form, bytes) in [("C", 8), ("2M", 32), ("1PX(3)", 8)] {
        let (left_out, column) = read(form, &vec![0; bytes]);
        assert_eq!((left_out, column.is_none()), (1, true), "{form}");
    }
    let nothing = read("0A", &[]).1.unwrap();
    assert_eq!((nothing.null_count(), nothing.len()), (1, 1));
    let bits = read("11X", &[0b1010_0000, 0b0010_0000]).1.unwrap();
    let bits = bits.as_fixed_size_list().value(0);
    assert_eq!(
        bits.as_boolean().iter().map(|b| u8::from(b == Some(true))).collect::<Vec<_>>(),
        [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    );
    let words = read("6A3", b"ab cde").1.unwrap();
    let words = words.as_fixed_size_list().value(0);
    assert_eq!(words.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("ab"), Some("cde")]);
    fs::write(&path, table(&[("Z", "")], 8, &[0; 8])).unwrap();
    let e = FitsTable::open(&path).unwrap_err().to_string();
    assert!(e.contains("a type that FITS does not know: TFORM 'Z'") && e.contains("column c1"), "{e}");
}
