//! The indices, cuts and default columns of a release, and how the verifier checks them.

use std::fs;

use lamcat::release::{assemble::Manifest, cuts::CutRows, verify::verify};

use crate::{
    pipeline_workplace::{BASE, Made, QUERY, Workplace},
    program::{lamcat, run},
    releases::{rewrite, sign, storage, take},
};

/// An index of text contains every row, and identifiers are checked even without an index of them.
#[tokio::test]
async fn indices_are_of_the_columns_that_are_named() {
    let indices = |names: &str| BASE.replacen("max_rows = 15", &format!("max_rows = 15\nindex = [{names}]"), 1);
    let place = Workplace::new(BASE).await;
    let of = |made: &Made| -> Vec<String> {
        let parts = made.files.keys().filter(|path| path.contains("/dataset/index/part."));
        parts.map(|path| path.split('/').next().unwrap_or_default().to_owned()).collect()
    };
    let several = place.publish(&indices("\"grade\", \"source_id\", \"quality_flags\"")).await.unwrap();
    assert_eq!(of(&several), ["labels_grade", "labels_quality_flags", "labels_source_id"]);
    let listed = several.line("collection.properties", "all_indexes=");
    assert_eq!(listed, "all_indexes=grade labels_grade source_id labels_source_id quality_flags labels_quality_flags");
    assert_eq!(several.line("collection.properties", "default_index="), "default_index=source_id");
    assert_eq!(several.line("labels_grade/hats.properties", "hats_index_column="), "hats_index_column=grade");
    let none = place.publish(&indices("")).await.unwrap();
    assert_eq!(of(&none), Vec::<String>::new());
    assert!(!none.text("collection.properties").contains("_index"));
    for names in ["\"grades\"", "\"teff\""] {
        let e = place.publish(&indices(names)).await.err().unwrap().to_string();
        assert!(e.contains("key tiling.index"), "{e}");
    }
    for made in [&several, &none] {
        let report = verify(&storage(&made.store), &made.release).await.unwrap();
        assert_eq!(report.faults, []);
    }
    // Duplicate identifiers are found without an index too.
    let twice = format!("{QUERY} CROSS JOIN (SELECT 1 FROM generate_series(1, 2)) AS twice");
    fs::write(place.path("labels.sql"), twice).unwrap();
    let e = place.publish(&indices("\"grade\"")).await.err().unwrap().to_string();
    assert!(e.contains("source_id") && e.contains("twice"), "{e}");
}

/// Every release has its cuts in the places where readers look, with the number of rows that pass them.
#[tokio::test]
async fn cuts_are_in_every_description_of_a_release_and_their_rows_are_counted() {
    let cuts = "[cuts]\nbasic = \"quality_flags & 512 = 0\"\nhot = \"maybe > 4500 AND \\\"grade\\\" <> '<a|b>'\"\nall = \"true\"\n[gates]";
    let place = Workplace::new(BASE).await;
    let made = place.publish(&BASE.replacen("[gates]", cuts, 1)).await.unwrap();
    let manifest: Manifest = serde_json::from_slice(&fs::read(made.folder.join("manifest.json")).unwrap()).unwrap();
    let query = |condition: &str| {
        let leaves = made.folder.join("labels");
        let count = format!("SELECT count(*) FILTER (WHERE {condition}) AS n FROM '{}/'", leaves.display());
        run(lamcat(&made.folder).args(["sql", "-q", "--format", "csv", "-c", &count]))
            .0
            .lines()
            .nth(1)
            .unwrap()
            .to_owned()
    };
    let names: Vec<&str> = manifest.cuts.iter().map(|cut| cut.name.as_str()).collect();
    assert_eq!(names, ["all", "basic", "hot"]);
    for CutRows { name, condition, rows } in &manifest.cuts {
        assert_eq!(query(condition), rows.to_string(), "{name}");
        for file in ["collection.properties", "labels/hats.properties"] {
            assert_eq!(made.line(file, &format!("lamcat_cut_{name}=")), format!("lamcat_cut_{name}={condition}"));
        }
        assert!(made.text("labels/dataset/_common_metadata").contains(&format!("name=\"cut_{name}\"")));
        assert!(made.text("schema.md").contains(&format!("| {name} | {rows} |")), "{}", made.text("schema.md"));
        let shown = run(lamcat(&made.store).args(["release", "show", "."])).0;
        assert!(shown.lines().any(|line| line.contains(&format!("cut {name}")) && line.contains(condition)), "{shown}");
    }
    assert!((1..60).contains(&manifest.cuts[1].rows) && (1..60).contains(&manifest.cuts[2].rows), "{manifest:?}");
    let page = fs::read_dir(made.store.join("reports")).unwrap().map(|entry| entry.unwrap().path());
    let page = page.into_iter().find(|path| path.extension().is_some_and(|e| e == "html")).unwrap();
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("quality_flags &amp; 512 = 0") && page.contains("&lt;a|b&gt;"), "{page}");
}

#[tokio::test]
async fn a_wrong_cut_or_default_column_is_refused_with_its_key() {
    let place = Workplace::new(BASE).await;
    let cases = [
        ("[gates]", "[cuts]\nbasic = \"colour > 1\"\n[gates]", "key cuts.basic"),
        ("[gates]", "[cuts]\nbasic = \"teff + 1\"\n[gates]", "key cuts.basic"),
        ("[gates]", "[cuts]\nbasic = \" \"\n[gates]", "key cuts.basic"),
        ("sql =", "default_columns = [\"teff\", \"colour\"]\nsql =", "key default_columns"),
        ("sql =", "default_columns = [\"teff\", \"teff\"]\nsql =", "key default_columns"),
    ];
    for (old, new, key) in cases {
        let e = place.publish(&BASE.replacen(old, new, 1)).await.err().unwrap().to_string();
        assert!(e.contains(key), "{new}: {e}");
    }
}

/// An index of text is compared with the rows, just like an index of identifiers.
#[tokio::test]
async fn a_damaged_index_of_text_is_found() {
    let place = Workplace::new(BASE).await;
    let toml = BASE.replacen("max_rows = 15", "max_rows = 15\nindex = [\"grade\"]", 1);
    let made = place.publish(&toml).await.unwrap();
    let part = made.folder.join("labels_grade/dataset/index/part.0.parquet");
    let faults = async || {
        sign(&made.folder);
        verify(&storage(&made.store), &made.release)
            .await
            .unwrap()
            .faults
            .into_iter()
            .map(|fault| fault.what)
            .collect::<Vec<_>>()
    };
    let good = fs::read(&part).unwrap();
    rewrite(&part, |rows| take(rows, 1..rows.num_rows() as u32));
    assert!(faults().await.iter().any(|what| what == "the index has 59 rows, the catalogue 60"));
    fs::write(&part, &good).unwrap();
    rewrite(&part, |rows| take(rows, (0..rows.num_rows() as u32).rev()));
    assert!(faults().await.iter().any(|what| what.contains("out of order")));
    fs::write(&part, &good).unwrap();
    rewrite(&part, |rows| take(rows, std::iter::once(0).chain(0..rows.num_rows() as u32 - 1)));
    assert!(faults().await.iter().any(|what| what == "the index does not match the catalogue's rows"));
}

/// Lists with missing elements have the same bytes whatever unit their rows were in, and contain no NULL.
#[tokio::test]
async fn missing_elements_do_not_depend_on_the_units() {
    let list = "arrow_cast(CASE WHEN stars.source_id % 7 = 0 THEN NULL ELSE make_array(CASE WHEN stars.source_id % 2 = 0 \
                THEN NULL ELSE teff END, ra) END, 'FixedSizeList(2, Float64)') AS pair, CASE WHEN stars.source_id % 3 = 0 \
                THEN 'third' END AS name";
    let query = QUERY.replace("ra, dec", &format!("ra, dec, {list}"));
    let columns = "[columns.pair]\nucd = \"meta\"\ndescription = \"Pair\"\n[columns.name]\nucd = \"meta.id\"\ndescription = \"Name\"\n[gates]";
    let place = Workplace::new(BASE).await;
    fs::write(place.path("labels.sql"), query).unwrap();
    let toml = BASE.replacen("[gates]", columns, 1);
    let mut first: Option<Made> = None;
    for rows in [60, 20, 1] {
        let made = place.publish(&toml.replace("rows = 20", &format!("rows = {rows}"))).await.unwrap();
        let tables = made.files.iter().filter(|(path, _)| path.ends_with(".parquet"));
        for (path, bytes) in tables {
            assert!(first.as_ref().is_none_or(|first| first.files[path] == *bytes), "units of {rows}: {path}");
        }
        first.get_or_insert(made);
    }
}
