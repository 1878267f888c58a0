//! Models with other vocabularies than the published one: spectra on another basis, and the user's own tokens.

use std::{path::Path, process::Command};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Int32Type};
use lamcat::{
    model::{Architecture, Model, init},
    schema::{Basis, Vocabulary},
    session::{Session, SessionOptions},
    survey,
};

use crate::program::{fail, lamcat, run};

/// The basis of spectra in Gaia DR4: 51 coefficients of BP and 55 of RP.
fn dr4() -> Basis {
    survey::basis("gaia-dr4-xp").unwrap()
}

fn model(basis: Basis) -> Model {
    let vocabulary = Vocabulary::leung_bovy_2023().on(basis).unwrap();
    init::random("other", Architecture::tiny(), vocabulary, 1).unwrap()
}

async fn batch(session: &Session, sql: &str) -> RecordBatch {
    session.sql(sql).await.unwrap().collect().await.unwrap()[0].clone()
}

async fn error(session: &Session, sql: &str) -> String {
    match session.sql(sql).await {
        Ok(frame) => frame.collect().await.unwrap_err().to_string(),
        Err(e) => e.to_string(),
    }
}

#[tokio::test]
async fn a_model_reads_spectra_on_its_own_basis_and_refuses_others_by_name() {
    for (basis, other) in [(dr4(), 110), (Basis::unsaid(), 106)] {
        let (own, name) = (basis.length(), basis.name.clone());
        let session = Session::new(&SessionOptions::default()).unwrap();
        session.engine().set_default_model(model(basis));
        let lists = |length: usize| {
            [
                format!("array_repeat(0.01, {length})"),
                format!("arrow_cast(array_repeat(0.01, {length}), 'FixedSizeList({length}, Float32)')"),
                format!("named_struct('xp', array_repeat(0.01, {length}), 'logg', 4.5)"),
            ]
        };
        for list in lists(own) {
            let sql =
                format!("SELECT lam_infer({list}, 'teff') AS t, lam_flags({list}) AS f, lam_spectrum({list}) AS s");
            let rows = batch(&session, &sql).await;
            assert!(rows["t"].is_valid(0), "{list}");
            assert_eq!(rows["s"].as_fixed_size_list().value_length() as usize, own);
        }
        for list in lists(other) {
            let e = error(&session, &format!("SELECT lam_infer({list}, 'teff')")).await;
            assert!(e.contains("gaia-dr3-xp") && e.contains("gaia-dr4-xp"), "{list}: {e}");
            assert!(e.contains(&format!("reads spectra on {name}")), "{list}: {e}");
        }
    }
}

#[tokio::test]
async fn the_flags_say_which_block_is_missing_on_every_basis() {
    let session = Session::new(&SessionOptions::default()).unwrap();
    session.engine().set_default_model(model(dr4()));
    let nulls = |n: usize| format!("array_repeat(CAST(NULL AS FLOAT), {n})");
    let values = |n: usize| format!("array_repeat(CAST(0.01 AS FLOAT), {n})");
    for (bp, rp, flag, other) in [(nulls(51), values(55), 2, 4), (values(51), nulls(55), 4, 2)] {
        let rows = batch(&session, &format!("SELECT lam_flags(array_concat({bp}, {rp})) AS f")).await;
        let flags = rows["f"].as_primitive::<Int32Type>().value(0);
        assert_eq!((flags & flag, flags & other), (flag, 0), "{flags}");
    }
}

#[test]
fn a_model_file_keeps_its_basis_and_older_files_are_for_gaia_dr3() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dr4.safetensors");
    let model = model(dr4());
    model.save(&path).unwrap();
    let again = Model::open(&path).unwrap();
    assert_eq!((again.vocabulary(), again.hash()), (model.vocabulary(), model.hash()));
    assert_eq!(again.vocabulary().len(), 114);

    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model/default/model.safetensors");
    let bytes = std::fs::read(&embedded).unwrap();
    let text = String::from_utf8_lossy(&bytes[..4096]).into_owned();
    assert!(text.contains("format") && !text.contains("basis"), "the file was written before files had a basis");
    let old = Model::open(&embedded).unwrap();
    assert_eq!(old.vocabulary().basis().name, "gaia-dr3-xp");
    let rewritten = Model::from_bytes(&old.to_bytes().unwrap()).unwrap();
    assert_eq!((rewritten.hash(), rewritten.vocabulary()), (old.hash(), old.vocabulary()));
}

/// Stars whose age is a function of teff, and whose mass the archive describes.
const STARS: &str = "SELECT 5000 + 800 * t AS teff, 6 - 4 * t AS age, 0.2 AS age_error, 1 + 0.5 * t AS mass, m AS w1_w2 \
    FROM (SELECT value, sin(value * 12.9898) AS t, sin(value * 37.719) AS m FROM generate_series(1, 400))";

fn train(folder: &Path, more: &[&str]) -> Command {
    let mut command = lamcat(folder);
    command.args(["train", "-c", STARS, "--dir", "ages", "-q", "--size", "tiny", "--context", "8", "--width", "8"]);
    command.args(["--encoder-heads", "2", "--decoder-heads", "4", "--encoder-dense", "16", "--decoder-dense", "16"]);
    command.args(["--batch", "48", "--requests", "4", "--epochs", "120", "--lr", "3e-3", "--dropout", "0"]);
    command.args(["--blank", "share", "--hide-asked"]).args(more);
    command
}

#[tokio::test]
async fn a_query_with_further_columns_makes_a_model_that_answers_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let own = ["--token", "age:Gyr:time.age", "--token", "mass:solMass:phys.mass", "--token", "w1_w2::phot.color"];
    run(&mut train(folder, &own));

    let session = Session::new(&SessionOptions::default()).unwrap();
    session.engine().set_default_model(Model::open(folder.join("ages/model.safetensors")).unwrap());
    let sql = "SELECT lam_infer(named_struct('teff', teff), 'age') AS age, lam_error(named_struct('teff', teff), 'age') AS e \
               FROM (VALUES (4400.0), (5000.0), (5600.0)) AS t(teff)";
    let rows = batch(&session, sql).await;
    let ages: Vec<f32> = rows["age"].as_primitive::<Float32Type>().values().to_vec();
    for (age, expected) in ages.iter().zip([9.0, 6.0, 3.0]) {
        assert!((age - expected).abs() < 0.5, "{ages:?}: the ages of these stars are 9, 6 and 3 Gyr");
    }
    let field = rows.schema_ref().field_with_name("age").unwrap().clone();
    let said = ["unit", "ucd"].map(|key| field.metadata()[key].as_str());
    assert_eq!(said, ["Gyr", "time.age"]);
    let field = rows.schema_ref().field_with_name("e").unwrap().clone();
    let said = ["unit", "ucd"].map(|key| field.metadata()[key].as_str());
    assert_eq!(said, ["Gyr", "stat.error;time.age"]);
    let e = error(&session, "SELECT lam_infer(named_struct('teff', 5000), 'agee')").await;
    assert!(e.contains("did you mean 'age'?") && e.contains("age, mass, w1_w2"), "{e}");
}

#[test]
fn a_model_is_trained_on_the_basis_of_its_spectra() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let stars = "SELECT array_concat(array_repeat(0.01 * t, 51), array_repeat(0.02 * m, 55)) AS xp, 5000 + 800 * t AS teff \
        FROM (SELECT sin(value * 12.9898) AS t, sin(value * 37.719) AS m FROM generate_series(1, 100))";
    let train = |more: &[&str]| {
        let mut command = lamcat(folder);
        command.args(["train", "-c", stars, "--dir", "dr4", "-q", "--size", "tiny", "--batch", "48", "--steps", "2"]);
        command.args(more);
        command
    };
    let e = fail(&mut train(&[]));
    assert!(e.contains("the xp list is on the basis gaia-dr4-xp") && e.contains("on gaia-dr3-xp"), "{e}");
    run(&mut train(&["--basis", "gaia-dr4-xp"]));
    let model = Model::open(folder.join("dr4/model.safetensors")).unwrap();
    assert_eq!(model.vocabulary().basis(), &dr4());
    assert_eq!((model.vocabulary().coefficient_count(), model.vocabulary().len()), (106, 107));
}

#[test]
fn columns_that_are_no_tokens_are_refused_unless_they_are_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let e = fail(&mut train(folder.path(), &["--token", "age", "--token", "mass"]));
    assert!(e.contains("unknown token 'w1_w2'") && e.contains("--token w1_w2"), "{e}");
    let e = fail(&mut train(folder.path(), &["--token", "teff"]));
    assert!(e.contains("'teff' cannot be a token of your own"), "{e}");
    let output = train(folder.path(), &["--basis", "gaia-dr5-xp"]).output().unwrap();
    let e = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(e.contains("there is no basis 'gaia-dr5-xp'") && e.contains("gaia-dr3-xp, gaia-dr4-xp"), "{e}");
    assert!(!folder.path().join("ages").exists());
}
