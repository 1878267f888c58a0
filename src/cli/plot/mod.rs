//! `lamcat plot`.

mod chart;
mod columns;
mod plot_style;
mod rows;

use std::{io::Write, path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use clap::Args;
use datafusion::{
    common::Column, dataframe::DataFrame, logical_expr::Expr, physical_plan::execute_stream, sql::parser::Statement,
};
use futures::StreamExt;
use lamcat_core::outputs::write_whole;
use lamcat_plot::{Picture, page};
use lamcat_sql::session::Session;

use self::{
    chart::chart,
    columns::Columns,
    plot_style::{PlotStyle, parts},
    rows::Rows,
};
use super::{
    progress::{QueryProgress, untrained_models},
    session_args::SessionArgs,
    stdout::out,
};

#[derive(Debug, Args)]
#[command(after_help = "\
The last query of each -c and each -f is a picture; statements before it, such as CREATE VIEW, run first, also in a -c
of their own. Lists of numbers, such as a spectrum, are drawn element by element: no unnest is needed.
SQL may say itself what its picture is, in a comment before a query: the options without their dashes. What is typed
goes before it. A text with several such queries makes several pictures. Only an HTML page holds more than one.
  -- plot: kind=line x=wavelength y=flux group=teff title='Giants of solar metallicity'
Examples:
  lamcat plot -c \"SELECT xp_wavelength() AS wavelength, xp_calibrate(bp_coefficients, rp_coefficients) AS flux FROM 'stars/*.parquet' LIMIT 1\" -o spectrum.svg
  lamcat plot -c \"SELECT bp_rp, phot_g_mean_mag + 5 * log10(parallax / 100) AS m_g FROM 'stars/*.parquet'\" --invert-y -o diagram.svg
  lamcat plot -c \"SELECT teff, logg, m_h FROM 'labels.parquet'\" --color m_h --invert-x --invert-y -o kiel.svg
  lamcat plot -c \"SELECT teff FROM 'labels.parquet'\" -o histogram.svg
  lamcat plot -f sql/paper/extinction_curve.sql -f sql/paper/stellar_loci.sql -o paper.html")]
pub(super) struct PlotArgs {
    /// SQL to run and draw. Repeatable.
    #[arg(short, long = "command", value_name = "SQL", required_unless_present = "file", allow_hyphen_values = true)]
    command: Vec<String>,
    /// File with SQL to run and draw. Repeatable.
    #[arg(short, long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// The image (.svg), or a page of one or more (.html) [default: the image on stdout].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    style: PlotStyle,
    /// No progress line and no closing remarks.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    session: SessionArgs,
}

/// A statement, and the picture it is for.
struct Step {
    statement: Statement,
    picture: Option<(PlotStyle, String)>,
}

pub(super) async fn run(args: PlotArgs) -> anyhow::Result<()> {
    let session = args.session.open().await?;
    let mut steps = Vec::new();
    for sql in &args.command {
        steps.extend(steps_of(&session, sql, None)?);
    }
    for path in &args.file {
        let text = lamcat_formats::read_text(path).with_context(|| format!("cannot read {}", path.display()))?;
        steps.extend(steps_of(&session, &text, path.file_stem().and_then(|s| s.to_str()))?);
    }
    let whole_page = as_page(args.output.as_deref())?;
    match steps.iter().filter(|s| s.picture.is_some()).count() {
        0 => bail!("there is no query to draw in what was given\nhint: end it in a SELECT"),
        n if n > 1 && !whole_page => {
            bail!("{n} pictures are no single image\nhint: put them on a page with -o FILE.html")
        }
        _ => {}
    }
    let mut pictures = Vec::new();
    for Step { statement, picture } in steps {
        let is_query = is_query(&statement);
        match picture {
            Some((hint, text)) => {
                let style = args.style.clone().or(&hint);
                let svg = draw(&session, statement, &style, args.quiet).await?;
                pictures.push(Picture { heading: style.title.unwrap_or_default(), text, svg });
            }
            None if !is_query => {
                session.plan(statement).await?.collect().await?;
            }
            None => {}
        }
    }
    let text = if whole_page { page("lamcat", &pictures) } else { pictures.into_iter().map(|p| p.svg).collect() };
    let Some(path) = &args.output else { return Ok(out().write_all(text.as_bytes())?) };
    write_whole(path, text)?;
    if !args.quiet {
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

/// Whether the output is a page.
fn as_page(output: Option<&std::path::Path>) -> anyhow::Result<bool> {
    let Some(path) = output else { return Ok(false) };
    match path.extension().and_then(|e| e.to_str()) {
        Some("svg") => Ok(false),
        Some("html" | "htm") => Ok(true),
        _ => bail!("'{}' does not say its format\nhint: end it in .svg or .html", path.display()),
    }
}

fn is_query(statement: &Statement) -> bool {
    matches!(statement, Statement::Statement(s) if matches!(**s, sqlparser::ast::Statement::Query(_)))
}

/// The statements of a text: queries with a hint are for pictures, or the last query if none has one.
fn steps_of(session: &Session, text: &str, title: Option<&str>) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    for part in parts(text)? {
        let mut picture = part.hint.map(|hint| (hint, part.caption));
        for statement in session.parse(&part.sql)? {
            let picture = if is_query(&statement) { picture.take() } else { None };
            steps.push(Step { statement, picture });
        }
        if picture.is_some() {
            bail!("a '-- plot:' hint has no query after it\nhint: write it on the line before a SELECT");
        }
    }
    if steps.iter().all(|s| s.picture.is_none())
        && let Some(last) = steps.iter_mut().rfind(|s| is_query(&s.statement))
    {
        last.picture = Some((PlotStyle::default(), String::new()));
    }
    for (style, _) in steps.iter_mut().filter_map(|s| s.picture.as_mut()) {
        style.title = style.title.take().or_else(|| title.map(str::to_owned));
    }
    Ok(steps)
}

/// Runs a query and draws its rows as an SVG image.
async fn draw(session: &Session, statement: Statement, style: &PlotStyle, quiet: bool) -> anyhow::Result<String> {
    let frame = session.plan(statement).await?;
    let schema = frame.schema().as_arrow().clone();
    let columns = Columns::choose(&schema, style)?;
    let frame = only(frame, &columns)?;
    let task = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await?;
    let progress = (!quiet).then(|| QueryProgress::start(plan.clone()));
    let mut rows = Rows::new(&columns);
    let mut batches = execute_stream(plan.clone(), task)?;
    while let Some(batch) = batches.next().await {
        rows.read(&columns, style.kind, &batch?)?;
    }
    drop(progress);
    for label in untrained_models(plan.as_ref()) {
        eprintln!("warning: model {label}");
    }
    Ok(chart(&schema, &columns, &rows, style)?.svg()?)
}

/// The columns drawn. Nothing here may change the order of the rows: lines follow it.
fn only(frame: DataFrame, columns: &Columns) -> anyhow::Result<DataFrame> {
    let schema = frame.schema().clone();
    let column = |i: usize| {
        let (qualifier, field) = schema.qualified_field(i);
        Expr::Column(Column::new(qualifier.cloned(), field.name())).alias(format!("c{i}"))
    };
    Ok(frame.select(columns.all().into_iter().map(column))?)
}
