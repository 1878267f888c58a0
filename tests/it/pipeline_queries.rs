//! The queries that a pipeline may have: they treat each row of the cut input separately, and their columns are allowed
//! in a catalogue.

use std::fmt::Write;

use lamcat::pipeline::{Overrides, Pipeline};

use crate::pipeline_files::{GOOD, checked, folder};

/// The start of every query below.
const ROWS: &str = "WITH s AS (SELECT CAST(source_id AS BIGINT) AS source_id, ra, dec, teff, phot_g_mean_mag FROM stars), \
                    o AS (SELECT CAST(source_id AS BIGINT) AS id, teff AS other_teff FROM others) ";

fn pipeline(folder: &tempfile::TempDir) -> Pipeline {
    Pipeline::load(folder.path().join("labels.toml"), &Overrides::default()).unwrap()
}

/// A pipeline with two tables, of which `stars` is the cut input.
fn two_tables(more: &str) -> String {
    let cut = GOOD.replace("path = \"stars.parquet\"", "path = \"stars.parquet\"\ncut = true");
    format!("{cut}[inputs.others]\npath = \"stars.parquet\"\n{more}")
}

const OTHER_TEFF: &str = "[columns.other_teff]\nucd = \"phys.temperature.effective\"\ndescription = \"Temperature\"\n";

async fn error_of(toml: &str, sql: &str) -> String {
    let repository = env!("CARGO_MANIFEST_DIR");
    let folder = folder(toml, &sql.replace("/REPOSITORY", repository));
    let (_, plan) = checked(&pipeline(&folder)).await;
    let e = plan.map(|plan| plan.steps).expect_err(sql).to_string();
    e.replace(&folder.path().canonicalize().unwrap().display().to_string(), "FOLDER").replace(repository, "/REPOSITORY")
}

#[tokio::test]
async fn what_is_of_each_row_alone_is_accepted() {
    let queries = [
        "SELECT s.*, other_teff FROM s JOIN o ON s.source_id = o.id WHERE phot_g_mean_mag < 17",
        "SELECT s.*, other_teff FROM s LEFT JOIN o ON s.source_id = o.id",
        "SELECT s.*, other_teff FROM o RIGHT JOIN s ON s.source_id = o.id",
        "SELECT s.*, other_teff FROM s, o WHERE s.source_id = o.id",
        "SELECT s.*, teff AS other_teff FROM s WHERE source_id IN (SELECT id FROM o ORDER BY other_teff LIMIT 9)",
        "SELECT s.*, teff AS other_teff FROM s LEFT SEMI JOIN o ON s.source_id = o.id",
        "SELECT s.*, teff AS other_teff FROM s LEFT ANTI JOIN o ON s.source_id = o.id",
        "SELECT s.*, teff AS other_teff FROM o RIGHT SEMI JOIN s ON s.source_id = o.id",
        "SELECT s.*, teff AS other_teff FROM s WHERE NOT EXISTS (SELECT 1 FROM o WHERE o.id = s.source_id)",
        "SELECT s.*, (SELECT max(other_teff) FROM o) AS other_teff FROM s",
        "SELECT s.*, m AS other_teff FROM s LEFT JOIN (SELECT id, max(other_teff) AS m FROM o GROUP BY id) ON id = source_id",
        "SELECT s.*, m AS other_teff FROM s CROSS JOIN (SELECT avg(other_teff) OVER () AS m FROM o UNION SELECT 1 FROM o)",
        "SELECT s.*, unnest([teff, teff]) AS other_teff FROM s WHERE source_id IN (SELECT id FROM o)",
        "SELECT s.*, other_teff + value AS other_teff FROM s JOIN o ON source_id = id CROSS JOIN generate_series(1, 2)",
        "SELECT s.*, lam_infer(named_struct('teff', s.teff), 'logg') AS logg, other_teff FROM s JOIN o ON id = source_id",
    ];
    let mut text = String::new();
    for sql in queries {
        let folder = folder(&two_tables(OTHER_TEFF), &format!("{ROWS}{sql}"));
        let (_, plan) = checked(&pipeline(&folder)).await;
        let plan = plan.unwrap_or_else(|e| panic!("{sql}: {e}"));
        write!(text, "{sql}\n  {}\n", plan.steps.join("\n  ")).unwrap();
    }
    insta::assert_snapshot!("pipeline_steps", text);
}

#[tokio::test]
async fn what_is_of_several_rows_is_refused() {
    let queries = [
        "SELECT s.*, other_teff FROM s JOIN o ON source_id = id ORDER BY teff",
        "SELECT s.*, other_teff FROM s JOIN o ON source_id = id LIMIT 10",
        "SELECT source_id, ra, dec, max(other_teff) AS other_teff FROM s JOIN o ON source_id = id GROUP BY 1, 2, 3",
        "SELECT DISTINCT s.*, other_teff FROM s JOIN o ON source_id = id",
        "SELECT DISTINCT ON (source_id) s.*, other_teff FROM s JOIN o ON source_id = id",
        "SELECT s.*, other_teff, row_number() OVER () AS n FROM s JOIN o ON source_id = id",
        "SELECT s.*, other_teff FROM s JOIN o ON source_id = id QUALIFY row_number() OVER (PARTITION BY id) = 1",
        "SELECT * FROM s UNION ALL SELECT id, 0, 0, other_teff, 0 FROM o",
        "SELECT * FROM s UNION SELECT id, 0, 0, other_teff, 0 FROM o",
        "SELECT * FROM s INTERSECT SELECT id, 0, 0, other_teff, 0 FROM o",
        "SELECT s.*, other_teff FROM s FULL JOIN o ON source_id = id",
        "SELECT s.*, other_teff FROM o LEFT JOIN s ON source_id = id",
        "SELECT s.*, other_teff FROM s RIGHT JOIN o ON source_id = id",
        "SELECT id AS source_id, 0.0 AS ra, 0.0 AS dec FROM o LEFT ANTI JOIN s ON source_id = id",
        "SELECT id AS source_id, 0.0 AS ra, 0.0 AS dec FROM o WHERE id IN (SELECT source_id FROM s)",
        "SELECT s.*, other_teff FROM o, LATERAL (SELECT * FROM s WHERE source_id = id) AS s",
        "SELECT a.*, other_teff FROM s AS a JOIN s AS b ON a.source_id = b.source_id JOIN o ON id = a.source_id",
        "SELECT s.*, other_teff FROM s JOIN o ON id = source_id WHERE phot_g_mean_mag < (SELECT avg(phot_g_mean_mag) FROM s)",
        "SELECT * FROM s",
        "SELECT id AS source_id, 0.0 AS ra, 0.0 AS dec FROM o",
        "SELECT s.*, other_teff FROM s JOIN o ON id = source_id JOIN '/REPOSITORY/src/cli/demo_stars.parquet' AS x ON x.source_id = id",
        "SELECT s.*, other_teff FROM s JOIN o ON id = source_id WHERE 'a' IN (SELECT table_name FROM information_schema.tables)",
        "SELECT s.*, other_teff, random() AS r FROM s JOIN o ON id = source_id",
        "SELECT s.*, other_teff FROM s JOIN o ON id = source_id WHERE now() > TIMESTAMP '2026-01-01'",
        "SELECT s.*, other_teff FROM s JOIN o ON id = source_id WHERE id IN (SELECT id FROM o WHERE random() < 0.5)",
    ];
    let mut text = String::new();
    for sql in queries {
        let e = error_of(&two_tables(OTHER_TEFF), &format!("{ROWS}{sql}")).await;
        assert!(e.contains("hint: "), "{sql}: {e}");
        write!(text, "{sql}\n{e}\n\n").unwrap();
    }
    insta::assert_snapshot!("pipeline_query_errors", text);
}

#[tokio::test]
async fn columns_that_suit_no_catalogue_are_refused() {
    let labels = "SELECT CAST(source_id AS BIGINT) AS source_id, ra, dec";
    let one = |columns: &str| (GOOD.to_owned(), format!("{labels}, {columns} FROM stars"));
    let more = |toml: &str| (format!("{GOOD}{toml}"), format!("{labels}, teff, teff > 5000 AS hot FROM stars"));
    let hot = "[columns.hot]\nucd = \"meta.code\"\ndescription = \"Hot\"\n";
    let with_hot = |toml: &str| more(&format!("{hot}{toml}"));
    let cases = [
        (GOOD.to_owned(), "SELECT CAST(source_id AS DECIMAL(38, 0)) AS source_id, ra, dec FROM stars".to_owned()),
        (GOOD.to_owned(), "SELECT CAST(source_id AS BIGINT) AS source_id, ra FROM stars".to_owned()),
        (
            GOOD.to_owned(),
            "SELECT CAST(source_id AS BIGINT) AS source_id, ra, CAST(dec AS REAL) AS dec FROM stars".to_owned(),
        ),
        one("teff + 1"),
        one("teff AS \"Teff\""),
        one("teff AS \"Npix\""),
        one("teff AS _healpix_29"),
        one("bp_coefficients[1:3] AS first"),
        one("arrow_cast(bp_coefficients, 'FixedSizeList(55, Int32)') AS c"),
        one("named_struct('a', 1) AS s"),
        one("NULL AS nothing"),
        one("CAST(source_id AS DECIMAL(38, 0)) AS decimal"),
        one("arrow_cast(1, 'UInt64') AS u"),
        one("arrow_cast('a', 'Utf8View') AS v"),
        one("DATE '2026-01-01' AS d"),
        more(""),
        with_hot("[columns.cold]\nucd = \"meta.code\"\ndescription = \"Cold\"\n"),
        with_hot("[columns.tefff]\ndescription = \"Cold\"\n"),
        with_hot("[cuts]\nbasic = \"teff\"\n"),
        with_hot("[cuts]\nbasic = \"tef > 3\"\n"),
        with_hot("[cuts]\nbasic = \"teff > \"\n"),
        with_hot("[cuts]\nbasic = \"teff > 3; DROP TABLE stars\"\n"),
        with_hot("[cuts]\nbasic = \"max(teff) > 3\"\n"),
        with_hot("[cuts]\nbasic = \"random() > 0.5\"\n"),
        with_hot("[gates]\nmax_null_fraction = { tef = 0.1 }\n"),
        with_hot("[gates]\nmax_shift = { hot = 0.1 }\n"),
        with_hot("[gates]\nmax_flag_fraction = 0.1\n"),
        with_hot("[tiling]\nindex = [\"ra\"]\n"),
        with_hot("[tiling]\nindex = [\"designation\"]\n"),
        (GOOD.to_owned(), "CREATE VIEW v AS SELECT * FROM stars; SELECT * FROM v".to_owned()),
        (GOOD.to_owned(), "DELETE FROM stars".to_owned()),
        (GOOD.to_owned(), "-- nothing".to_owned()),
        (GOOD.to_owned(), "SELEC 1".to_owned()),
        one("lam_infer(named_struct('teff', teff), 'log') AS logg"),
    ];
    let mut text = String::new();
    for (toml, sql) in cases {
        let e = error_of(&toml, &sql).await;
        write!(text, "{}{}\n{e}\n\n", &toml[GOOD.len()..].replace(hot, ""), sql.replace(labels, "…")).unwrap();
    }
    insta::assert_snapshot!("pipeline_column_errors", text);
}
