//! SQL sees what a file contains: values, types and NULLs of every format.

use std::{fs, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch},
    datatypes::{DataType, Float64Type, Int64Type},
};

use crate::{
    archive::query,
    program::{lamcat, run},
    small_files::{SHORT, folder, message, parquet, texts, vo_rows, votable},
};

#[tokio::test]
async fn a_column_does_not_depend_on_the_names_of_others() {
    for key in ["source_id", "id"] {
        let text = format!(
            "{key},spt,flag,x,big,day\n1,F,true,NaN,18446744073709551615,2016-01-01\n2,T,False,null,2,2016-01-02\n3,F,TRUE,NULL,3,\n"
        );
        let folder = folder(&[("t.csv", &text)]);
        let rows = query(&format!("SELECT * FROM '{}/t.csv'", folder.path().display())).await.unwrap();
        let types: Vec<DataType> = rows.schema().fields().iter().map(|f| f.data_type().clone()).collect();
        let floats =
            [DataType::Int64, DataType::Utf8, DataType::Boolean, DataType::Float64, DataType::UInt64, DataType::Date32];
        assert_eq!(types, floats, "{key}");
        assert_eq!(rows["x"].null_count(), 3, "{key}");
        assert_eq!(texts(folder.path(), "t.csv", "spt").await, ["F", "F", "T"], "{key}");
    }
}

#[tokio::test]
async fn comments_stand_anywhere_and_marks_and_line_ends_do_not_matter() {
    let ecsv = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64}\n# - {name: b, datatype: string}\na b\n1 x\n# say \"no\n2 y\n";
    let files = [
        ("c.ecsv", ecsv.to_owned()),
        ("remark.csv", "# Gaia DR3, by A. Nobody\na,b\n1,x\n# not, a row\n2,y\n".to_owned()),
        ("bom.csv", "\u{feff}a,b\r\n1,x\r\n2,y\r\n".to_owned()),
        ("mac.csv", "a,b\r1,x\r2,y\r".to_owned()),
        ("semicolons.csv", "a;b\n1;x\n2;y\n".to_owned()),
        ("tabs.tsv", "a\tb\n1\tx\n2\ty\n".to_owned()),
    ];
    let folder = folder(&files.each_ref().map(|(name, text)| (*name, text.as_str())));
    for (name, _) in &files {
        assert_eq!(texts(folder.path(), name, "a").await, ["1", "2"], "{name}");
        assert_eq!(texts(folder.path(), name, "b").await, ["x", "y"], "{name}");
    }
}

#[tokio::test]
async fn nulls_of_a_votable_are_of_the_columns_type() {
    let fields = "<FIELD name='f' datatype='float'><VALUES null='-999.9'/></FIELD>\
        <FIELD name='s' datatype='char' arraysize='*'><VALUES null='1'/></FIELD>\
        <FIELD name='h' datatype='short'><VALUES null='-1'/></FIELD><FIELD name='b' datatype='bit' arraysize='3'/>\
        <FIELD name='c' datatype='floatComplex'/>";
    let rows = [
        "<TD>-999.9</TD><TD>NGC 1  b</TD><TD>0x10</TD><TD>101</TD><TD>1 2</TD>",
        "<TD>1.5</TD><TD>1</TD><TD>-1</TD><TD>0 1 1</TD><TD>1 2</TD>",
    ];
    let folder = folder(&[("null.vot", &votable(&vo_rows("t", fields, &rows)))]);
    let column = |name: &'static str| texts(folder.path(), "null.vot", name);
    assert_eq!(column("f").await, ["", "1.5"]);
    assert_eq!(column("s").await, ["", "NGC 1  b"]);
    assert_eq!(column("h").await, ["", "16"]);
    assert_eq!(column("b[1]").await, ["false", "true"]);
    let (table, remarks) =
        run(lamcat(folder.path()).args(["sql", "--format", "csv", "-c", "SELECT f, s FROM 'null.vot'"]));
    assert!(table.starts_with("f,s\n") && remarks.contains("column c is left out"), "{remarks}");
}

#[tokio::test]
async fn a_declared_encoding_and_what_a_service_says_are_heeded() {
    let folder = tempfile::tempdir().unwrap();
    let field = "<FIELD name='s' datatype='char' arraysize='*'/>";
    let text = votable(&vo_rows("t", field, &["<TD>Müller</TD>"])).replace("'1.0'", "'1.0' encoding='ISO-8859-1'");
    fs::write(folder.path().join("l.vot"), text.chars().map(|c| c as u8).collect::<Vec<_>>()).unwrap();
    assert_eq!(texts(folder.path(), "l.vot", "s").await, ["Müller"]);
    let rows = vo_rows("t", SHORT, &["<TD>1</TD>"]);
    let cut =
        votable(&format!("<INFO name='QUERY_STATUS' value='OK'/>{rows}<INFO name='QUERY_STATUS' value='OVERFLOW'/>"));
    fs::write(folder.path().join("cut.vot"), cut).unwrap();
    let (_, said) = run(lamcat(folder.path()).args(["sql", "-c", "SELECT * FROM 'cut.vot'"]));
    assert!(said.contains("cut.vot: the service cut its answer short (OVERFLOW)"), "{said}");
    let error = votable("<INFO name='QUERY_STATUS' value='ERROR'>Cannot parse query: no column foo</INFO>");
    fs::write(folder.path().join("error.vot"), error).unwrap();
    let e = message(folder.path(), "error.vot").await;
    assert!(e.contains("a service's error") && e.contains("Cannot parse query: no column foo"), "{e}");
}

#[tokio::test]
async fn nan_is_found_by_filters_whatever_the_statistics_say() {
    let folder = tempfile::tempdir().unwrap();
    let nan = [f64::NAN, -f64::NAN];
    for (i, values) in
        [vec![5.0, nan[0]], vec![4000.0, 6000.0, nan[0]], vec![-1.0, nan[1], 2.0]].into_iter().enumerate()
    {
        let singles: ArrayRef = Arc::new(values.iter().map(|v| Some(*v as f32)).collect::<Float32Array>());
        let doubles: ArrayRef = Arc::new(Float64Array::from(values));
        parquet(
            &folder.path().join(format!("{i}.parquet")),
            &RecordBatch::try_from_iter([("x", doubles), ("y", singles)]).unwrap(),
        );
    }
    let from = format!("'{}/*.parquet'", folder.path().display());
    for column in ["x", "y"] {
        for condition in [
            "= 5",
            "<> 5",
            "> 7000",
            ">= 6000",
            "< 0",
            "<= -2",
            "BETWEEN 5 AND 7000",
            "IN (5, 6)",
            "NOT BETWEEN 0 AND 1",
            "IS NULL",
        ] {
            let rows = |of: String| async move { query(&of).await.unwrap()["n"].as_primitive::<Int64Type>().value(0) };
            let pruned = rows(format!("SELECT count(*) AS n FROM {from} WHERE {column} {condition}")).await;
            let whole =
                rows(format!("SELECT count(*) AS n FROM (SELECT {column} + 0 AS v FROM {from}) WHERE v {condition}"))
                    .await;
            assert_eq!(pruned, whole, "{column} {condition}");
        }
        let five = query(&format!("SELECT {column} AS v FROM {from} WHERE {column} = 5")).await.unwrap();
        assert_eq!((five.num_rows(), five["v"].len()), (1, 1));
        let first =
            query(&format!("SELECT isnan({column}) AS n FROM {from} ORDER BY {column} DESC LIMIT 1")).await.unwrap();
        assert!(first["n"].as_boolean().value(0), "{column}");
        let most = query(&format!("SELECT max({column}) = max({column} + 0) AS same FROM {from}")).await.unwrap();
        assert!(most["same"].as_boolean().value(0), "{column}");
    }
}

#[tokio::test]
async fn types_that_differ_between_files_are_widened_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, column: ArrayRef| {
        parquet(&folder.path().join(name), &RecordBatch::try_from_iter([("v", column)]).unwrap());
    };
    write("i1.parquet", Arc::new(Int32Array::from(vec![1])));
    write("i2.parquet", Arc::new(Int64Array::from(vec![1 << 40])));
    write("f1.parquet", Arc::new(Float32Array::from(vec![0.5])));
    write("f2.parquet", Arc::new(Float64Array::from(vec![0.1])));
    for (glob, expected) in [("i*.parquet", DataType::Int64), ("f*.parquet", DataType::Float64)] {
        let rows = query(&format!("SELECT * FROM '{}/{glob}'", folder.path().display())).await.unwrap();
        assert_eq!((rows["v"].data_type(), rows.num_rows()), (&expected, 2));
    }
    let e = message(folder.path(), "[if]2.parquet").await;
    assert!(
        e.contains("v is Float64 in the first and Int64 in the second")
            && e.contains("f2.parquet")
            && e.contains("i2.parquet"),
        "{e}"
    );
    fs::write(folder.path().join("e1.csv"), "id,v\n1,\n").unwrap();
    fs::write(folder.path().join("e2.csv"), "id,v\n2,2.5\n").unwrap();
    let rows = query(&format!("SELECT v FROM '{}/e*.csv' ORDER BY v", folder.path().display())).await.unwrap();
    assert!((rows["v"].as_primitive::<Float64Type>().value(0) - 2.5).abs() < f64::EPSILON);
}

#[tokio::test]
async fn identifiers_that_are_not_integers_are_not_compared_with_integers() {
    let files = [
        ("float.csv", "source_id,ra,dec\n5.853498713190525697e18,1,2\n"),
        ("text.csv", "source_id,x\nGaia DR3 5853498713190525696,1\n"),
        ("int.csv", "source_id,y\n5853498713190525696,1\n"),
    ];
    let folder = folder(&files);
    let (_, said) = run(lamcat(folder.path()).args(["sql", "-c", "SELECT * FROM 'float.csv'"]));
    assert!(said.contains("source_id is a float") && said.contains("the last ones are lost"), "{said}");
    let at = folder.path().display();
    for (other, what) in [("float", "a float"), ("text", "text")] {
        for condition in ["USING (source_id)", "AS b ON b.source_id = a.source_id"] {
            let b = if condition.starts_with("USING") { "JOIN" } else { "LEFT JOIN" };
            let e = query(&format!("SELECT a.y FROM '{at}/int.csv' AS a {b} '{at}/{other}.csv' {condition}"))
                .await
                .unwrap_err();
            assert!(e.contains(&format!("an identifier is compared with {what}")) && e.contains("hint"), "{e}");
        }
    }
    let e = query(&format!("SELECT * FROM '{at}/int.csv' WHERE source_id = 'Gaia DR3 5853498713190525696'"))
        .await
        .unwrap_err();
    assert!(e.contains("compared with text"), "{e}");
    for condition in ["source_id = '5853498713190525696'", "source_id > 5e3", "source_id = 5853498713190525696"] {
        assert_eq!(
            query(&format!("SELECT * FROM '{at}/int.csv' WHERE {condition}")).await.unwrap().num_rows(),
            1,
            "{condition}"
        );
    }
    fs::write(folder.path().join("q.sql"), "SELECT source_id, ra, dec FROM stars").unwrap();
    let pipeline = "name = \"p\"\nversion = \"1.0.0\"\ntitle = \"t\"\ndescription = \"d\"\ncreator = \"c\"\nlicense = \"CC0-1.0\"\n\
                    sql = \"q.sql\"\n[inputs.stars]\npath = \"float.csv\"\n[output]\nstore = \"out\"\n";
    fs::write(folder.path().join("p.toml"), format!("\u{feff}{pipeline}")).unwrap();
    let output = lamcat(folder.path()).args(["pipeline", "check", "p.toml"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("a CAST does not bring them back"), "{said}");
}

#[tokio::test]
async fn spectra_on_another_basis_are_refused() {
    let list = |n: usize| format!("\"[{}]\"", vec!["1.5"; n].join(","));
    let row = |bp: usize, basis: u32| {
        format!("source_id,bp_basis_function_id,bp_coefficients,rp_coefficients\n1,{basis},{},{}\n", list(bp), list(55))
    };
    let alone = format!("bp_coefficients,rp_coefficients\n{},{}\n", list(51), list(55));
    let rows = [("dr3.csv", row(55, 56)), ("dr4.csv", row(51, 156)), ("other.csv", row(55, 57)), ("alone.csv", alone)];
    let folder = folder(&rows.each_ref().map(|(name, text)| (*name, text.as_str())));
    let calls = [
        "xp(bp_coefficients, rp_coefficients, 15.0)",
        "xp_calibrate(bp_coefficients, rp_coefficients)",
        "xp_synth_mag(bp_coefficients, rp_coefficients, 'G')",
        "xp_convert(bp_coefficients, 'bp', [1.0])",
        "lam_infer(xp(bp_coefficients, rp_coefficients, 15.0), 'teff')",
    ];
    for call in calls {
        let select = |file: &str| format!("SELECT {call} AS v FROM '{}/{file}.csv'", folder.path().display());
        query(&select("dr3")).await.unwrap_or_else(|e| panic!("{call}: {e}"));
        let e = query(&select("other")).await.unwrap_err();
        assert!(e.contains("on the basis 57, not on 56") && e.contains("Gaia DR3"), "{call}: {e}");
        let e = query(&select("dr4")).await.unwrap_err();
        assert!(e.contains("Gaia DR3"), "{call}: {e}");
        // Without the column that names the basis, the number of coefficients identifies it.
        let e = query(&select("alone")).await.unwrap_err();
        assert!(e.contains("51 coefficients, as spectra of Gaia DR4"), "{call}: {e}");
    }
}

#[tokio::test]
async fn the_basis_is_looked_at_wherever_a_query_has_it() {
    let list = format!("\"[{}]\"", vec!["1.5"; 55].join(","));
    let coefficients = format!("source_id,bp_coefficients,rp_coefficients\n1,{list},{list}\n2,{list},{list}\n");
    let whole = format!(
        "source_id,bp_basis_function_id,bp_coefficients,rp_coefficients\n1,56,{list},{list}\n2,156,{list},{list}\n"
    );
    let ids = "source_id,bp_basis_function_id\n1,56\n2,156\n";
    let folder = folder(&[("c.csv", &coefficients), ("i.csv", ids), ("whole.csv", &whole)]);
    let at = |name: &str| format!("'{}/{name}.csv'", folder.path().display());
    let (c, i, whole) = (at("c"), at("i"), at("whole"));
    let call = "xp_synth_mag(bp_coefficients, rp_coefficients, 'G')";
    for (bad, good) in [
        // The column is in another table.
        (format!("SELECT {call} FROM {c} JOIN {i} USING (source_id)"), "WHERE bp_basis_function_id = 56"),
        (format!("SELECT {call} FROM {c} AS c JOIN {i} AS i ON c.source_id = i.source_id"), "AND i.source_id = 1"),
        // The spectrum is used within an expression, and within the context of a function of the model.
        (
            format!("SELECT xp(array_slice(bp_coefficients, 1, 55), rp_coefficients, 15.0) FROM {whole}"),
            "WHERE source_id = 1",
        ),
        (
            format!("SELECT lam_infer(array_concat(bp_coefficients, rp_coefficients), 'teff') FROM {whole}"),
            "WHERE bp_basis_function_id = 56",
        ),
        // A subquery leaves out the column, or renames it.
        (
            format!(
                "SELECT xp_calibrate(b, r) FROM (SELECT source_id, bp_coefficients AS b, rp_coefficients AS r FROM {whole})"
            ),
            "WHERE source_id = 1",
        ),
        (
            format!("WITH t AS (SELECT bp_coefficients, rp_coefficients, source_id FROM {whole}) SELECT {call} FROM t"),
            "WHERE source_id = 1",
        ),
    ] {
        let e = query(&bad).await.map(|rows| rows.num_rows()).unwrap_err();
        assert!(e.contains("on the basis 156, not on 56") && e.contains("Gaia DR3"), "{bad}: {e}");
        let rows = query(&format!("{bad} {good}")).await.unwrap_or_else(|e| panic!("{bad} {good}: {e}"));
        assert_eq!(rows.num_rows(), 1, "{bad} {good}");
    }
    // Nothing names the basis, but 51 coefficients of BP and 55 of RP are a DR4 spectrum.
    for context in ["array_repeat(1.5, 106)", "named_struct('xp', array_repeat(1.5, 106))", "array_repeat(1.5, 51)"] {
        for function in ["lam_infer(X, 'teff')", "lam_flags(X)", "lam_inpaint(X)", "lam_ood_score(X)", "lam_embed(X)"] {
            let e = query(&format!("SELECT {}", function.replace('X', context))).await.map(|rows| rows.num_rows());
            let e = e.expect_err(function);
            assert!(e.contains("the basis gaia-dr4-xp") && e.contains("gaia-dr3-xp"), "{function} {context}: {e}");
        }
    }
}
