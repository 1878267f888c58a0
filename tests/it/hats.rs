//! HATS catalogues as their properties say they are.

use std::{fs, path::Path};

use crate::program::{fail, lamcat, run};

/// A catalogue whose leaves have two rows each.
fn catalogue(folder: &Path, properties: &str, leaves: &[&str]) {
    if !folder.join("two.parquet").exists() {
        let rows =
            "COPY (SELECT value AS source_id, 45.0 AS ra, 1.0 AS dec FROM generate_series(1, 2)) TO 'two.parquet'";
        run(lamcat(folder).args(["sql", "-c", rows]));
    }
    let _ = fs::remove_dir_all(folder.join("cat"));
    for leaf in leaves {
        let path = folder.join("cat/dataset").join(leaf);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(folder.join("two.parquet"), path).unwrap();
    }
    fs::write(folder.join("cat/hats.properties"), properties).unwrap();
}

fn rows(folder: &Path, path: &str) -> String {
    let count = format!("SELECT count(*) AS n FROM '{path}'");
    run(lamcat(folder).args(["sql", "-q", "--format", "csv", "-c", &count])).0.lines().nth(1).unwrap().to_owned()
}

#[test]
fn leaves_are_those_that_the_suffix_names() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (leaf, other) = ("Norder=0/Dir=0/Npix=4", "Norder=1/Dir=0/Npix=20");
    let cases: [(&str, &[&str], &str); 5] = [
        ("hats_npix_suffix=.parq\n", &[".parq"], "4"),
        ("hats_npix_suffix=.snappy.parquet\n", &[".snappy.parquet", ".other"], "4"),
        ("hats_npix_suffix = /\n", &["/part0.parquet", "/part1.parquet"], "8"),
        ("! Java\nhats_npix_suffix : \\\n   \\u002eparquet\n", &[".parquet"], "4"),
        ("obs_collection=cat\n", &[".parquet", ".parq"], "4"),
    ];
    for (properties, endings, expected) in cases {
        let leaves: Vec<String> =
            [leaf, other].iter().flat_map(|l| endings.iter().map(move |e| format!("{l}{e}"))).collect();
        catalogue(folder, properties, &leaves.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(rows(folder, "cat/"), expected, "{properties}");
        if endings.iter().all(|ending| ending.ends_with(".parquet")) {
            let _ = fs::remove_dir_all(folder.join("out"));
            run(lamcat(folder).args(["ingest", "cat/", "-o", "out/"]));
            assert_eq!(rows(folder, "out/"), expected, "ingested: {properties}");
        }
    }
    catalogue(folder, "hats_npix_suffix=.parquet\n", &[&format!("{leaf}.parq")]);
    let e = fail(lamcat(folder).args(["sql", "-c", "SELECT * FROM 'cat/'"]));
    assert!(e.contains("no leaves") && e.contains("Npix="), "{e}");
}

#[test]
fn an_index_is_read_and_a_collection_names_its_catalogue_in_any_way_of_java() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    catalogue(folder, "dataproduct_type=index\n", &["index/part.0.parquet", "index/part.1.parquet"]);
    assert_eq!(rows(folder, "cat/"), "4");
    catalogue(folder, "dataproduct_type=object\n", &["Norder=0/Dir=0/Npix=4.parquet"]);
    let collection = |text: &str| fs::write(folder.join("collection.properties"), text).unwrap();
    for text in [
        "hats_primary_table_url=cat\n",
        "# a\n! b\nhats_primary_table_url : ./ca\\\n   t/\n",
        "hats_primary_table_url x/../cat",
    ] {
        collection(text);
        assert_eq!(rows(folder, "./"), "2", "{text}");
    }
    collection("hats_primary_table_url=https://me:secret@example.org/cat?sig=1\n");
    let e = fail(lamcat(folder).args(["sql", "-c", "SELECT * FROM './'"]));
    assert!(e.contains("elsewhere") && e.contains("hint:") && !e.contains("secret") && !e.contains("sig="), "{e}");
}
