//! `lamcat pipeline`: checks and explains pipeline files before they are run.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use lamcat_catalogue::pipeline::{
    CheckedQuery, Misfire, ModelChoice, Overrides, Pipeline, check_query, json_schema, parse_query,
};
use serde_json::json;

use super::{
    describe,
    override_args::OverrideArgs,
    stdout::out,
    text_table::{Cell, text_table},
};

#[derive(Debug, Subcommand)]
#[command(after_help = "\
A pipeline file says everything that a catalogue needs besides data: inputs, one SELECT, layout on
the sky, columns, cuts, gates and schedule. The shortest one:
  name = \"giants\"                       # the catalogue's name and folder
  version = \"1.0.0\"
  title = \"Red giants\"
  description = \"Temperatures of red giants from BP/RP spectra.\"
  creator = \"A. Stronomer\"
  license = \"CC-BY-4.0\"
  sql = \"giants.sql\"                    # SELECT source_id, ra, dec, lam_infer(…, 'teff') AS teff FROM stars
  [inputs.stars]
  path = \"stars/*.parquet\"              # relative to this file; or a URL
  [output]
  store = \"catalogues\"                  # a folder or URL; the catalogue is catalogues/giants
Write one, `lamcat pipeline check` it until it is right, `lamcat pipeline explain` it, then run it.")]
pub(super) enum PipelineCommand {
    /// Check pipeline files: keys and values, the query, its columns, cuts and gates; no row is read.
    Check(CheckArgs),
    /// Say what a pipeline file means: settings with defaults filled in, the catalogue's columns, what happens to a row.
    Explain(ExplainArgs),
    /// Print the JSON Schema of the format, with which editors complete and check pipeline files.
    #[command(after_help = "\
Example:
  lamcat pipeline schema > pipeline.schema.json
and as the first line of a pipeline file, for editors with Taplo (Even Better TOML):
  #:schema ./pipeline.schema.json")]
    Schema,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The query must treat every row of the cut input by itself, as a unit of work holds some of its rows:
ORDER BY, LIMIT, GROUP BY, DISTINCT, UNION and window functions over it are refused; over the other
inputs they are fine. Every column needs a UCD and a description: from [columns], from the query's
functions and inputs, or by its name (teff, teff_error, ra, quality_flags, …).
The exit code is 1 if a file is wrong.

Examples:
  lamcat pipeline check pipelines/*.toml --no-inputs
  lamcat pipeline check pipelines/stellar_parameters.toml --input stars='xp/*.parquet'
  lamcat pipeline check a.toml b.toml --format json")]
pub(super) struct CheckArgs {
    /// Pipeline files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Leave out what needs the inputs' columns: the plan of the query, columns, cuts and gates.
    #[arg(long)]
    no_inputs: bool,
    /// A line for each file, or a JSON array of an object for each.
    #[arg(long, value_enum, default_value = "text")]
    format: ReportFormat,
    #[command(flatten)]
    overrides: OverrideArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamcat demo && lamcat pipeline explain pipelines/demo.toml
  lamcat pipeline explain pipelines/stellar_parameters.toml --input stars='xp/*.parquet'")]
pub(super) struct ExplainArgs {
    /// Pipeline file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Settings alone: leave out the columns and what happens to a row, which need the inputs' columns.
    #[arg(long)]
    no_inputs: bool,
    #[command(flatten)]
    overrides: OverrideArgs,
}

pub(super) async fn run(command: PipelineCommand) -> anyhow::Result<()> {
    match command {
        PipelineCommand::Check(args) => check(&args).await,
        PipelineCommand::Explain(args) => explain(&args).await,
        PipelineCommand::Schema => Ok(writeln!(out(), "{:#}", json_schema())?),
    }
}

async fn check(args: &CheckArgs) -> anyhow::Result<()> {
    let overrides = args.overrides.overrides();
    let mut wrong = 0;
    let mut reports = Vec::new();
    for file in &args.files {
        let result = check_file(file, &overrides, args.no_inputs).await;
        wrong += usize::from(result.is_err());
        let shown = file.display().to_string();
        let result = result.map_err(|e| describe(&e));
        if args.format == ReportFormat::Text {
            match &result {
                Ok((pipeline, plan)) => {
                    let columns = plan.as_ref().map(|p| format!(", {} columns", p.schema.fields().len()));
                    let columns = columns.unwrap_or_else(|| ", without its inputs".to_owned());
                    writeln!(out(), "ok     {shown}: {} {}{columns}", pipeline.name, pipeline.version)?;
                }
                Err(message) => writeln!(out(), "error  {shown}: {}", message.replace('\n', "\n       "))?,
            }
        }
        reports.push(match result {
            Ok((pipeline, plan)) => json!({
                "file": shown, "ok": true, "name": pipeline.name, "version": pipeline.version.to_string(),
                "columns": plan.map(|p| p.schema.fields().len()),
            }),
            Err(message) => json!({ "file": shown, "ok": false, "error": message }),
        });
    }
    if args.format == ReportFormat::Json {
        writeln!(out(), "{:#}", json!(reports))?;
    }
    if wrong > 0 {
        bail!("{wrong} of {} pipeline files {} wrong", args.files.len(), if wrong == 1 { "is" } else { "are" });
    }
    Ok(())
}

async fn check_file(
    file: &Path,
    overrides: &Overrides,
    no_inputs: bool,
) -> anyhow::Result<(Pipeline, Option<CheckedQuery>)> {
    let pipeline = Pipeline::load(file, overrides)?;
    let session = pipeline.open_session().await?;
    if no_inputs {
        parse_query(&session, &pipeline)?;
        return Ok((pipeline, None));
    }
    session.storage(pipeline.root().exposed())?;
    pipeline.register_inputs(&session).await?;
    let plan = check_query(&session, &pipeline).await?;
    Ok((pipeline, Some(plan)))
}

async fn explain(args: &ExplainArgs) -> anyhow::Result<()> {
    let (pipeline, plan) = check_file(&args.file, &args.overrides.overrides(), args.no_inputs).await?;
    let mut out = out();
    write!(out, "{}", settings(&pipeline))?;
    let Some(plan) = plan else { return Ok(()) };
    writeln!(out, "\nA row of {}:", pipeline.cut_input().name)?;
    for (i, step) in plan.steps.iter().enumerate() {
        writeln!(out, "{:>3}  {step}", i + 1)?;
    }
    let header = ["column", "type", "unit", "UCD", "from", "description"];
    let rows = plan.schema.fields().iter().zip(&plan.origins).map(|(field, origin)| {
        let meta = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
        let cells = [
            field.name().clone(),
            field.data_type().to_string(),
            meta("unit"),
            meta("ucd"),
            origin.words().to_owned(),
            meta("description"),
        ];
        cells.into_iter().map(Cell::text).collect::<Vec<Cell>>()
    });
    write!(out, "\n{}", text_table(&header, &rows.collect::<Vec<_>>()))?;
    Ok(())
}

/// The settings of a pipeline, one line each.
fn settings(p: &Pipeline) -> String {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut say = |key: &str, value: String| rows.push((key.to_owned(), value));
    say("catalogue", format!("{} {}", p.name, p.version));
    say("title", p.title.clone());
    say("creator", p.creator.clone());
    say("license", p.license.clone());
    if let Some(doi) = &p.doi {
        say("doi", doi.clone());
    }
    if !p.references.is_empty() {
        say("references", p.references.join(", "));
    }
    say("query", format!("{} (SHA-256 {})", p.sql.path.display(), &p.sql.sha256[..12]));
    for input in &p.inputs {
        let cut = if input.cut { format!(", cut into units of at most {} rows", p.units.rows) } else { String::new() };
        say(&format!("input {}", input.name), input.path.to_string() + &cut);
    }
    say(
        "model",
        match &p.model {
            ModelChoice::Embedded => format!("{}, which lamcat carries", lamcat_model::default::NAME),
            ModelChoice::File(file) => file.to_string(),
        },
    );
    say("store", p.store.to_string());
    let t = &p.tiling;
    say("tiles", format!("order {} to {}, of at most {} rows", t.lowest_order, t.highest_order, t.max_rows));
    let margin = if t.margin_arcsec > 0.0 { format!("{} arcsec", t.margin_arcsec) } else { "none".to_owned() };
    say("margin", margin);
    say("index", if t.index.is_empty() { "none".to_owned() } else { t.index.join(", ") });
    let default = &p.default_columns;
    say("default", if default.is_empty() { "all columns".to_owned() } else { default.join(", ") });
    for (name, condition) in &p.cuts {
        say(&format!("cut {name}"), condition.clone());
    }
    for gate in gates(p) {
        say("gate", gate);
    }
    say(
        "schedule",
        match &p.schedule {
            None => "none".to_owned(),
            Some(s) => {
                let missed = match s.misfire {
                    Misfire::Once => "missed runs are made up for by one",
                    Misfire::Skip => "missed runs are left out",
                };
                format!("{} {} ({}); {missed}", s.pattern(), s.time_zone, s.words().trim_end_matches('.'))
            }
        },
    );
    let r = &p.resources;
    let threads = r.threads.map_or_else(|| "one thread per core".to_owned(), |n| format!("{n} threads"));
    let memory = r.memory_gib.map_or_else(|| "no limit of memory".to_owned(), |gib| format!("{gib} GiB"));
    say("resources", format!("{threads}, {memory}, units at once: {}", r.units_at_once));
    let width = rows.iter().map(|(key, _)| key.chars().count()).max().unwrap_or(0);
    let lines: Vec<String> = rows.into_iter().map(|(key, value)| format!("{key:<width$}  {value}\n")).collect();
    lines.concat()
}

/// The gates of a pipeline in words.
fn gates(p: &Pipeline) -> Vec<String> {
    let g = &p.gates;
    let mut words = vec![format!("rows at least: {}", g.min_rows)];
    words.extend(
        g.max_null_fraction.iter().map(|(name, share)| format!("{name} is NULL in at most {share} of the rows")),
    );
    words.extend(
        g.max_flag_fraction.map(|share| format!("at most {share} of the rows have a flag beyond missing inputs")),
    );
    words.extend(g.max_row_change.map(|share| format!("the number of rows changes by at most {share} of it")));
    words.extend(g.max_shift.iter().map(|(name, shift)| format!("the median of {name} changes by at most {shift}")));
    words
}
