//! `lamcat plot`: plots of rows, and the messages when there is nothing to plot.

use std::fs;

use crate::program::{fail, lamcat, run};

const SPECTRA: &str = "CREATE VIEW spectra AS SELECT value AS star, 4000 + 500 * value AS teff, [400.0, 500.0, 600.0] AS \
                       nm, [1.0 + value, 2.0, NULL] AS flux, [0.1, 0.2, 0.3] AS flux_error FROM generate_series(1, 3)";

fn count(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

#[test]
fn lists_are_drawn_element_by_element_with_their_errors() {
    let folder = tempfile::tempdir().unwrap();
    let draw = |args: &[&str]| {
        let query = "SELECT nm, flux, flux_error, teff FROM spectra";
        let command = ["plot", "-q", "-c", SPECTRA, "-c", query, "--group", "teff"];
        run(lamcat(folder.path()).args(command).args(args)).0
    };
    let svg = draw(&[]);
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
    for name in ["4500", "5000", "5500"] {
        assert!(svg.contains(&format!("\n{name}\n")), "{svg}");
    }
    assert_eq!(count(&svg, "<polygon"), 3);
    assert_eq!(count(&draw(&["--kind", "points"]), "<circle"), 6 + 3);
}

// A line goes through the rows in the order of the query.
#[test]
fn rows_with_lists_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let query = "SELECT [value + 0.5, value] AS x, [1.0, 2.0] AS y FROM generate_series(1, 20000) ORDER BY value DESC";
    let svg = run(lamcat(folder.path()).args(["plot", "-q", "--threads", "4", "--kind", "line", "-c", query])).0;
    let longest = svg.split("points=\"").skip(1).filter_map(|p| p.split('"').next()).max_by_key(|p| p.len()).unwrap();
    let x: Vec<f64> = longest.split_whitespace().map(|p| p.split(',').next().unwrap().parse().unwrap()).collect();
    assert!(x.len() > 10_000 && x.is_sorted_by(|a, b| a >= b), "{:?}", &x[..10]);
}

#[test]
fn a_file_may_say_what_its_picture_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "{SPECTRA};\nSELECT 'a table that no picture needs' AS note;\n-- plot: title='Three stars' group=star\n\
         -- Of which little is known.\nSELECT nm, flux, star FROM spectra;\n"
    );
    fs::write(folder.path().join("three.sql"), text).unwrap();
    run(lamcat(folder.path()).args(["plot", "-f", "three.sql", "-o", "three.svg"]));
    let svg = fs::read_to_string(folder.path().join("three.svg")).unwrap();
    assert!(svg.contains("Three stars") && !svg.contains("<polygon"), "{svg}");
    let typed = ["plot", "-f", "three.sql", "--title", "My stars"];
    assert!(run(lamcat(folder.path()).args(typed)).0.contains("My stars"));

    let two = ["plot", "-f", "three.sql", "-c", "SELECT 1 AS a, 2 AS b", "-o"];
    run(lamcat(folder.path()).args(two).arg("two.html"));
    let html = fs::read_to_string(folder.path().join("two.html")).unwrap();
    assert_eq!((count(&html, "<svg"), count(&html, "<p>Of which little is known.</p>")), (2, 1));
    let e = fail(lamcat(folder.path()).args(two).arg("two.svg"));
    assert!(e.contains("2 pictures are no single image") && e.contains("-o FILE.html"), "{e}");
}

#[test]
fn a_histogram_and_a_heat_map_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let draw = |args: &[&str]| run(lamcat(folder.path()).args(["plot", "-q"]).args(args)).0;
    let empty = count(&draw(&["-c", "SELECT 1 AS a, 2 AS b"]), "<rect");
    let histogram = draw(&["-c", "SELECT value AS v FROM generate_series(1, 100)"]);
    assert_eq!(count(&histogram, "<rect"), empty + 5);
    let cells = "SELECT value % 4 AS x, value / 4 AS y, value AS z FROM generate_series(0, 15)";
    let map = draw(&["-c", cells, "--kind", "heatmap", "--color", "z"]);
    assert!(count(&map, "<rect") >= empty + 16 && map.contains("\nz\n"), "{map}");
}

#[test]
fn errors_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let plot = |args: &[&str]| fail(lamcat(folder.path()).arg("plot").args(args));
    let errors = [
        plot(&["-c", "SELECT 1 AS teff, 2 AS logg", "--x", "tef"]),
        plot(&["-c", "SELECT 'a' AS name"]),
        plot(&["-c", "SELECT 1 AS a, 2 AS b WHERE false"]),
        plot(&["-c", "SELECT 1 AS a, CAST(NULL AS DOUBLE) AS b"]),
        plot(&["-c", "SELECT 1 AS a, 2 AS b, 3 AS c", "--kind", "heatmap"]),
        plot(&["-c", "SELECT 1 AS a, 2 AS b", "-o", "picture.png"]),
        plot(&["-c", "CREATE VIEW v AS SELECT 1 AS a"]),
        plot(&["-c", "-- plot: kind=pie\nSELECT 1 AS a"]),
    ];
    insta::assert_snapshot!("errors", errors.join("\n"));
}

#[test]
fn help_teaches() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("help", run(lamcat(folder.path()).args(["plot", "--help"])).0);
}
