//! Which store a URL refers to, and which hosts receive its secrets.

use std::{fs, path::Path, process::Command};

use crate::{
    file_server::{Answer, Asked, FileServer},
    program::{fail, lamcat, run},
};

/// The program in a folder of its own, without any credentials of this machine.
fn anonymous(folder: &Path) -> Command {
    let mut command = lamcat(folder);
    for (name, _) in std::env::vars() {
        if ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|cloud| name.starts_with(cloud)) {
            command.env_remove(name);
        }
    }
    command.env("HOME", folder).env("LAMCAT_STORE_RETRIES", "1");
    command
}

fn query(command: &mut Command, sql: &str) -> String {
    run(command.args(["sql", "-q", "--format", "csv", "-c", sql])).0
}

/// Serves `/who` in each bucket or container below `root` as a table that contains its name.
fn named_buckets(root: &'static str) -> FileServer {
    FileServer::start(move |asked| {
        let path = asked.path();
        let bucket = path.strip_prefix(root).and_then(|path| path.strip_suffix("/who.csv"));
        match bucket {
            Some(bucket) => Answer::File(format!("who\n{bucket}\n").into_bytes()),
            None => Answer::Status(404, String::new()),
        }
    })
}

/// Two Parquet files of the same size, path and time in two stores.
fn twins(folder: &Path) -> [Vec<u8>; 2] {
    let file = |values: &str| {
        run(lamcat(folder).args([
            "sql",
            "-q",
            "-o",
            "twin.parquet",
            "-c",
            &format!("SELECT * FROM (VALUES {values}) AS t(x)"),
        ]));
        fs::read(folder.join("twin.parquet")).unwrap()
    };
    let files = [file("(1), (2), (3)"), file("(7), (8), (9)")];
    assert_eq!(files[0].len(), files[1].len());
    files
}

#[test]
fn containers_of_one_account_are_stores_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let server = named_buckets("/devstoreaccount1/");
    let account = "devstoreaccount1.dfs.core.windows.net";
    let blobs = "https://devstoreaccount1.blob.core.windows.net";
    let mut command = anonymous(folder.path());
    command.env("AZURE_STORAGE_USE_EMULATOR", "true").env("AZURITE_BLOB_STORAGE_URL", server.address());
    let sql = format!(
        "SELECT a.who, b.who, c.who, d.who, e.who FROM 'abfss://alpha@{account}/who.csv' a, 'abfss://beta@{account}/who.csv' b, \
         'az://gamma/who.csv' c, '{blobs}/delta/who.csv' d, '{blobs}/alpha/who.csv' e"
    );
    assert_eq!(query(&mut command, &sql).lines().last(), Some("alpha,beta,gamma,delta,alpha"));
}

#[test]
fn files_of_one_path_size_and_time_in_two_stores_are_not_mixed_up() {
    let folder = tempfile::tempdir().unwrap();
    let [low, high] = twins(folder.path());
    let server = FileServer::start(move |asked| match asked.path().as_str() {
        "/low/x/twin.parquet" => Answer::File(low.clone()),
        "/high/x/twin.parquet" => Answer::File(high.clone()),
        _ => Answer::Status(404, String::new()),
    });
    let sql = "SELECT l.a, l.b, h.a, h.b, (SELECT count(*) FROM 's3://high/x/twin.parquet' WHERE x > 6) AS c, \
               (SELECT count(*) FROM 's3://low/x/twin.parquet' WHERE x < 4) AS d \
               FROM (SELECT min(x) a, max(x) b FROM 's3://low/x/twin.parquet') l, \
               (SELECT min(x) a, max(x) b FROM 's3://high/x/twin.parquet') h";
    let mut command = anonymous(folder.path());
    command.env("AWS_ENDPOINT", server.address()).env("AWS_ALLOW_HTTP", "true");
    assert_eq!(query(&mut command, sql).lines().last(), Some("1,3,7,9,3,3"));
}

#[test]
fn buckets_are_read_by_every_address_and_without_credentials_unsigned() {
    let folder = tempfile::tempdir().unwrap();
    let server = named_buckets("/");
    let sql = "SELECT a.who, b.who, c.who, d.who FROM 's3://one/who.csv' a, 's3a://two/who.csv' b, \
               'https://three.s3.eu-west-1.amazonaws.com/who.csv' c, 'https://s3.eu-west-1.amazonaws.com/four/who.csv' d";
    let command = || {
        let mut command = anonymous(folder.path());
        command.env("AWS_ENDPOINT", server.address()).env("AWS_ALLOW_HTTP", "true");
        command
    };
    assert_eq!(query(&mut command(), sql).lines().last(), Some("one,two,three,four"));
    let asked = server.asked();
    assert!(!asked.is_empty() && asked.iter().all(|asked| asked.header("authorization").is_none()), "{asked:?}");

    let keys = [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "s3cr3t/of+env")];
    query(command().envs(keys), sql);
    let asked = server.asked();
    let signed = |asked: &Asked| asked.header("authorization").is_some_and(|sent| sent.contains("Credential=AKIAENV/"));
    assert!(!asked.is_empty() && asked.iter().all(signed), "{asked:?}");
}

#[test]
fn buckets_of_google_are_read_by_every_address_without_credentials() {
    let folder = tempfile::tempdir().unwrap();
    let server = named_buckets("/");
    let sql = "SELECT a.who, b.who FROM 'gs://one/who.csv' a, 'https://storage.googleapis.com/two/who.csv' b";
    let mut command = anonymous(folder.path());
    assert_eq!(query(command.env("GOOGLE_BASE_URL", server.address()), sql).lines().last(), Some("one,two"));
    let asked = server.asked();
    assert!(
        asked.iter().all(|asked| asked.header("authorization").is_none_or(|sent| sent.trim() == "Bearer")),
        "{asked:?}"
    );
}

#[test]
fn keys_come_from_profiles_and_urls_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = named_buckets("/");
    fs::create_dir(folder.path().join(".aws")).unwrap();
    let profiles = "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = a/b+c\n\
                    [survey]\naws_access_key_id = AKIASURVEY\naws_secret_access_key = d/e+f\n";
    fs::write(folder.path().join(".aws/credentials"), profiles).unwrap();
    let key_of = |command: &mut Command, sql: &str| {
        command.env("AWS_ENDPOINT", server.address()).env("AWS_ALLOW_HTTP", "true");
        query(command, sql);
        let sent = server.asked()[0].header("authorization").unwrap().to_owned();
        sent.split("Credential=").nth(1).unwrap().split('/').next().unwrap().to_owned()
    };
    let plain = "SELECT * FROM 's3://one/who.csv'";
    assert_eq!(key_of(&mut anonymous(folder.path()), plain), "AKIADEFAULT");
    assert_eq!(key_of(anonymous(folder.path()).env("AWS_PROFILE", "survey"), plain), "AKIASURVEY");
    let url = "SELECT * FROM 's3://AKIAURL:hunter2%2Furl@one/who.csv'";
    assert_eq!(key_of(&mut anonymous(folder.path()), url), "AKIAURL");
    let error = fail(anonymous(folder.path()).env("AWS_PROFILE", "nobody").args(["sql", "-c", plain]));
    assert!(error.contains("there is no such profile (AWS_PROFILE nobody)"), "{error}");
}

#[test]
fn names_of_hosts_get_the_bucket_that_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = anonymous(folder.path());
    command.env("AWS_ENDPOINT", "http://one.localhost:9").env("AWS_ALLOW_HTTP", "true");
    command.env("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true");
    let error = fail(command.args(["sql", "-c", "SELECT * FROM 's3://two/who.csv'"]));
    assert!(error.contains("http://two.one.localhost:9/who.csv"), "{error}");
}

#[test]
fn queries_and_users_go_with_each_request_and_to_no_other_host() {
    let folder = tempfile::tempdir().unwrap();
    let [twin, _] = twins(folder.path());
    let other = FileServer::start(|_| Answer::File(b"x\n5\n".to_vec()));
    let elsewhere = format!("{}/elsewhere.csv", other.address().replace("127.0.0.1", "localhost"));
    let server = FileServer::start(move |asked| {
        let signed = asked.target.ends_with("?X-Amz-Credential=AKIA%2Fs3&X-Amz-Signature=5161");
        let user = asked.header("authorization") == Some("Basic bWU6aHVudGVyMjo6");
        match asked.path().as_str() {
            "/moved.csv" => Answer::Redirect(elsewhere.clone()),
            // A presigned address is signed for GET only.
            _ if asked.method != "GET" && asked.target.contains("X-Amz") => Answer::Status(403, String::new()),
            "/signed,(1).parquet" if signed => Answer::File(twin.clone()),
            "/user.parquet" if user => Answer::File(twin.clone()),
            _ => Answer::Status(403, String::new()),
        }
    });
    let (host, signature) = (format!("127.0.0.1:{}", server.port), "X-Amz-Credential=AKIA%2Fs3&X-Amz-Signature=5161");
    let sum = |url: &str| query(&mut anonymous(folder.path()), &format!("SELECT sum(x) FROM '{url}'"));
    assert!(sum(&format!("http://{host}/signed,(1).parquet?{signature}")).ends_with("\n6\n"));
    assert!(sum(&format!("http://me:hunter2%3A%3A@{host}/user.parquet")).ends_with("\n6\n"));
    // A query may name a file with two signatures, one of which is wrong.
    let two = format!(
        "SELECT * FROM 'http://{host}/signed,(1).parquet?{signature}' JOIN 'http://{host}/signed,(1).parquet?sig=wrong' USING (x)"
    );
    assert!(fail(anonymous(folder.path()).args(["sql", "-c", &two])).contains("403"));

    assert!(sum(&format!("http://me:hunter2%3A%3A@{host}/moved.csv?{signature}")).ends_with("\n5\n"));
    let asked = other.asked();
    let told = |asked: &Asked| {
        asked.headers.iter().chain([&asked.target]).any(|line| line.contains("5161") || line.contains("bWU6"))
    };
    assert!(!asked.is_empty() && !asked.iter().any(told), "{asked:?}");
    assert!(asked.iter().all(|asked| asked.header("authorization").is_none()), "{asked:?}");
}

#[test]
fn what_means_no_store_says_so_and_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    for (name, message) in [
        ("C:\\stars\\x.csv", "path of Windows"),
        ("ftp://h/x.csv", "'ftp' is not a store lamcat knows"),
        ("abfss://account.dfs.core.windows.net/c/x.csv", "names no container"),
        ("gs://me:hunter2@b/x.csv", "has a user"),
        ("s3://b/x.csv?X-Amz-Signature=hunter2", "has a query"),
    ] {
        let error = fail(anonymous(folder.path()).args(["sql", "-c", &format!("SELECT * FROM '{name}'")]));
        assert!(error.contains(message) && error.contains("hint:") && !error.contains("hunter2"), "{name}: {error}");
    }
}
