//! HATS catalogues are read as their properties describe them.

use std::{fs, path::Path};

use crate::{
    file_server::{Answer, FileServer},
    object_store::server,
    program::{fail, lamcat, run},
};

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
        let _ = fs::remove_dir_all(folder.join("out"));
        run(lamcat(folder).args(["ingest", "cat/", "-o", "out/"]));
        assert_eq!(rows(folder, "out/**/*.parquet"), expected, "ingested: {properties}");
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

/// A server of a folder's files; for a folder it returns a page that lists it.
fn served(folder: &Path) -> FileServer {
    let folder = folder.to_owned();
    FileServer::start(move |asked| {
        let path = folder.join(asked.path().trim_matches('/'));
        match fs::read(&path) {
            Ok(bytes) => Answer::File(bytes),
            Err(_) if path.is_dir() => Answer::File(b"<!DOCTYPE html><html>Index of cat</html>".to_vec()),
            Err(_) => Answer::Status(404, String::new()),
        }
    })
}

#[test]
fn a_catalogue_on_a_server_of_files_is_read_by_its_list_of_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let leaves = ["Norder=0/Dir=0/Npix=4.parq", "Norder=6/Dir=10000/Npix=12345.parq"];
    catalogue(folder, "dataproduct_type=object\nhats_npix_suffix=.parq\n", &leaves);
    let server = served(folder);
    let address = server.address();
    for path in ["cat", "cat/"] {
        let e = fail(lamcat(folder).args(["sql", "-c", &format!("SELECT * FROM '{address}/{path}'")]));
        assert!(e.contains("partition_info.csv") && e.contains("hint:"), "{e}");
    }
    fs::write(folder.join("cat/partition_info.csv"), "Norder,Npix\n0,4\n6,12345\n").unwrap();
    for path in ["/cat", "/cat/"] {
        assert_eq!(rows(folder, &format!("{address}{path}")), "4", "{path}");
    }
    let (collection, latest) = (folder.join("collection.properties"), folder.join("LATEST"));
    fs::write(&collection, "hats_primary_table_url=cat\n").unwrap();
    assert_eq!([rows(folder, &address), rows(folder, &format!("{address}/"))], ["4", "4"], "collection");
    fs::remove_file(collection).unwrap();
    let current = "\"name\":\"c\",\"version\":\"1.0.0\",\"folder\":\"cat\",\"manifest_sha256\":\"\"";
    let current = format!("{{\"number\":1,\"action\":\"publish\",{current},\"time\":\"2026-12-02T10:00:00Z\"}}");
    fs::write(latest, current).unwrap();
    assert_eq!([rows(folder, &address), rows(folder, &format!("{address}/"))], ["4", "4"], "current release");
    run(lamcat(folder).args(["ingest", &format!("{address}/cat"), "-o", "out/"]));
    assert_eq!(rows(folder, "out/**/*.parquet"), "4");
}

#[test]
fn the_current_release_is_found_by_a_buckets_https_address() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let told = |args: &[&str]| run(&mut server.lamcat(folder.path(), args)).0;
    told(&["demo"]);
    let pipeline = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/demo.toml");
    told(&[
        "run",
        pipeline.to_str().unwrap(),
        "--input",
        "stars=lamcat-demo/stars.parquet",
        "--store",
        "s3://stars/cats",
    ]);
    for catalogue in [
        "s3://stars/cats/demo",
        "https://stars.s3.us-east-1.amazonaws.com/cats/demo",
        "https://s3.us-east-1.amazonaws.com/stars/cats/demo/",
    ] {
        let rows = told(&["sql", "-q", "--format", "csv", "-c", &format!("SELECT count(*) AS n FROM '{catalogue}'")]);
        assert_eq!(rows, "n\n1000\n", "{catalogue}");
    }
}
