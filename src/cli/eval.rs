//! `lamcat eval`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use lamcat_core::outputs::write_whole;
use lamcat_model::Model;
use lamcat_plot::digits;
use lamcat_train::{
    eval::{
        About, Evaluation, InputSet, LeftOut, Plan, Settings, Stars, coefficients_csv, evaluate, metrics_csv,
        metrics_json, report_html,
    },
    read_training_set,
};

use super::{
    progress::EvalProgress,
    query_args::QueryArgs,
    session_args::SessionArgs,
    stdout::out,
    text_table::{Cell, text_table},
};

/// The name that stands for all sets.
const ALL: &str = "all";

#[derive(Debug, Args)]
#[command(after_help = "\
The query gives one star per row, as that of `lamcat train`: xp (a list of all coefficients) and tokens of the model's
vocabulary (teff, logg, m_h, logebv, g_fakemag, bprp, jh, jk), each with an optional error (teff_error, …). NULL is missing.
Give it stars that the model was not trained on.

Input sets, from which each label is predicted (--inputs all: every one that the model and the query allow):
  xp30-colours  bp/rp 0-29, jh, jk, bprp          xp32    bp/rp 0-31
  xp5-colours   bp/rp 0-4, jh, jk, bprp           labels  every other label and colour, no coefficient
  random        coefficients and colours drawn at random, as many as the context holds
  bp-to-rp, rp-to-bp  one band's coefficients from the other's
A star counts for a set if it has the label, the colours and labels that the set lists, and at least one coefficient of
each band that it lists; for random inputs any coefficient will do, and what a star lacks is not drawn.

Examples:
  lamcat eval --model run/model.safetensors -o report -c \"CREATE VIEW stars AS SELECT * FROM 'stars.parquet'\" --sql sql/test_simulated.sql
  lamcat eval --model lam.safetensors --sql stars.sql --inputs xp30-colours,labels --labels teff,logg -o report
The folder gets report.html, metrics.csv, metrics.json and coefficients.csv; the same model, query and stars give the
same bytes.")]
pub(super) struct EvalArgs {
    #[command(flatten)]
    query: QueryArgs,
    /// Folder for the results.
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Input sets, or `all` [default: all that the model and the query allow]. Repeatable.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    inputs: Vec<String>,
    /// Labels to judge [default: all that the query gives]. Repeatable.
    #[arg(long, value_name = "TOKEN", value_delimiter = ',')]
    labels: Vec<String>,
    /// Stars whose spectra are inpainted at most, as every coefficient of a band is asked of each; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    inpaint_stars: usize,
    /// Seed of the random inputs.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Say what would be evaluated; write nothing.
    #[arg(long)]
    dry_run: bool,
    /// No progress and no closing remarks.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    session: SessionArgs,
}

impl EvalArgs {
    fn settings(&self) -> anyhow::Result<Settings> {
        let named = self.inputs.iter().filter(|name| *name != ALL);
        let sets = named.map(|name| name.parse()).collect::<Result<Vec<InputSet>, _>>()?;
        let all = self.inputs.len() > sets.len() || sets.is_empty();
        Ok(Settings {
            inputs: (!all).then_some(sets),
            labels: (!self.labels.is_empty()).then(|| self.labels.clone()),
            inpaint_stars: self.inpaint_stars,
            seed: self.seed,
            memory: self.session.memory(),
        })
    }
}

pub(super) async fn run(args: EvalArgs) -> anyhow::Result<()> {
    let settings = args.settings()?;
    let query = args.query.read()?;
    let session = args.session.open().await?;
    let model = session.engine().model(None)?;
    let frame = query.plan(&session).await?;
    let stars = Stars::new(read_training_set(frame, model.vocabulary(), args.session.memory()).await?)?;
    let plan = Plan::new(&model, &stars, &settings)?;
    if !model.provenance().trained {
        eprintln!("warning: model {}", model.label());
    }
    if args.dry_run {
        return say_plan(&model, &stars, &plan);
    }
    let progress = EvalProgress::start(args.quiet, plan.work());
    let mut show = |inputs: &InputSet, done| progress.show(inputs.name(), done);
    let device = session.engine().device();
    let evaluation = evaluate(device, &model, &stars, &plan, args.session.batch_rows(device), &mut show).await?;
    drop(progress);
    let about = About::new(&model, &query.sha256(), stars.rows(), stars.hash(), args.seed);
    write(&args.output, &evaluation, &about)?;
    say(&evaluation)?;
    if !args.quiet {
        say_left_out(&evaluation.left_out);
        eprintln!("wrote {}", args.output.display());
    }
    Ok(())
}

fn write(folder: &Path, evaluation: &Evaluation, about: &About) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let files = [
        ("metrics.csv", metrics_csv(evaluation)),
        ("coefficients.csv", coefficients_csv(evaluation)),
        ("metrics.json", metrics_json(evaluation, about)?),
        ("report.html", report_html(evaluation, about)?),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        write_whole(&path, text)?;
    }
    Ok(())
}

fn say_plan(model: &Model, stars: &Stars, plan: &Plan) -> anyhow::Result<()> {
    let mut out = out();
    writeln!(out, "model        {}\nstars        {}", model.label(), stars.rows())?;
    for (inputs, asked, stars) in plan.steps(model) {
        let asked = match inputs.inpaints() {
            Some(_) => format!("{} coefficients", asked.len()),
            None => asked.join(", "),
        };
        writeln!(out, "{:<12} {asked} of {stars} stars", inputs.name())?;
    }
    say_left_out(plan.left_out());
    Ok(())
}

fn say_left_out(left_out: &[LeftOut]) {
    for l in left_out {
        let labels = match &l.labels[..] {
            [] => String::new(),
            [first, .., last] if l.inputs.inpaints().is_some() => {
                format!("{} coefficients ({first} to {last}) from ", l.labels.len())
            }
            all => all.join(", ") + " from ",
        };
        eprintln!("left out {labels}{}: {}", l.inputs, l.why);
    }
}

/// Prints the metrics as aligned tables on stdout.
fn say(evaluation: &Evaluation) -> anyhow::Result<()> {
    let mut out = out();
    if !evaluation.labels.is_empty() {
        let header =
            ["label", "inputs", "stars", "mad_std", "bias", "16 %", "84 %", "sigma", "in 1 sigma", "in 2 sigma"];
        let labels = evaluation.labels.iter().map(|r| label_row(&r.label, r));
        let derived = evaluation.derived.iter().map(|r| label_row(&r.with_unit(), r));
        let rows: Vec<Vec<Cell>> = labels.chain(derived).collect();
        write!(out, "{}", text_table(&header, &rows))?;
    }
    if !evaluation.inpainting.is_empty() {
        let header = ["inpainting", "stars", "coefficients", "nearer than the median: 0-9", "0-29", "all"];
        let row = |band: &lamcat_train::eval::Inpainting| {
            let mut row =
                vec![Cell::text(&band.inputs), Cell::number(band.stars), Cell::number(band.coefficients.len())];
            row.extend([10, 30, usize::MAX].map(|n| Cell::number(format!("{:.2} x", band.factor(n)))));
            row
        };
        let rows: Vec<Vec<Cell>> = evaluation.inpainting.iter().map(row).collect();
        if !evaluation.labels.is_empty() {
            writeln!(out)?;
        }
        write!(out, "{}", text_table(&header, &rows))?;
    }
    Ok(())
}

fn label_row(name: &str, result: &lamcat_train::eval::LabelResult) -> Vec<Cell> {
    let m = &result.metrics;
    let mut row = vec![Cell::text(name), Cell::text(&result.inputs), Cell::number(m.stars)];
    let lengths = [m.mad_std, m.bias, m.percentiles[1], m.percentiles[2], m.median_sigma];
    row.extend(lengths.map(|v| Cell::number(digits(v))));
    row.extend(m.within.map(|share| Cell::number(format!("{:.1} %", 100.0 * share))));
    row
}
