//! `lamcat ingest`: what it writes, and that an interrupted run can be started again.

use std::{
    fmt::Write as _,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::{DataType, Float32Type, Float64Type, Int64Type},
};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use flate2::{Compression, write::GzEncoder};
use md5::{Digest, Md5};

use crate::program::{fail, lamcat, run};

const NAMES: [&str; 3] = ["000000-003111", "003112-005263", "005264-006601"];

/// A simulated table of spectra: identifiers with this prefix, coefficient lists of `length`, one source without BP.
fn xp_table(prefix: i64, rows: i64, length: usize) -> String {
    let mut text = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n\
        # - {name: source_id, datatype: int64, meta: {ucd: meta.id;meta.main}}\n\
        # - {name: bp_coefficients, datatype: string, subtype: 'float64[null]', unit: electron/s}\n\
        # - {name: rp_coefficient_errors, datatype: string, subtype: 'float32[null]'}\n\
        # - {name: bp_n_relevant_bases, datatype: int16}\nsource_id,bp_coefficients,rp_coefficient_errors,bp_n_relevant_bases\n"
        .to_owned();
    for row in 0..rows {
        let list =
            |scale: f64| (0..length).map(|i| format!("{:?}", scale * (row * 7 + i as i64) as f64)).collect::<Vec<_>>();
        let (bp, rp) = (list(0.37).join(","), list(0.0625).join(","));
        let bp = if row == 1 { "null".to_owned() } else { format!("\"[{bp}]\"") };
        let _ = writeln!(text, "{},{bp},\"[{rp}]\",{}", prefix * 1_000_000 + row * 16, row % 50);
    }
    text
}

fn source_table(prefix: i64, rows: i64) -> String {
    let mut text = "source_id,ra,dec,phot_g_mean_mag,bp_rp,parallax\n".to_owned();
    // The rows are in the opposite order of the spectra, and one of them is missing.
    for row in (0..rows).rev().filter(|row| *row != 3) {
        let _ =
            writeln!(text, "{},{}.5,-{}.25,15.{row},0.8,{}", prefix * 1_000_000 + row * 16, row % 360, row % 90, 1.5);
    }
    text
}

fn gz(path: &Path, text: &str) {
    let mut encoder = GzEncoder::new(fs::File::create(path).unwrap(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap();
}

/// A folder like the archive's: spectra and sources in gzip files with the same partition, and the list of MD5 sums.
pub fn archive(rows: i64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for table in ["xp", "gs"] {
        fs::create_dir(folder.path().join(table)).unwrap();
    }
    let mut sums = String::new();
    for (i, name) in NAMES.iter().enumerate() {
        let xp = folder.path().join(format!("xp/XpContinuousMeanSpectrum_{name}.csv.gz"));
        gz(&xp, &xp_table(i as i64 + 1, rows, 55));
        gz(&folder.path().join(format!("gs/GaiaSource_{name}.csv.gz")), &source_table(i as i64 + 1, rows));
        let name = xp.file_name().unwrap().to_str().unwrap();
        let _ = writeln!(sums, "{:x}  {name}", Md5::digest(fs::read(&xp).unwrap()));
    }
    fs::write(folder.path().join("xp/_MD5SUM.txt"), sums).unwrap();
    folder
}

fn ingest(folder: &Path, args: &[&str]) -> Command {
    let mut command = lamcat(folder);
    command.arg("ingest").args(args);
    command
}

fn parquet(path: impl AsRef<Path>) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().map(|b| b.unwrap()).collect();
    concat_batches(&schema, &batches).unwrap()
}

fn outputs(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|f| (f.file_name().unwrap().into(), fs::read(f).unwrap())).collect()
}

#[test]
fn files_are_joined_by_suffix_and_keep_units_order_and_every_row() {
    let folder = archive(40);
    let out = folder.path().join("out");
    let (json, stderr) = run(&mut ingest(folder.path(), &["xp/", "-o", "out", "--join", "gs/", "--json"]));
    assert!(stderr.contains("3 rows found nothing to join"), "{stderr}");
    assert!(stderr.contains("120 rows in 3 files"), "{stderr}");
    let lines: Vec<serde_json::Value> = json.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(
        lines.len() == 3
            && lines.iter().all(|l| l["status"] == "written" && l["rows"] == 40 && l["unmatched_rows"] == 1)
    );
    let batch = parquet(out.join("XpContinuousMeanSpectrum_003112-005263.parquet"));
    let ids = batch["source_id"].as_primitive::<Int64Type>();
    assert!((0..40).all(|i| ids.value(i) == 2_000_000 + i as i64 * 16));
    let bp = batch["bp_coefficients"].as_fixed_size_list();
    assert_eq!((bp.value_length(), bp.null_count()), (55, 1));
    assert_eq!(bp.value(2).as_primitive::<Float64Type>().value(54).to_bits(), f64::to_bits(0.37 * 68.0));
    assert_eq!(
        batch["rp_coefficient_errors"].as_fixed_size_list().value(1).as_primitive::<Float32Type>().value(0).to_bits(),
        f32::to_bits(0.4375)
    );
    let ra = batch["ra"].as_primitive::<Float64Type>();
    assert!(ra.is_null(3) && ra.value(7).to_bits() == f64::to_bits(7.5) && ra.null_count() == 1);
    assert_eq!(batch["phot_g_mean_mag"].data_type(), &DataType::Float32);
    let schema = batch.schema();
    let metadata = |c: &str| schema.field_with_name(c).unwrap().metadata().clone();
    assert_eq!(metadata("bp_coefficients")["unit"], "electron/s");
    assert_eq!(metadata("source_id")["ucd"], "meta.id;meta.main");
    assert_eq!(metadata("parallax")["unit"], "mas");
}

#[test]
fn a_second_run_does_nothing_and_another_setting_is_refused() {
    let folder = archive(20);
    run(&mut ingest(folder.path(), &["xp/", "-o", "out"]));
    let first = outputs(&folder.path().join("out"));
    let (_, stderr) = run(&mut ingest(folder.path(), &["xp/", "-o", "out"]));
    assert!(stderr.contains("3 files were done before"), "{stderr}");
    let e = fail(&mut ingest(folder.path(), &["xp/", "-o", "out", "--where", "source_id > 0"]));
    assert!(e.contains("made of something else or in another way") && e.contains("3 of 3 files failed"), "{e}");
    assert_eq!(outputs(&folder.path().join("out")), first);
    // A changed input is not mistaken for the former one.
    fs::remove_file(folder.path().join("xp/_MD5SUM.txt")).unwrap();
    gz(&folder.path().join(format!("xp/XpContinuousMeanSpectrum_{}.csv.gz", NAMES[0])), &xp_table(9, 20, 55));
    let e = fail(&mut ingest(folder.path(), &[&format!("xp/*{}.csv.gz", NAMES[0]), "-o", "out"]));
    assert!(e.contains("made of something else"), "{e}");
}

#[test]
fn columns_and_conditions_choose_what_is_kept() {
    let folder = archive(30);
    let args = [
        "xp/*.csv.gz",
        "-o",
        "out",
        "--columns",
        "bp_n_relevant_bases,source_id",
        "--where",
        "bp_n_relevant_bases >= 20",
    ];
    run(&mut ingest(folder.path(), &args));
    let batch = parquet(folder.path().join(format!("out/XpContinuousMeanSpectrum_{}.parquet", NAMES[2])));
    assert_eq!((batch.num_rows(), batch.num_columns()), (10, 2));
    assert_eq!(batch.schema().field(0).name(), "bp_n_relevant_bases");
    let e = fail(&mut ingest(folder.path(), &["xp/", "-o", "other", "--columns", "bp_coefficient"]));
    assert!(e.contains("there is no column 'bp_coefficient'\nhint: did you mean 'bp_coefficients'?"), "{e}");
}

#[test]
fn a_wrong_md5_sum_is_refused_and_the_others_go_on() {
    let folder = archive(20);
    let path = folder.path().join("xp/_MD5SUM.txt");
    let text = fs::read_to_string(&path).unwrap();
    let wrong = format!("{}{}", if text.starts_with('0') { '1' } else { '0' }, &text[1..]);
    fs::write(&path, wrong).unwrap();
    let e = fail(&mut ingest(folder.path(), &["xp/", "-o", "out"]));
    assert!(e.contains("the MD5 sum is") && e.contains(NAMES[0]) && e.contains("1 of 3 files failed"), "{e}");
    assert_eq!(outputs(&folder.path().join("out")).len(), 2);
    run(&mut ingest(folder.path(), &["xp/", "-o", "out", "--no-verify"]));
    fs::write(&path, text).unwrap();
}

#[test]
fn disorder_and_lists_of_many_lengths_are_kept_true() {
    let folder = tempfile::tempdir().unwrap();
    let header = "source_id,c\n";
    fs::write(folder.path().join("a.csv"), format!("{header}3,\"[1,2]\"\n1,\"[3,4]\"\n2,\n")).unwrap();
    fs::write(folder.path().join("b.csv"), format!("{header}1,\"[1,2]\"\n2,\"[3]\"\n3,\"[]\"\n")).unwrap();
    run(&mut ingest(folder.path(), &["*.csv", "-o", "out"]));
    let a = parquet(folder.path().join("out/a.parquet"));
    assert_eq!(a["source_id"].as_primitive::<Int64Type>().values(), &[1, 2, 3]);
    let lists = a["c"].as_fixed_size_list();
    assert_eq!(lists.value(0).as_primitive::<Float64Type>().values(), &[3.0, 4.0]);
    assert!(lists.is_null(1));
    let b = parquet(folder.path().join("out/b.parquet"));
    let lengths: Vec<_> = b["c"].as_list::<i32>().iter().map(|l| l.unwrap().len()).collect();
    assert_eq!(lengths, [2, 1, 0]);
}

#[test]
fn malformed_values_are_named_or_null_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let text = xp_table(1, 5, 3).replace(",4\n", ",four\n");
    fs::write(folder.path().join("bad.ecsv"), text).unwrap();
    let e = fail(&mut ingest(folder.path(), &["bad.ecsv", "-o", "out.parquet"]));
    assert!(
        e.contains("'four' is not a value of type Int16") && e.contains("line 14, column bp_n_relevant_bases"),
        "{e}"
    );
    assert!(!folder.path().join("out.parquet").exists());
    let (_, stderr) = run(&mut ingest(folder.path(), &["bad.ecsv", "-o", "out.parquet", "--on-error", "null"]));
    assert!(stderr.contains("1 malformed values became NULL"), "{stderr}");
    assert_eq!(parquet(folder.path().join("out.parquet"))["bp_n_relevant_bases"].null_count(), 1);
}

#[test]
fn hats_catalogues_and_regions_keep_their_folders() {
    let folder = archive(10);
    run(&mut ingest(folder.path(), &["xp/", "-o", "flat"]));
    let leaf = |i: usize| folder.path().join(format!("flat/XpContinuousMeanSpectrum_{}.parquet", NAMES[i]));
    let put = |from: PathBuf, to: &str| {
        let to = folder.path().join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    };
    put(leaf(0), "cat/main/dataset/Norder=0/Dir=0/Npix=1.parquet");
    put(leaf(1), "cat/main/dataset/Norder=1/Dir=0/Npix=11.parquet");
    put(leaf(2), "cat/main/dataset/data_thumbnail.parquet");
    fs::write(folder.path().join("cat/main/hats.properties"), "obs_collection=main\nhats_nrows=20\n").unwrap();
    fs::write(folder.path().join("cat/collection.properties"), "# HATS Collection\nhats_primary_table_url=main\n")
        .unwrap();
    put(leaf(0), "dr4/dataset/region=7/part-0.parquet");
    put(leaf(1), "dr4/dataset/region=8/part-0.parquet");
    let count = |table: &str| {
        let sql = format!("SELECT count(*) AS n, count(DISTINCT source_id) AS ids FROM '{table}'");
        run(lamcat(folder.path()).args(["sql", "-q", "--format", "csv", "-c", &sql])).0
    };
    for table in ["cat/", "./cat", "cat/main", "dr4/dataset/"] {
        assert_eq!(count(table), "n,ids\n20,20\n", "{table}");
    }
    let sql = "SELECT region, count(*) AS n FROM 'dr4/dataset/' GROUP BY region ORDER BY region";
    let regions = run(lamcat(folder.path()).args(["sql", "-q", "--format", "csv", "-c", sql])).0;
    assert_eq!(regions, "region,n\n7,10\n8,10\n");
    run(&mut ingest(folder.path(), &["cat", "-o", "again"]));
    assert_eq!(parquet(folder.path().join("again/Norder=1/Dir=0/Npix=11.parquet")).num_rows(), 10);
    run(&mut ingest(folder.path(), &["dr4/dataset/", "-o", "dr4-again"]));
    let (again, first) = (parquet(folder.path().join("dr4-again/region=8/part-0.parquet")), parquet(leaf(1)));
    assert_eq!((again.columns(), again.schema().fields()), (first.columns(), first.schema().fields()));
}

/// Kills runs after increasing delays until one ends by itself; the outputs must be those of an undisturbed run.
#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    let folder = archive(3000);
    let args = ["xp/", "-o", "out", "--join", "gs/", "-j", "2"];
    run(&mut ingest(folder.path(), &["xp/", "-o", "undisturbed", "--join", "gs/"]));
    let expected = outputs(&folder.path().join("undisturbed"));
    let mut killed = 0;
    for delay in (60..).step_by(45) {
        let mut command = ingest(folder.path(), &args);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(delay));
        if child.try_wait().unwrap().is_some_and(|status| status.success()) {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
        // A file under an output's name is always complete.
        if let Ok(entries) = fs::read_dir(folder.path().join("out")) {
            for entry in entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "parquet")) {
                assert_eq!(parquet(&entry).num_rows(), 3000, "{}", entry.display());
            }
        }
    }
    assert!(killed >= 2, "only {killed} runs were killed");
    run(&mut ingest(folder.path(), &args));
    assert_eq!(outputs(&folder.path().join("out")), expected, "the same files, the same bytes, nothing else");
}

#[test]
fn dry_run_and_odd_arguments() {
    let folder = archive(3);
    let (plan, _) = run(&mut ingest(folder.path(), &["xp/", "-o", "out", "--join", "gs/", "--dry-run"]));
    assert!(
        plan.contains("MD5 sum known) joined with") && plan.contains("GaiaSource_003112-005263.csv.gz -> out/Xp"),
        "{plan}"
    );
    assert!(plan.contains("  ra: Float64") && !plan.contains("unmatched"), "{plan}");
    assert!(!folder.path().join("out").exists());
    let e = fail(&mut ingest(folder.path(), &["nothing/", "-o", "out"]));
    assert!(e.contains("no table is found at 'nothing/'"), "{e}");
    fs::remove_file(folder.path().join(format!("gs/GaiaSource_{}.csv.gz", NAMES[1]))).unwrap();
    let e = fail(&mut ingest(folder.path(), &["xp/", "-o", "out", "--join", "gs/"]));
    assert!(e.contains("no file to join has the suffix '003112-005263'"), "{e}");
}

#[test]
fn inputs_are_never_written_and_odd_names_are_taken_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a[1].csv"), "source_id,c\n1,\"[1]\"\n").unwrap();
    run(&mut ingest(folder.path(), &["./", "-o", "x[1]?"]));
    assert_eq!(parquet(folder.path().join("x[1]?/a[1].parquet")).num_rows(), 1);
    fs::write(folder.path().join("x[1]?/a[1].parquet#"), "somebody's").unwrap();
    fs::write(folder.path().join("x[1]?/a[1].parquet#2024"), "somebody's").unwrap();
    fs::write(folder.path().join("x[1]?/a[1].parquet#1"), "left by a run that was killed").unwrap();
    run(&mut ingest(folder.path(), &["./", "-o", "x[1]?", "--overwrite"]));
    assert_eq!(outputs(&folder.path().join("x[1]?")).len(), 3);
    fs::write(folder.path().join("b.csv"), "source_id,x\n1,2\n").unwrap();
    run(&mut ingest(folder.path(), &["b.csv", "-o", "j/b.parquet"]));
    let e = fail(&mut ingest(folder.path(), &["b.csv", "-o", "j", "--join", "j/b.parquet", "--overwrite"]));
    assert!(e.contains("j/b.parquet is an input too"), "{e}");
}

#[test]
fn joins_refuse_what_would_change_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("x.csv", "source_id,c\n1,\"[1]\"\n2,\"[2]\"\n");
    write("twice.csv", "source_id,ra\n1,5\n1,6\n2,7\n");
    let e = fail(&mut ingest(folder.path(), &["x.csv", "-o", "out", "--join", "twice.csv"]));
    assert!(e.contains("source_id 1 comes twice after the join"), "{e}");
    write("float.csv", "source_id,ra\n1.5,5\n2.5,7\n");
    let e = fail(&mut ingest(folder.path(), &["x.csv", "-o", "out", "--join", "float.csv"]));
    assert!(e.contains("the table to join has no column source_id of integers"), "{e}");
    assert!(!folder.path().join("out/x.parquet").exists());
    let url = "http://me:SECRET@127.0.0.1:9/a.csv?sig=HIDDEN";
    let e = fail(&mut ingest(folder.path(), &[url, "-o", "out"]));
    assert!(!e.contains("SECRET") && !e.contains("HIDDEN"), "{e}");
}
