//! Units are identified by what computes them. Changes to the description of a release, or to its layout on the sky,
//! repeat no inference; changes that affect numbers do.

use std::fs;

use chrono::{TimeDelta, Utc};
use lamcat::{
    model::{Architecture, init},
    pipeline::Outcome,
    release::{
        garbage::{self, Keep},
        verify::verify,
    },
    schema::Vocabulary,
};

use crate::releases::{COLUMNS, Silent, Store, files, query, rewrite, take};

/// Columns that a model computes, and other columns.
const LABELS: &str = "lam_infer(lam_context(teff => teff, logg => logg), 'teff') AS label, teff, \
                      CAST(0 AS INT) AS quality_flags";

impl Store {
    /// Replaces a text in the pipeline's file.
    fn change(&self, old: &str, new: &str) {
        crate::releases::replace(&self.folder.path().join("labels.toml"), old, new);
    }

    async fn outcome(&self, version: &str, sql: &str) -> Outcome {
        let outcome = self.publish(version, sql).await.unwrap();
        let verified = verify(&self.storage, &outcome.release.folder).await.unwrap();
        assert_eq!((verified.faults, outcome.rows), (vec![], verified.rows));
        outcome
    }
}

#[tokio::test]
async fn what_a_release_says_of_itself_and_its_tiling_cost_no_inference() {
    let store = Store::new("lowest_order = 0\nmargin_arcsec = 10\n[columns.teff]\ndescription = \"Temperature\"\n");
    let sql = query(LABELS, "source_id <= 300");
    let first = store.outcome("1.0.0", &sql).await;
    assert!(first.units_here > 1 && first.rows_inferred == 1000, "{first:?}");
    let changes = [
        ("title = \"Labels\"", "title = \"Labels with a DOI\"\ndoi = \"10.5281/zenodo.123\""),
        ("description = \"Temperatures.\"", "description = \"Temperatures of stars.\""),
        ("creator = \"A. Stronomer\"", "creator = \"B. Stronomer\""),
        ("license = \"CC-BY-4.0\"", "license = \"CC0-1.0\"\nreferences = [\"https://example.org\"]"),
        ("description = \"Temperature\"", "description = \"Effective temperature\"\nunit = \"K\""),
        ("max_rows = 40", "max_rows = 60"),
        ("lowest_order = 0", "lowest_order = 1"),
        ("margin_arcsec = 10", "margin_arcsec = 20"),
        // These pixels are smaller than those in which the units were counted.
        ("highest_order = 3", "highest_order = 9"),
    ];
    let mut folders = vec![first.release.folder];
    for (old, new) in changes {
        store.change(old, new);
        let outcome = store.outcome("1.0.0", &sql).await;
        assert_eq!((outcome.units_here, outcome.rows_inferred, outcome.rows), (0, 0, 300), "{new}");
        assert!(!folders.contains(&outcome.release.folder), "{new} makes another release");
        folders.push(outcome.release.folder);
    }
    let outcome = store.outcome("1.1.0", &sql).await;
    assert_eq!((outcome.units_here, outcome.rows), (0, 300));
    // The smaller pixels lose nothing: a separate store gives the same catalogue.
    let alone = Store::new("");
    fs::copy(store.folder.path().join("labels.toml"), alone.folder.path().join("labels.toml")).unwrap();
    assert_eq!(alone.outcome("1.1.0", &sql).await.tiles, outcome.tiles);
}

#[tokio::test]
async fn what_changes_numbers_is_inferred_again() {
    let store = Store::new("");
    let sql = query(LABELS, "source_id <= 300");
    let units = store.outcome("1.0.0", &sql).await.units_here;
    assert!(units > 1);
    let conditions = query(LABELS, "source_id <= 200");
    assert_eq!(store.outcome("1.0.0", &conditions).await.units_here, units, "another query");
    store.change("sql = \"labels.sql\"", "sql = \"labels.sql\"\nprecision = \"int8\"");
    assert_eq!(store.outcome("1.0.0", &sql).await.units_here, units, "another precision");
    store.change("rows = 300", "rows = 400");
    assert!(store.outcome("1.0.0", &sql).await.units_here > 0, "other units");

    // This is another model with the same name.
    let model = init::random("tiny", Architecture::tiny(), Vocabulary::leung_bovy_2023(), 2).unwrap();
    let run = store.run_with("1.0.0", &sql, &model).await;
    assert!(run.execute(&Silent).await.unwrap().units_here > 0, "another model");

    rewrite(&store.folder.path().join("stars.parquet"), |rows| take(rows, (0..rows.num_rows() as u32).rev()));
    assert!(store.outcome("1.0.0", &sql).await.units_here > 0, "another input");
}

#[tokio::test]
async fn a_file_that_is_added_to_the_input_is_the_only_one_that_is_inferred() {
    let store = Store::new("");
    let folder = store.folder.path().join("stars");
    fs::create_dir(&folder).unwrap();
    let (first, second) = (folder.join("a.parquet"), folder.join("b.parquet"));
    fs::rename(store.folder.path().join("stars.parquet"), &first).unwrap();
    fs::copy(&first, &second).unwrap();
    rewrite(&second, |rows| take(rows, 200..400));
    rewrite(&first, |rows| take(rows, 0..200));
    let kept = fs::read(&second).unwrap();
    fs::remove_file(&second).unwrap();
    store.change("stars.parquet", "stars");
    let sql = query(LABELS, "source_id > 0");
    let alone = store.outcome("1.0.0", &sql).await;
    assert_eq!((alone.rows, alone.rows_inferred), (200, 200));
    fs::write(&second, kept).unwrap();
    let both = store.outcome("1.0.0", &sql).await;
    assert_eq!((both.rows, both.rows_inferred, both.units_here), (400, 200, 1));
}

#[tokio::test]
async fn units_stay_as_long_as_a_job_that_takes_them_is_not_published() {
    let store = Store::new("");
    let sql = query(COLUMNS, "source_id <= 300");
    store.outcome("1.0.0", &sql).await;
    // The next release fails its gate: it is not published and can be continued.
    store.change("highest_order = 3", "highest_order = 3\n[gates]\nmin_rows = 1000");
    assert!(store.publish("1.1.0", &sql).await.is_err());
    let later = Utc::now() + TimeDelta::days(2);
    let keep = Keep { older_than: TimeDelta::days(1), releases: None, units: false, unfinished: true };
    let units = |store: &Store| files(&store.root()).into_iter().filter(|file| file.contains("/units/")).count();
    let before = units(&store);
    let found = garbage::find(&store.storage, &keep, later).await.unwrap();
    assert!(found.iter().all(|file| !file.path.contains("/units/")), "{found:?}");
    garbage::remove(&store.storage, &found).await.unwrap();
    assert_eq!(units(&store), before);
    let outcome = store.accept("1.1.0", &sql).await;
    assert_eq!((outcome.units_here, outcome.rows), (0, 300));
    // Now no job uses them any more.
    let found = garbage::find(&store.storage, &keep, later).await.unwrap();
    garbage::remove(&store.storage, &found).await.unwrap();
    assert_eq!(units(&store), 0);
    assert_eq!(garbage::find(&store.storage, &keep, later).await.unwrap(), []);
    for version in ["1.0.0", "1.1.0"] {
        assert_eq!(verify(&store.storage, &store.release(version)).await.unwrap().faults, []);
    }
}
