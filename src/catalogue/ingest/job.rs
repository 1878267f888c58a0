//! The work list: each input file with its output and its partner in the join.

use std::{collections::HashMap, sync::Arc};

use lamcat_core::error::{Error, ErrorKind, Result, without_secrets};
use lamcat_formats::OnError;
use lamcat_sql::session::{FoundFile, Location, Place, Session, table_ending};

use super::checksums::Checksums;

/// How files are converted; the options are the same for all files.
#[derive(Debug, Clone, Default)]
pub struct IngestOptions {
    /// Columns to keep, in order; all if empty.
    pub columns: Vec<String>,
    /// SQL condition that rows must satisfy.
    pub condition: Option<String>,
    /// Folder, glob or file whose columns are joined by `source_id`.
    pub join: Option<String>,
    /// Columns to take from the joined file.
    pub join_columns: Vec<String>,
    /// Keep numbered columns instead of folding each series into a list.
    pub no_fold: bool,
    /// Replace existing outputs.
    pub overwrite: bool,
    /// Do not verify MD5 sums.
    pub no_verify: bool,
    /// What happens to malformed values; the session reads files accordingly.
    pub on_error: OnError,
    /// Level of zstd, 1 to 22.
    pub compression_level: i32,
}

/// One input file and its conversion.
#[derive(Debug, Clone)]
pub struct FileJob {
    /// The file.
    pub input: FoundFile,
    /// Its partner in the join.
    pub partner: Option<FoundFile>,
    /// Its MD5 sum, if the archive lists one.
    pub md5: Option<String>,
    /// Where the Parquet file goes.
    pub output: Place,
    /// The same path as the user would write it.
    pub output_name: String,
}

/// Lists the files that `inputs` refer to, with their outputs in or at `output`.
///
/// # Errors
/// If nothing is found, two files would have the same output, or a file has no partner in the join.
pub async fn work_list(
    session: &Session,
    inputs: &[String],
    output: &str,
    options: &IngestOptions,
) -> Result<Vec<FileJob>> {
    let mut found = Vec::new();
    for input in inputs {
        let tables = session.files(input).await.map_err(|e| io("cannot list the input", input, &e))?;
        if tables.is_empty() {
            return Err(Error::new(ErrorKind::Input, format!("no table is found at '{input}'")).hint(
                "name a file, folder, glob or URL of tables, as .csv, .ecsv, .csv.gz, .fits, .vot, .parquet, or an archive of them",
            ));
        }
        found.extend(tables);
    }
    let partners = partners(session, options).await?;
    // The query part of a URL does not belong to the file's name.
    let single = found.len() == 1 && Location::from(output).to_string().to_lowercase().ends_with(".parquet");
    let mut sums: HashMap<String, Checksums> = HashMap::new();
    let mut jobs: Vec<FileJob> = Vec::new();
    for input in found.iter().cloned() {
        let output_name = if single { output.to_owned() } else { output_below(output, &input.relative) };
        let shown = without_secrets(&output_name);
        let place = session.place(&output_name).map_err(|e| io("cannot open the output", &output_name, &e))?;
        if let Some(other) = jobs.iter().find(|j| j.output.path == place.path) {
            let message = format!("two inputs would become {shown}: {} and {}", other.input.shown, input.shown);
            return Err(Error::new(ErrorKind::Config, message).hint("ingest them to folders of their own"));
        }
        // An input that is also an output would be lost.
        let read = found.iter().chain(partners.iter().flatten());
        if read.into_iter().any(|f| f.object.location == place.path && Arc::ptr_eq(&f.store, &place.store)) {
            return Err(Error::new(ErrorKind::Config, format!("{shown} is an input too")));
        }
        if input.object.size == 0 {
            let error = Error::new(ErrorKind::Input, "the file is empty").at("file", &input.shown);
            return Err(error.hint("it was not fetched whole: fetch it again"));
        }
        let folder = input.url.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
        if !sums.contains_key(&folder) {
            sums.insert(folder.clone(), Checksums::beside(&input).await?);
        }
        let md5 = sums.get(&folder).and_then(|s| s.of(&input)).map(str::to_owned);
        let partner = partner(partners.as_deref(), &input)?;
        jobs.push(FileJob { input, partner, md5, output: place, output_name: shown });
    }
    Ok(jobs)
}

fn io(what: &str, place: &str, e: &datafusion::error::DataFusionError) -> Error {
    Error::from_datafusion(what, e).at("path", without_secrets(place))
}

/// Turns `dir/sub/name.csv.gz` into `sub/name.parquet` in the output folder.
fn output_below(folder: &str, relative: &str) -> String {
    let stem = table_ending(relative).map_or(relative, |ending| &relative[..relative.len() - ending.len()]);
    Location::from(folder).join(&format!("{stem}.parquet")).exposed().to_owned()
}

async fn partners(session: &Session, options: &IngestOptions) -> Result<Option<Vec<FoundFile>>> {
    let Some(join) = &options.join else { return Ok(None) };
    let tables = session.files(join).await.map_err(|e| io("cannot list the files to join", join, &e))?;
    if tables.is_empty() {
        return Err(Error::new(ErrorKind::Input, format!("no table to join is found at '{join}'")));
    }
    Ok(Some(tables))
}

/// The file to join with `input`: the only one there is, or the one with the same suffix.
fn partner(partners: Option<&[FoundFile]>, input: &FoundFile) -> Result<Option<FoundFile>> {
    let Some(partners) = partners else { return Ok(None) };
    if let [only] = partners {
        return Ok(Some(only.clone()));
    }
    let wanted = suffix(&input.relative);
    let mut same = partners.iter().filter(|p| suffix(&p.relative) == wanted);
    match (same.next(), same.next()) {
        (Some(one), None) => Ok(Some(one.clone())),
        (None, _) => Err(Error::new(ErrorKind::Input, format!("no file to join has the suffix '{wanted}'"))
            .at("file", &input.shown)
            .hint("the archive's tables are cut alike: fetch GaiaSource_… with the same suffix")),
        (Some(a), Some(b)) => {
            let message = format!("two files to join have the suffix '{wanted}': {} and {}", a.shown, b.shown);
            Err(Error::new(ErrorKind::Input, message).at("file", &input.shown))
        }
    }
}

/// `000000-003111` of `GaiaSource_000000-003111.csv.gz`; the whole stem where there is no underscore.
fn suffix(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    let stem = name.split('.').next().unwrap_or(name);
    stem.rsplit('_').next().unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_and_suffixes_follow_from_names() {
        assert_eq!(output_below("out/", "a/Xp_000000-003111.csv.gz"), "out/a/Xp_000000-003111.parquet");
        assert_eq!(output_below("s3://b/out", "x.parquet"), "s3://b/out/x.parquet");
        let signed = "abfss://c@a.dfs.core.windows.net/out/?sv=1&sig=2";
        assert_eq!(output_below(signed, "x.fits"), "abfss://c@a.dfs.core.windows.net/out/x.parquet?sv=1&sig=2");
        assert_eq!(suffix("dir_x/GaiaSource_000000-003111.csv.gz"), "000000-003111");
        assert_eq!(suffix("stars.fits"), "stars");
        assert_eq!(output_below("out", "Norder=0/Npix=4.parq"), "out/Norder=0/Npix=4.parquet");
    }
}
