//! The page about a release: its figures, and how a browser displays it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use chrono::{TimeDelta, Utc};
use lamcat::{
    pipeline::report,
    release::{
        garbage::{self, Keep, Reason},
        paths,
        verify::verify,
    },
    session::{Session, SessionOptions},
};

use crate::{
    browser::{open, open_text},
    program::{fail, lamcat, run},
    releases::{COLUMNS, Store, query, replace},
    run_program::{command, workplace},
};

/// Labels with pulls of 0.25, 0.75, 1.25, 1.75 and 2.25 in turn, columns that cannot be plotted, and flags: bit 4 on
/// every fifth star, the unnamed bit 20 on every hundredth.
const RICH: &str = "teff AS teff_true, teff + CAST((0.25 + 0.5 * (source_id % 5)) * 40 AS REAL) AS teff, \
    CAST(40 AS REAL) AS teff_error, CAST(logg + 0.1 AS REAL) AS logg, CAST(0.1 AS REAL) AS logg_error, \
    CAST(0.5 + source_id * 0.002 AS REAL) AS bp_rp, CAST(12 AS REAL) AS phot_g_mean_mag, \
    CAST(10 * source_id AS REAL) AS distance, CAST(source_id AS REAL) AS distance_error, \
    CAST('NaN' AS REAL) AS void, CAST('NaN' AS REAL) AS void_error, CAST(NULL AS REAL) AS none, \
    CAST(NULL AS REAL) AS none_error, CAST('Infinity' AS REAL) AS endless, CAST('-Infinity' AS REAL) AS endless_error, \
    CAST(7 AS REAL) AS same, CAST(0 AS REAL) AS same_error, CAST(3e38 - source_id * 2e36 AS REAL) AS huge, \
    CAST(3e38 AS REAL) AS huge_error, \
    CAST(CASE WHEN source_id % 5 = 0 THEN 16 ELSE 0 END + CASE WHEN source_id % 100 = 0 THEN 1048576 ELSE 0 END AS INT) \
    AS quality_flags, CAST(sin(source_id) AS REAL) AS ood_score";

const SECTIONS: [&str; 11] =
    ["release", "gates", "sky", "kiel", "hr", "labels", "errors", "flags", "score", "diff", "work"];

/// A store whose pipeline file has `more`, and describes the columns of [`RICH`].
fn rich(more: &str) -> Store {
    let names = ["teff_true", "distance", "void", "none", "endless", "same", "huge"];
    let text = |name: &str| {
        let unit = if name == "distance" { "pc" } else { "" };
        format!("[columns.{name}]\nunit = \"{unit}\"\nucd = \"stat.value\"\ndescription = \"A number.\"\n")
    };
    let all: String = names.iter().map(|name| text(name) + &text(&format!("{name}_error"))).collect();
    Store::new(&(more.to_owned() + &all.replace(&text("teff_true_error"), "")))
}

/// The text of a section of a page.
fn section<'a>(page: &'a str, id: &str) -> Option<&'a str> {
    let start = page.find(&format!("<section id=\"{id}\">"))?;
    page[start..].split("</section>").next()
}

/// The cells of the table row whose first cell is `first`.
fn row(section: &str, first: &str) -> Vec<String> {
    let start = section.find(&format!("<tr><td>{first}</td>")).unwrap_or_else(|| panic!("no row {first}: {section}"));
    let cells = section[start..].split("</tr>").next().unwrap().split("<td>").skip(1);
    cells.map(|cell| cell.trim_end_matches("</td>").to_owned()).collect()
}

fn page_of(store: &Store, version: &str) -> PathBuf {
    store.root().join(paths::report(&store.release(version)))
}

#[tokio::test]
async fn a_page_has_every_section_and_a_browser_no_complaint() {
    let store = rich("[gates]\nmax_row_change = 0.5\nmax_shift = { teff = 500.0 }\n");
    store.publish("1.0.0", &query(RICH, "source_id <= 300")).await.unwrap();
    let outcome = store.publish("1.1.0", &query(RICH, "source_id > 10 AND source_id <= 310")).await.unwrap();
    let file = page_of(&store, "1.1.0");
    assert_eq!(outcome.report.as_deref(), file.to_str());
    let page = fs::read_to_string(&file).unwrap();
    assert!(page.len() < 2_000_000, "{} bytes", page.len());

    // Every fifth and every hundredth of the stars 11 to 310.
    let flags = section(&page, "flags").unwrap();
    assert_eq!(row(flags, "out_of_range")[..5], ["out_of_range", "16", "60", "20.00 %", "20.00 %"]);
    assert_eq!(row(flags, "")[..4], ["", "1048576", "3", "1.00 %"]);
    // Pulls of 0.25 and 0.75 lie within one sigma, those of 1.25 and 1.75 also within two; 1.4826 · 0.5 is their
    // scatter.
    let errors = section(&page, "errors").unwrap();
    assert_eq!(row(errors, "teff"), ["teff", "K", "40.00", "40.00 %", "80.00 %", "1.250", "0.7413"]);
    let labels = section(&page, "labels").unwrap();
    // The median of 110 to 3100 pc in steps of 10, and of 10 to 3000 for the release before; 1.4826 · 75 steps.
    assert_eq!(row(labels, "distance")[2..8], ["1605", "1112", "0.00 %", "0.00 %", "1505", "1112"]);
    for (name, missing) in [("void", "100.00 %"), ("none", "100.00 %"), ("endless", "100.00 %"), ("same", "0.00 %")] {
        assert_eq!(row(labels, name)[4], missing, "{name}");
    }
    let svgs = |id: &str| section(&page, id).unwrap().matches("<svg").count();
    assert_eq!(SECTIONS.map(svgs), [0, 0, 1, 1, 1, 5, 5, 0, 1, 0, 1]);
    assert!(
        labels.matches("1.0.0").count() >= 5 && labels.contains("<polyline"),
        "no release before in the histograms"
    );
    let gates = section(&page, "gates").unwrap();
    assert_eq!(row(gates, "max_row_change"), ["max_row_change", "0.5", "0.0000", "passed"]);
    assert_eq!(row(section(&page, "diff").unwrap(), "distance")[4..7], ["0", "0", "290"]);
    for stage in ["infer", "arrange", "assemble", "verify"] {
        assert!(row(section(&page, "work").unwrap(), stage)[1..].iter().all(|cell| cell.parse::<f64>().is_ok()));
    }
    assert!(section(&page, "work").unwrap().contains(&format!(":{}", std::process::id())));
    assert!(!page.contains("NaN"), "a picture or a table has no number");

    let Some(seen) = open(&file) else { return };
    assert_eq!(seen.faults(), Vec::<String>::new());
    for (id, svgs) in SECTIONS.into_iter().zip(SECTIONS.map(svgs)) {
        let found = section(&seen.dom, id).unwrap_or_else(|| panic!("no section {id}"));
        assert_eq!(found.matches("<svg").count(), svgs, "{id}");
        assert!(seen.dom.contains(&format!("href=\"#{id}\"")), "{id} is not linked");
    }
    let first = open(&page_of(&store, "1.0.0")).unwrap();
    assert_eq!(first.faults(), Vec::<String>::new());
    assert!(section(&first.dom, "diff").is_none() && section(&first.dom, "labels").is_some());

    // The same checks find a message on the console, a script, and a missing picture.
    let with =
        |html: &str| open_text(store.folder.path(), &page.replace("</body>", &format!("{html}</body>"))).unwrap();
    let image = with("<img src=\"missing.png\">");
    assert!(image.console.iter().any(|line| line.contains("missing.png")), "{:?}", image.console);
    assert!(image.faults().iter().any(|fault| fault == "the page has src="), "{:?}", image.faults());
    let script = with("<script>console.error('deliberate')</script>");
    assert!(script.console.iter().any(|line| line.contains("Content Security Policy")), "{:?}", script.console);
    let free = page.replace("default-src 'none'", "default-src * 'unsafe-inline'");
    let html = free.replace("</body>", "<script>console.error('deliberate')</script></body>");
    let free = open_text(store.folder.path(), &html).unwrap();
    assert!(free.console.iter().any(|line| line.contains("deliberate")), "{:?}", free.console);
}

#[tokio::test]
async fn hostile_words_stay_words() {
    let store = rich("");
    let hostile = "</title></h1><script>console.error(1)</script><img src=x onerror=console.error(2)> & <b>";
    let pipeline = store.folder.path().join("labels.toml");
    replace(&pipeline, "title = \"Labels\"", &format!("title = '{hostile}'"));
    replace(&pipeline, "description = \"Temperatures.\"", &format!("description = '{hostile}'"));
    replace(&pipeline, "creator = \"A. Stronomer\"", &format!("creator = '{hostile}'"));
    let column = format!("\n[columns.teff]\ndescription = '{hostile}'\nunit = \"K\"\n");
    fs::write(&pipeline, fs::read_to_string(&pipeline).unwrap() + &column).unwrap();
    store.publish("1.0.0", &query(RICH, "source_id <= 300")).await.unwrap();
    let page = fs::read_to_string(page_of(&store, "1.0.0")).unwrap();
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>"));
    let escaped = "&lt;/title&gt;&lt;/h1&gt;&lt;script&gt;console.error(1)&lt;/script&gt;";
    // It occurs in title, heading, description, creator, and the column's description.
    assert_eq!(page.matches(escaped).count(), 5);
    let Some(seen) = open(&page_of(&store, "1.0.0")) else { return };
    assert_eq!(seen.console, Vec::<String>::new());
}

#[tokio::test]
async fn what_a_release_has_not_is_left_out() {
    let store = Store::new("");
    store.publish("1.0.0", &query("teff", "source_id <= 300")).await.unwrap();
    let page = fs::read_to_string(page_of(&store, "1.0.0")).unwrap();
    let found: Vec<&str> = SECTIONS.into_iter().filter(|id| section(&page, id).is_some()).collect();
    assert_eq!(found, ["release", "gates", "sky", "work"]);
}

#[tokio::test]
async fn a_release_that_fails_a_gate_has_its_report() {
    let store = Store::new("[gates]\nmax_row_change = 0.1\n");
    store.publish("1.0.0", &query(COLUMNS, "source_id <= 300")).await.unwrap();
    let e = store.publish("1.1.0", &query(COLUMNS, "source_id <= 100")).await.unwrap_err().to_string();
    let file = page_of(&store, "1.1.0");
    assert!(e.contains(file.to_str().unwrap()), "{e}");
    let page = fs::read_to_string(&file).unwrap();
    let gates = section(&page, "gates").unwrap();
    assert_eq!(row(gates, "max_row_change"), ["max_row_change", "0.1", "0.6667", "FAILED"]);
    assert!(section(&page, "diff").unwrap().contains("200 lost") || page.contains("and 200 lost"), "{page}");
    // An accepted release keeps the stages of the run that made it.
    let outcome = store.accept("1.1.0", &query(COLUMNS, "source_id <= 100")).await;
    let page = fs::read_to_string(outcome.report.unwrap()).unwrap();
    let stages = ["infer", "arrange", "assemble", "verify"].map(|stage| row(section(&page, "work").unwrap(), stage));
    assert_eq!(stages.map(|cells| cells[2].clone()), ["1000", "100", "100", "100"]);
}

#[tokio::test]
async fn a_report_is_made_again_and_goes_with_its_release() {
    let store = Store::good().await;
    store.publish("1.1.0", &query(COLUMNS, "source_id <= 290")).await.unwrap();
    let session = Session::new(&SessionOptions::default()).unwrap();
    let old = store.release("1.0.0");
    assert!(verify(&store.storage, &old).await.unwrap().faults.is_empty());
    let before = fs::read_to_string(page_of(&store, "1.0.0")).unwrap();
    assert_eq!(report::page(session.context(), &store.storage, &old).await.unwrap(), before);

    // Without the claims nobody knows who worked when; everything else is unchanged.
    fs::remove_dir_all(store.root().join("jobs")).unwrap();
    let command = |args: &[&str]| {
        let mut command = lamcat(store.folder.path());
        command.args(["release", "report", "catalogues/labels"]).args(args);
        command
    };
    let (path, _) = run(&mut command(&["1.0.0", "-o", "old.html"]));
    assert_eq!(path.trim_end(), "old.html");
    let again = fs::read_to_string(store.folder.path().join("old.html")).unwrap();
    let upto = |page: &str| page.split("<section id=\"work\">").next().unwrap().to_owned();
    assert_eq!(upto(&again), upto(&before));
    assert!(!section(&again, "work").unwrap().contains("<svg") && section(&before, "work").unwrap().contains("<svg"));
    let new = page_of(&store, "1.1.0");
    fs::remove_file(&new).unwrap();
    let (path, _) = run(&mut command(&[]));
    assert!(Path::new(path.trim_end()) == new && new.is_file(), "{path}");
    let e = fail(&mut command(&["3.0.0"]));
    assert!(e.contains("there is no release '3.0.0'"), "{e}");

    let keep = Keep { older_than: TimeDelta::days(1), releases: None, units: false, unfinished: true };
    let later = Utc::now() + TimeDelta::days(2);
    let found = garbage::find(&store.storage, &keep, later).await.unwrap();
    assert!(found.iter().all(|file| file.why != Reason::Report), "{found:?}");
    let found = garbage::find(&store.storage, &Keep { releases: Some(1), ..keep.clone() }, later).await.unwrap();
    let reports: Vec<&str> = found.iter().filter(|f| f.why == Reason::Report).map(|f| f.path.as_str()).collect();
    assert_eq!(reports, [paths::run_record(&old), paths::report(&old)]);
    garbage::remove(&store.storage, &found).await.unwrap();
    assert!(!store.root().join(paths::report(&old)).exists() && new.is_file());
    // The report belongs to a release that somebody deleted by hand.
    fs::remove_dir_all(store.root().join(store.release("1.1.0"))).unwrap();
    fs::create_dir_all(store.root().join("releases/none")).unwrap();
    let found = garbage::find(&store.storage, &keep, later).await.unwrap();
    assert_eq!(found.iter().filter(|file| file.why == Reason::Report).count(), 2, "{found:?}");
}

#[test]
fn a_run_says_what_its_stages_took_and_where_the_report_is() {
    let folder = workplace();
    let outcome: serde_json::Value = serde_json::from_str(&run(&mut command(folder.path(), "store")).0).unwrap();
    let stages = outcome["stages"].as_array().unwrap();
    let names: Vec<&str> = stages.iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(names, ["infer", "arrange", "assemble", "verify", "report", "publish"]);
    assert!(stages.iter().all(|stage| stage["seconds"].as_f64().unwrap() >= 0.0), "{outcome}");
    assert_eq!((&stages[0]["rows"], &stages[1]["rows"]), (&1000.into(), &1000.into()));
    assert!(Path::new(outcome["report"].as_str().unwrap()).is_file());
    // A run that finds nothing to do reports the page too.
    let again: serde_json::Value = serde_json::from_str(&run(&mut command(folder.path(), "store")).0).unwrap();
    assert_eq!((&again["report"], &again["stages"]), (&outcome["report"], &serde_json::json!([])));
    let args = ["run", "pipelines/demo.toml", "--input", "stars=stars.parquet", "--model", "tiny.safetensors"];
    let (_, words) = run(lamcat(folder.path()).args(args).args(["--store", "other"]));
    let line = words.lines().find(|line| line.starts_with("infer ") && line.contains("rows/s"));
    assert!(line.is_some_and(|line| line.contains(" 1000 rows")), "{words}");
    assert!(words.contains("report: ") && words.contains(".html"), "{words}");
}
