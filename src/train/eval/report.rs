//! `report.html`: one page that contains its pictures.

use lamcat_core::{error::Result, schema::Basis};
use lamcat_plot::{digits, html_page, table};
use maud::{Markup, PreEscaped, html};

use super::{
    charts,
    evaluate::{Evaluation, LabelResult},
    files::About,
    inpainting::Inpainting,
    inputs::InputSet,
    plan::LeftOut,
};

const STYLE: &str = "body{max-width:75em}\
                     table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .7em;border-bottom:1px solid #ddd;\
                     text-align:right}td:first-child,th:first-child,.text td{text-align:left}\
                     .pictures{display:flex;flex-wrap:wrap;gap:1em}.pictures svg{width:36em}";

const READING: &str = "Residuals are truth minus prediction. mad_std is 1.4826 times their median absolute deviation about \
                       the median, bias is their median. sigma is the median of the predicted errors; the shares within 1 \
                       and 2 sigma (nominally 68.27 and 95.45 %), the probability integral transform and the calibration \
                       curve use sigma_total, the predicted error and the label's own in quadrature where the stars have \
                       one. Where the predicted errors are right, the transform is flat and the curve on the diagonal; a \
                       transform that is high at both ends, or a curve below the diagonal, means errors too small. ebv is \
                       E(B-V) from logebv; distance is the distance in percent of the true one, from g_fakemag of stars \
                       where that is positive.";

/// Returns the page of an evaluation.
///
/// # Errors
/// If a chart cannot be drawn.
pub fn report_html(evaluation: &Evaluation, about: &About) -> Result<String> {
    let mut parts = vec![html! { h1 { "Evaluation" } }];
    let facts: Vec<Vec<String>> =
        about.facts.iter().map(|(name, fact)| vec![(*name).to_owned(), fact.clone()]).collect();
    parts.push(table("text", &[], &facts));
    if !evaluation.labels.is_empty() {
        parts.push(html! { h2 { "Labels" } p { (READING) } });
        parts
            .push(metrics(&evaluation.labels.iter().chain(&evaluation.derived).collect::<Vec<_>>(), &evaluation.basis));
        for results in evaluation.labels.chunk_by(|a, b| a.label == b.label) {
            parts.push(label(results)?);
        }
    }
    for band in &evaluation.inpainting {
        parts.push(inpainting(band, &evaluation.basis)?);
    }
    if !evaluation.left_out.is_empty() {
        let row = |l: &LeftOut| vec![l.labels.join(", "), l.inputs.to_string(), l.why.clone()];
        let rows: Vec<Vec<String>> = evaluation.left_out.iter().map(row).collect();
        parts.push(html! { h2 { "Left out" } });
        parts.push(table("text", &["labels", "inputs", "why"], &rows));
    }
    Ok(html_page("Evaluation", STYLE, &html! { @for part in &parts { (part) } }))
}

fn metrics(results: &[&LabelResult], basis: &Basis) -> Markup {
    let header = [
        "label",
        "inputs",
        "stars",
        "tokens",
        "mad_std",
        "bias",
        "2.5 %",
        "16 %",
        "84 %",
        "97.5 %",
        "sigma",
        "in 1 sigma",
        "in 2 sigma",
        "pull mad_std",
        "label errors",
    ];
    let row = |r: &&LabelResult| {
        let m = &r.metrics;
        let mut row = vec![r.with_unit(), r.inputs.to_string(), m.stars.to_string()];
        row.push(format!("{:.1}", r.tokens));
        let lengths = [m.mad_std, m.bias].into_iter().chain(m.percentiles).chain([m.median_sigma]);
        row.extend(lengths.map(digits));
        row.extend(m.within.map(|share| format!("{:.1} %", 100.0 * share)));
        row.push(format!("{:.2}", m.pull_mad_std));
        row.push(if r.with_label_errors { "yes" } else { "no" }.to_owned());
        row
    };
    let rows: Vec<Vec<String>> = results.iter().map(row).collect();
    let sets: Vec<Vec<String>> = InputSet::all(basis)
        .into_iter()
        .filter(|set| results.iter().any(|r| r.inputs == *set))
        .map(|set| vec![set.to_string(), set.description(basis)])
        .collect();
    html! {
        (table("", &header, &rows))
        (table("text", &["inputs", "what a star shows"], &sets))
    }
}

/// Returns the section of one label: the first set of inputs star by star, and the errors of all sets.
fn label(results: &[LabelResult]) -> Result<Markup> {
    let all: Vec<&LabelResult> = results.iter().collect();
    let Some(first) = results.first() else { return Ok(Markup::default()) };
    let pictures =
        [charts::predicted(first)?, charts::residuals(first)?, charts::pit(&all)?, charts::calibration_curve(&all)?];
    Ok(html! {
        h2 { (first.label) }
        div.pictures { @for picture in &pictures { (PreEscaped(picture)) } }
    })
}

fn inpainting(band: &Inpainting, basis: &Basis) -> Result<Markup> {
    let factor = |n: usize| format!("{:.2}", band.factor(n));
    let rows = [vec![band.stars.to_string(), factor(10), factor(30), factor(usize::MAX)]];
    let header = ["stars", "factor of 0-9", "factor of 0-29", "factor of all"];
    let coefficients = charts::coefficients(band)?;
    Ok(html! {
        h2 { (band.inputs.to_string()) }
        p {
            "The coefficients of one band predicted from " (band.inputs.description(basis)) ". A factor is how many times smaller \
             the scatter about the prediction is than about the training median, the median over coefficients that at least \
             20 stars have."
        }
        (table("", &header, &rows))
        div.pictures { (PreEscaped(coefficients)) }
    })
}
