use proptest::prelude::*;

use super::*;
use crate::session::stores::hosts::AMAZON_DOMAINS;

/// The store and path that a name refers to, as one text.
fn means(name: &str) -> String {
    let found = locate(name).unwrap().unwrap();
    let glob = found.glob.map_or_else(String::new, |glob| format!(" {glob}"));
    format!("{} {}{glob}", found.store.url(None), found.path)
}

#[test]
fn each_form_of_a_url_means_its_bucket_or_container() {
    let cases = [
        ("s3://b/x/a.csv", "s3://b/ /x/a.csv"),
        ("s3a://b/x", "s3://b/ /x"),
        ("s3://b", "s3://b/ /"),
        ("gs://b/x", "gs://b/ /x"),
        ("az://c/x", "az://c/ /x"),
        ("adl://c/x", "az://c/ /x"),
        ("adl://c@a/x", "abfss://c@a.dfs.core.windows.net/ /x"),
        ("az://c@a.blob.core.windows.net/x", "abfss://c@a.dfs.core.windows.net/ /x"),
        ("abfs://c@a.dfs.core.windows.net/x", "abfss://c@a.dfs.core.windows.net/ /x"),
        ("abfss://c@a.dfs.core.usgovcloudapi.net/x", "abfss://c@a.dfs.core.usgovcloudapi.net/ /x"),
        ("https://a.blob.core.windows.net/c/x/y", "abfss://c@a.dfs.core.windows.net/ /x/y"),
        ("https://a.dfs.core.windows.net/c", "abfss://c@a.dfs.core.windows.net/ /"),
        ("https://a.dfs.fabric.microsoft.com/w/x", "abfss://w@a.dfs.fabric.microsoft.com/ /x"),
        ("https://b.s3.eu-west-1.amazonaws.com/x", "https://b.s3.eu-west-1.amazonaws.com/ /x"),
        ("https://my.b.s3.eu-west-1.amazonaws.com/x", "https://my.b.s3.eu-west-1.amazonaws.com/ /x"),
        ("https://s3.eu-west-1.amazonaws.com/b/x", "https://b.s3.eu-west-1.amazonaws.com/ /x"),
        ("https://s3-eu-west-1.amazonaws.com/b/x", "https://b.s3.eu-west-1.amazonaws.com/ /x"),
        ("https://s3.dualstack.eu-west-1.amazonaws.com/b/x", "https://b.s3.eu-west-1.amazonaws.com/ /x"),
        ("https://s3.amazonaws.com/b/x", "https://b.s3.amazonaws.com/ /x"),
        ("https://b.s3.amazonaws.com/x", "https://b.s3.amazonaws.com/ /x"),
        ("https://s3.cn-north-1.amazonaws.com.cn/b/x", "https://b.s3.cn-north-1.amazonaws.com.cn/ /x"),
        ("https://acc.r2.cloudflarestorage.com/b/x", "https://b.acc.r2.cloudflarestorage.com/ /x"),
        ("https://storage.googleapis.com/b/x", "gs://b/ /x"),
        ("https://b.storage.googleapis.com/x", "gs://b/ /x"),
        ("https://b.s3-website-eu-west-1.amazonaws.com/x", "https://b.s3-website-eu-west-1.amazonaws.com/ /x"),
        ("https://s3.eu-west-1.amazonaws.com/b/x?X-Amz-Signature=1", "https://s3.eu-west-1.amazonaws.com/ /b/x"),
        ("http://a.blob.core.windows.net/c/x", "http://a.blob.core.windows.net/ /c/x"),
        ("https://notamazonaws.com/b/x", "https://notamazonaws.com/ /b/x"),
        ("http://127.0.0.1:9000/b/x?a=1#f", "http://127.0.0.1:9000/ /b/x"),
        ("http://[::1]:9000/b/*.csv?sig=1", "http://[::1]:9000/ /b/ *.csv"),
        ("s3://b/a#1.csv", "s3://b/ /a%231.csv"),
        ("s3://b/a?/x[0-9].csv", "s3://b/ / a?/x[0-9].csv"),
        ("file:///tmp/x.csv", "file:/// /tmp/x.csv"),
    ];
    for (name, meant) in cases {
        assert_eq!(means(name), meant, "{name}");
    }
}

#[test]
fn paths_are_no_urls_and_what_means_no_store_says_why() {
    for path in ["stars.parquet", "/data/x:y.csv", "a:b.parquet", "dir/*.csv", "s3:/b/x"] {
        assert_eq!(locate(path).unwrap(), None, "{path}");
    }
    let cases = [
        ("C:\\stars\\x.csv", "path of Windows"),
        ("d:/stars/x.csv", "path of Windows"),
        ("ftp://h/x", "'ftp' is not a store"),
        ("abfss://a.dfs.core.windows.net/c/x", "names no container"),
        ("abfss://c@example.org/x", "no account of Azure"),
        ("https://a.blob.core.windows.net/", "names no container"),
        ("https://s3.eu-west-1.amazonaws.com/", "names no bucket"),
        ("s3://b:9000/x", "has a port"),
        ("s3:///x", "names no bucket"),
        ("file://host/x", "another machine"),
        ("http://u:pw/x@h/x", "is no URL"),
    ];
    for (name, message) in cases {
        let error = locate(name).unwrap_err().to_string();
        assert!(error.contains(message) && !error.contains("pw"), "{name}: {error}");
    }
}

proptest! {
    /// The store's own URL refers to the store, and no two stores have the same URL.
    #[test]
    fn a_stores_url_means_that_store_alone(a in address(), b in address(), user in proptest::option::of("[a-z]{1,9}-[0-9]")) {
        let of = |store: &Address| store.url(user.as_deref());
        let url = Url::parse(&of(&a)).unwrap();
        let found = of_url(&url).unwrap();
        prop_assert_eq!(&found.store, &a);
        prop_assert_eq!(found.path, "/");
        prop_assert_eq!(found.secret.and_then(|s| s.user).map(|(name, _)| name), user.clone());
        prop_assert_eq!(a == b, of(&a) == of(&b));
    }
}

fn address() -> impl Strategy<Value = Address> {
    let word = || "[a-c][a-c0-9]{0,2}";
    let region = proptest::option::of(Just("eu-west-1".to_owned()));
    prop_oneof![
        word().prop_map(|bucket| Address::S3 { bucket, host: S3Host::Unnamed }),
        (word(), region).prop_map(|(bucket, region)| Address::S3 {
            bucket,
            host: S3Host::Amazon { region, domain: AMAZON_DOMAINS[0] }
        }),
        (word(), word()).prop_map(|(bucket, account)| Address::S3 { bucket, host: S3Host::Cloudflare { account } }),
        word().prop_map(|bucket| Address::Google { bucket }),
        (proptest::option::of(word()), word()).prop_map(|(account, container)| Address::Azure {
            account,
            container,
            domain: AZURE_DOMAIN.to_owned()
        }),
        word().prop_map(|host| Address::Http { origin: format!("https://{host}.org") }),
        (word(), 1u16..9).prop_map(|(host, port)| Address::Http { origin: format!("http://{host}:{port}") }),
    ]
}
