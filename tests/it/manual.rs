//! The manual: every command on its pages runs, its links lead to files, and the pages of the SQL functions are those
//! of the functions, with examples that run.

use std::{collections::BTreeSet, fs, path::Path, path::PathBuf};

use lamcat::{
    functions::specs,
    session::{Session, SessionOptions},
    udf::reference,
};

use crate::readme::run_page;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs")
}

/// The names of the Markdown files of a folder, without their suffix.
fn pages(folder: &Path) -> BTreeSet<String> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    files.filter_map(|name| name.strip_suffix(".md").map(str::to_owned)).collect()
}

/// A test for each page, which runs its commands, and a test that every page has a test.
macro_rules! commands_run {
    ($($page:ident),+ $(,)?) => {
        $(
            #[test]
            fn $page() {
                run_page(concat!("src/docs/", stringify!($page), ".md"));
            }
        )+

        #[test]
        fn every_page_is_tested_and_in_the_documentation() {
            let tested: BTreeSet<String> = [$(stringify!($page)),+, "README"].map(str::to_owned).into();
            assert_eq!(pages(&docs()), tested);
            let module = fs::read_to_string(docs().join("mod.rs")).unwrap();
            for page in [$(stringify!($page)),+] {
                assert!(module.contains(page), "src/docs/mod.rs does not name {page}");
            }
        }
    };
}

commands_run!(
    archive_files,
    reading_tables,
    models,
    training,
    pictures,
    releases,
    schedules,
    object_stores,
    clusters,
    performance
);

/// The files that the links of a Markdown text refer to.
fn linked_files(text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()));
    targets.filter(|target| !target.starts_with("http") && !target.starts_with('#')).collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = 0;
    for page in ["README.md", "CONTRIBUTING.md", "src/docs/README.md", "src/docs/sql/README.md"] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        for target in linked_files(&text) {
            let path = root.join(page).parent().unwrap().join(&target);
            assert!(path.exists(), "{page} links to {target}, which is not there");
            found += 1;
        }
    }
    assert!(found > 50, "only {found} links found: the reader of links is broken");
}

#[test]
fn sql_pages_are_current() {
    let folder = docs().join("sql");
    let write = std::env::var_os("LAMCAT_WRITE_PAGES").is_some_and(|v| v == "1");
    let now = reference::pages(&specs());
    let module = docs().join("sql.rs");
    let text = fs::read_to_string(&module).unwrap();
    let (head, _) = text.split_once("\"sql/\":\n").unwrap();
    let names = specs().iter().map(|spec| spec.name).collect::<Vec<_>>().join(",\n    ");
    let modules = (module, format!("{head}\"sql/\":\n    {names},\n);\n"));
    for (path, text) in now.iter().map(|(name, text)| (folder.join(name), text.clone())).chain([modules]) {
        if write {
            fs::write(&path, &text).unwrap();
        }
        let there = fs::read_to_string(&path).unwrap_or_default();
        let path = path.display();
        assert!(there == text, "{path} is stale: LAMCAT_WRITE_PAGES=1 cargo test --test it manual");
    }
    let functions: BTreeSet<String> = now.iter().map(|(name, _)| name.trim_end_matches(".md").to_owned()).collect();
    assert_eq!(pages(&folder), functions, "pages of functions that there are not");
}

/// A session with two tables for the examples: `stars` with all columns that they use, and `targets`.
async fn session() -> Session {
    let session = Session::new(&SessionOptions { partitions: Some(1), ..SessionOptions::default() }).unwrap();
    let stars = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo_stars.parquet");
    let correlations = "array_repeat(CAST(0 AS REAL), 1485)";
    let errors = "array_repeat(CAST(0.1 AS REAL), 55)";
    for table in [
        format!(
            "CREATE TABLE stars AS SELECT *, xp AS context FROM (SELECT *, {errors} AS bp_coefficient_errors, {errors} AS \
             rp_coefficient_errors, {correlations} AS bp_coefficient_correlations, {correlations} AS \
             rp_coefficient_correlations, 2.5 AS parallax, 0.05 AS parallax_error, 50.0 AS parallax_over_error, 1200.0 AS \
             phot_bp_mean_flux, 1.5 AS nu_eff_used_in_astrometry, CAST(NULL AS REAL) AS pseudocolour, 12.0 AS ecl_lat, 31 AS \
             astrometric_params_solved, xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS xp FROM '{}' LIMIT 20)",
            stars.display()
        ),
        "CREATE TABLE targets AS SELECT 1 AS id, ra, dec FROM stars".to_owned(),
    ] {
        session.sql(&table).await.unwrap().collect().await.unwrap();
    }
    session
}

#[tokio::test]
async fn examples_of_the_sql_pages_run() {
    let session = session().await;
    let mut ran = 0;
    for page in pages(&docs().join("sql")) {
        let text = fs::read_to_string(docs().join("sql").join(format!("{page}.md"))).unwrap();
        let examples: Vec<&str> =
            text.split("```sql\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
        assert!(page == "README" || examples.len() == 1, "{page} has {} examples", examples.len());
        for example in examples {
            let frame = session.sql(example).await.unwrap_or_else(|e| panic!("{page}: {example}: {e}"));
            let batches = frame.collect().await.unwrap_or_else(|e| panic!("{page}: {example}: {e}"));
            assert!(batches.iter().all(|batch| batch.num_columns() > 0), "{page}: {example}");
            ran += 1;
        }
    }
    assert!(ran > 30, "only {ran} examples found");
}
