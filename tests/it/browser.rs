//! Pages in a real browser, headless Chromium, without a network.

use std::{env, fs, path::Path, path::PathBuf, process::Command};

/// A page as a browser sees it.
pub struct Seen {
    /// The document after layout, as HTML.
    pub dom: String,
    /// The messages on its console: errors, warnings, and what the page's own policy prevents from loading.
    pub console: Vec<String>,
}

impl Seen {
    /// What is wrong with the page: messages on the console, and anything that it loads.
    pub fn faults(&self) -> Vec<String> {
        let loads =
            ["src=", "srcset=", "href=\"", "url(", "@import", "<link", "<script", "<iframe", "<object", "<embed"];
        let within = self.dom.replace("href=\"#", "");
        let found = loads.iter().filter(|load| within.contains(*load)).map(|load| format!("the page has {load}"));
        self.console.iter().cloned().chain(found).collect()
    }
}

/// The Chromium program; `None`, with a message, if it is not installed.
fn chromium() -> Option<PathBuf> {
    let named = env::var_os("LAMCAT_CHROMIUM").map(PathBuf::from);
    let on_path = env::var_os("PATH").into_iter().flat_map(|p| env::split_paths(&p).collect::<Vec<_>>());
    let programs = ["chromium", "chromium-browser", "google-chrome"];
    let found = named.into_iter().chain(on_path.flat_map(|p| programs.map(|n| p.join(n)))).find(|p| p.is_file());
    if found.is_none() {
        assert!(
            env::var_os("LAMCAT_REQUIRE_BROWSER").is_none(),
            "LAMCAT_REQUIRE_BROWSER is set but there is no chromium"
        );
        eprintln!("browser skipped: no chromium (apt-get install chromium, or LAMCAT_CHROMIUM=path)");
    }
    found
}

/// Opens a page; `None` if there is no browser.
pub fn open(page: &Path) -> Option<Seen> {
    let chromium = chromium()?;
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(chromium);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"]);
    command.args(["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]);
    // The browser can resolve no host name, so nothing leaves this machine, whatever the page requests.
    command.args(["--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=direct://"]);
    command.args(["--enable-logging=stderr", "--v=0", "--window-size=1300,2000", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.arg(format!("file://{}", fs::canonicalize(page).unwrap().display()));
    let output = command.output().unwrap();
    let (dom, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && dom.contains("</html>"), "chromium failed: {log}");
    let console = log.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect();
    Some(Seen { dom: dom.into_owned(), console })
}

/// Opens a page with this text.
pub fn open_text(folder: &Path, html: &str) -> Option<Seen> {
    let file = folder.join("page.html");
    fs::write(&file, html).unwrap();
    open(&file)
}
