//! The verifier finds the faults of a damaged release, and none in a good one.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use arrow::{
    array::{Int64Array, RecordBatch},
    compute::{cast, concat_batches},
    datatypes::DataType,
};
use lamcat::release::verify::{Check, Fault, verify};

use crate::{
    program::{fail, lamcat, run},
    releases::{
        Store, copy, files, integers, leaves, query, read, replace, rewrite, sign, storage, take, with_column, with_id,
        write,
    },
};

const MAIN: &str = "labels";
const MARGIN: &str = "labels_10arcs";
const INDEX: &str = "labels_source_id/dataset/index/part.0.parquet";

/// The faults that the verifier finds in a copy of a release after a change.
async fn faults(good: &Path, change: impl FnOnce(&Path)) -> Vec<Fault> {
    let folder = tempfile::tempdir().unwrap();
    copy(good, folder.path());
    change(folder.path());
    verify(&storage(folder.path()), "").await.unwrap().faults
}

/// The faults that the verifier finds if all hashes are right.
async fn signed_faults(good: &Path, change: impl FnOnce(&Path)) -> Vec<Fault> {
    faults(good, |release| {
        change(release);
        sign(release);
    })
    .await
}

/// Asserts that there are faults of these kinds only, and that one of them contains `words`.
fn assert_found(faults: &[Fault], checks: &[Check], words: &str) {
    let names = |checks: &mut dyn Iterator<Item = Check>| checks.map(|c| format!("{c:?}")).collect::<BTreeSet<_>>();
    let found = names(&mut faults.iter().map(|fault| fault.check));
    assert_eq!(found, names(&mut checks.iter().copied()), "{faults:#?}");
    assert!(faults.iter().any(|fault| fault.what.contains(words)), "{words}: {faults:#?}");
}

/// A row that is in no margin, and its leaf: it is far from the tile's border.
fn inner_row(release: &Path) -> (std::path::PathBuf, i64) {
    let margins: BTreeSet<i64> = leaves(release, MARGIN).iter().flat_map(|l| integers(&read(l), "source_id")).collect();
    let mut rows = leaves(release, MAIN).into_iter().map(|leaf| {
        let inner = integers(&read(&leaf), "source_id").into_iter().find(|id| !margins.contains(id));
        (leaf, inner)
    });
    rows.find_map(|(leaf, id)| Some((leaf, id?))).unwrap()
}

#[tokio::test]
async fn a_good_release_has_no_fault() {
    let store = Store::good().await;
    let release = store.release("1.0.0");
    let report = verify(&store.storage, &release).await.unwrap();
    assert_eq!(report.faults, []);
    assert_eq!(report.rows, 300);
    assert!(report.leaves > 3 && report.margin_rows > 50, "{report:?}");
    assert_eq!(faults(&store.root().join(&release), sign).await, [], "signing anew changes nothing");
}

#[tokio::test]
async fn rows_at_the_wrong_place_are_found() {
    let store = Store::good().await;
    let good = store.root().join(store.release("1.0.0"));

    let wrong_tile = signed_faults(&good, |release| {
        let leaves = leaves(release, MAIN);
        let (from, to) = (read(&leaves[0]), read(&leaves[1]));
        write(&leaves[0], &take(&from, 1..from.num_rows() as u32));
        let both = concat_batches(&to.schema(), [&take(&from, 0..1), &to]).unwrap();
        let mut order: Vec<u32> = (0..both.num_rows() as u32).collect();
        order.sort_by_key(|row| integers(&both, "_healpix_29")[*row as usize]);
        write(&leaves[1], &take(&both, order.into_iter()));
    });
    assert!(wrong_tile.await.iter().any(|f| f.check == Check::Place && f.what.contains("does not lie in the tile")));

    let unsorted = signed_faults(&good, |release| {
        rewrite(&leaves(release, MAIN)[1], |rows| take(rows, (0..rows.num_rows() as u32).rev()));
    });
    assert_found(&unsorted.await, &[Check::Order], "comes after a row with a larger _healpix_29");

    let moved = signed_faults(&good, |release| {
        let turned = |rows: &RecordBatch| {
            let ra = rows.column_by_name("ra").unwrap();
            let ra = arrow::compute::kernels::numeric::add(ra, &arrow::array::Float64Array::new_scalar(1e-4)).unwrap();
            with_column(rows, "ra", ra)
        };
        rewrite(&leaves(release, MAIN)[2], turned);
    });
    assert_found(&moved.await, &[Check::Place], "is not that of its position");
}

#[tokio::test]
async fn wrong_counts_and_lists_are_found() {
    let store = Store::good().await;
    let good = store.root().join(store.release("1.0.0"));
    let properties = signed_faults(&good, |release| {
        replace(&release.join(MAIN).join("hats.properties"), "hats_nrows=300", "hats_nrows=299");
    });
    assert_found(&properties.await, &[Check::Count], "hats_nrows is 299, but there are 300 rows");
    let manifest = signed_faults(&good, |release| {
        replace(&release.join("manifest.json"), "\n  \"rows\": 300", "\n  \"rows\": 301");
    });
    assert_found(&manifest.await, &[Check::Count], "301 rows are said to be there, but 300 are");
    let tiles = signed_faults(&good, |release| {
        let file = release.join(MAIN).join("partition_info.csv");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(
            &file,
            text.lines().skip(1).fold("Norder,Npix\n".to_owned(), |all, line| line.to_owned() + "\n" + &all),
        )
        .unwrap();
    });
    assert_found(&tiles.await, &[Check::Properties], "the tiles are not those of the leaves");
}

#[tokio::test]
async fn an_identifier_that_stands_twice_is_found() {
    let store = Store::good().await;
    let good = store.root().join(store.release("1.0.0"));
    let (_, id) = inner_row(&good);
    let other = if id == 1 { 2 } else { id - 1 };
    let in_leaf_alone = signed_faults(&good, |release| {
        let (leaf, id) = inner_row(release);
        rewrite(&leaf, |rows| with_id(rows, id, other));
    });
    let found = in_leaf_alone.await;
    assert_found(&found, &[Check::Index, Check::Units], "the index does not match the catalogue's rows");
    assert_found(&found, &[Check::Index, Check::Units], "the rows are not those that the units gave");
    let in_both = signed_faults(&good, |release| {
        let (leaf, id) = inner_row(release);
        rewrite(&leaf, |rows| with_id(rows, id, other));
        rewrite(&release.join(INDEX), |rows| with_id(rows, id, other));
    });
    assert_found(&in_both.await, &[Check::Index, Check::Units], &format!("source_id {other} stands twice"));
    let dropped = signed_faults(&good, |release| {
        rewrite(&release.join(INDEX), |rows| take(rows, 1..rows.num_rows() as u32));
    });
    assert_found(&dropped.await, &[Check::Index], "the index has 299 rows, the catalogue 300");
}

#[tokio::test]
async fn a_row_that_is_missing_everywhere_is_found() {
    let store = Store::good().await;
    let good = store.root().join(store.release("1.0.0"));
    let lacking = signed_faults(&good, |release| {
        let (leaf, id) = inner_row(release);
        for table in [leaf, release.join(INDEX)] {
            let others = |ids: Vec<i64>| (0..ids.len() as u32).filter(move |row| ids[*row as usize] != id);
            rewrite(&table, |rows| take(rows, others(integers(rows, "source_id"))));
        }
        for catalogue in [MAIN, "labels_source_id"] {
            replace(&release.join(catalogue).join("hats.properties"), "hats_nrows=300", "hats_nrows=299");
        }
        replace(&release.join("manifest.json"), "\n  \"rows\": 300", "\n  \"rows\": 299");
    });
    assert_found(&lacking.await, &[Check::Units], "the units gave 300 rows, but 299 are there");
    // A row that was replaced everywhere is found too.
    let (_, id) = inner_row(&good);
    let exchanged = signed_faults(&good, |release| {
        let (leaf, _) = inner_row(release);
        rewrite(&leaf, |rows| with_id(rows, id, 1_000_000));
        rewrite(&release.join(INDEX), |rows| {
            let last = rows.num_rows() as u32 - 1;
            let at = integers(rows, "source_id").iter().position(|found| *found == id).unwrap() as u32;
            let order = (0..=last).filter(|row| *row != at).chain([at]);
            with_id(&take(rows, order), id, 1_000_000)
        });
    });
    assert_found(&exchanged.await, &[Check::Units], "the rows are not those that the units gave");
}

#[tokio::test]
async fn a_margin_that_lacks_a_row_is_found() {
    let store = Store::good().await;
    let good = store.root().join(store.release("1.0.0"));
    let rows: usize = leaves(&good, MARGIN).iter().map(|leaf| read(leaf).num_rows()).sum();
    let lacking = signed_faults(&good, |release| {
        let leaf = leaves(release, MARGIN).into_iter().find(|leaf| read(leaf).num_rows() > 1).unwrap();
        rewrite(&leaf, |rows| take(rows, 1..rows.num_rows() as u32));
        let counts = [rows, rows - 1].map(|rows| format!("hats_nrows={rows}\n"));
        replace(&release.join(MARGIN).join("hats.properties"), &counts[0], &counts[1]);
    });
    assert_found(&lacking.await, &[Check::Margin], "rows belong into the margin of the tile");
    let another = signed_faults(&good, |release| {
        let leaf = &leaves(release, MARGIN)[0];
        rewrite(leaf, |rows| with_id(rows, integers(rows, "source_id")[0], 100_000));
    });
    assert_found(&another.await, &[Check::Margin], "rows belong into the margin of the tile");
}

#[tokio::test]
async fn columns_unlike_their_votable_are_found() {
    let store = Store::good().await;
    let good = store.root().join(store.release("1.0.0"));
    let other_type = |rows: &RecordBatch| {
        let teff = rows.column_by_name("teff").unwrap();
        let other = if *teff.data_type() == DataType::Float64 { DataType::Float32 } else { DataType::Float64 };
        with_column(rows, "teff", cast(teff, &other).unwrap())
    };
    let everywhere = signed_faults(&good, |release| {
        for leaf in leaves(release, MAIN) {
            rewrite(&leaf, other_type);
        }
        rewrite(&release.join(MAIN).join("dataset/_common_metadata"), other_type);
    });
    assert_found(&everywhere.await, &[Check::Schema], "field of the column teff is not as the column");
    let once = signed_faults(&good, |release| rewrite(&leaves(release, MAIN)[0], other_type));
    assert_found(&once.await, &[Check::Schema], "the columns are not those of _common_metadata");
    let no_votable = signed_faults(&good, |release| {
        rewrite(&leaves(release, MAIN)[0], |rows| {
            let schema = rows.schema().as_ref().clone().with_metadata(std::collections::HashMap::new());
            RecordBatch::try_new(Arc::new(schema), rows.columns().to_vec()).unwrap()
        });
    });
    assert_found(&no_votable.await, &[Check::Schema], "the VOTable is not that of _common_metadata");
}

#[tokio::test]
async fn files_that_are_not_as_written_are_found() {
    let store = Store::good().await;
    let good = store.root().join(store.release("1.0.0"));
    let flip = |file: &Path| {
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file, bytes).unwrap();
    };
    // A wrong bit in any file is found, and the verifier itself does not fail.
    for file in files(&good).iter().filter(|file| !file.ends_with("manifest.json")) {
        let flipped = faults(&good, |release| flip(&release.join(file))).await;
        let found = flipped.iter().any(|f| f.check == Check::Files && f.file == *file && f.what.contains("bytes"));
        assert!(found, "{file}: {flipped:?}");
    }
    let short = faults(&good, |release| fs::write(release.join("schema.md"), "# Labels").unwrap()).await;
    assert_found(&short, &[Check::Files], "the file has 8 bytes in place of");
    let extra = faults(&good, |release| fs::write(release.join("notes.txt"), "mine").unwrap()).await;
    assert_found(&extra, &[Check::Files], "the file is not in the release's manifest");

    let remove_leaf = |release: &Path| fs::remove_file(&leaves(release, MAIN)[0]).unwrap();
    let missing = faults(&good, remove_leaf).await;
    assert!(missing.iter().any(|f| f.check == Check::Files && f.what == "the file is missing"), "{missing:?}");
    let forgotten = signed_faults(&good, remove_leaf).await;
    for check in [Check::Properties, Check::Count, Check::Index] {
        assert!(forgotten.iter().any(|f| f.check == check), "{check:?}: {forgotten:?}");
    }
}

#[tokio::test]
async fn without_a_margin_rows_in_the_wrong_tile_are_found_too() {
    let store = Store::new("margin_arcsec = 0\n");
    store.publish("1.0.0", &query("teff, logg", "source_id <= 300")).await.unwrap();
    let good = store.root().join(store.release("1.0.0"));
    assert_eq!(faults(&good, |_| {}).await, []);
    let swapped = signed_faults(&good, |release| {
        let leaves = leaves(release, MAIN);
        let (one, other) = (read(&leaves[0]), read(&leaves[1]));
        write(&leaves[0], &other);
        write(&leaves[1], &one);
    });
    assert!(swapped.await.iter().any(|f| f.check == Check::Place && f.what.contains("does not lie in the tile")));
}

#[tokio::test]
async fn the_program_says_what_is_wrong_and_fails() {
    let store = Store::good().await;
    let release = store.release("1.0.0");
    let command = |args: &[&str]| {
        let mut command = lamcat(store.folder.path());
        command.args(["release", "verify"]).args(args);
        command
    };
    let (text, _) = run(&mut command(&["catalogues/labels"]));
    assert!(text.contains("300 rows in") && text.contains("every check passed"), "{text}");
    let (text, _) = run(&mut command(&["catalogues/labels", "1.0.0", "--json"]));
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&report["rows"], &report["faults"]), (&serde_json::json!(300), &serde_json::json!([])));
    run(&mut command(&[&format!("catalogues/labels/{release}")]));

    let leaf = &leaves(&store.root().join(&release), MAIN)[0];
    rewrite(leaf, |rows| {
        let shifted = integers(rows, "_healpix_29").into_iter().map(|cell| cell + 1);
        with_column(rows, "_healpix_29", Arc::new(Int64Array::from_iter_values(shifted)))
    });
    sign(&store.root().join(&release));
    let e = fail(&mut command(&["catalogues/labels"]));
    assert!(e.contains("the release has") && e.contains("hint:"), "{e}");
    let output = command(&["catalogues/labels"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("place") && text.contains("is not that of its position"), "{text}");
    assert!(text.contains("the manifest is not the one that was published"), "{text}");

    let e = fail(&mut command(&["catalogues/labels", "9.9.9"]));
    assert!(e.contains("there is no release '9.9.9'") && e.contains("there are: 1.0.0-"), "{e}");
    let e = fail(&mut command(&["catalogues"]));
    assert!(e.contains("there is no catalogue") && e.contains("hint:"), "{e}");
}
