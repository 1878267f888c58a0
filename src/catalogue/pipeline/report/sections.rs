//! The sections of a report, in order.

use lamcat_core::error::Result;
use lamcat_plot::Axis;
use maud::{Markup, PreEscaped, html};

use super::{
    contents::{Diagram, Label},
    findings::Findings,
    pictures, tables, timeline_data,
};

/// A section: its anchor, its heading, its HTML.
struct Section {
    id: &'static str,
    heading: &'static str,
    body: Markup,
}

/// The whole body of the page.
pub(super) fn all(found: &Findings) -> Result<Markup> {
    let sections = [
        Some(Section { id: "release", heading: "Release", body: tables::facts(found) }),
        gates(found),
        Some(sky(found)?),
        diagram(found, found.contents.kiel.as_ref(), "kiel")?,
        diagram(found, found.contents.hertzsprung_russell.as_ref(), "hr")?,
        labels(found)?,
        errors(found)?,
        flags(found),
        cuts(found),
        score(found)?,
        found.old.as_ref().map(|(_, _, diff)| Section {
            id: "diff",
            heading: "Changes since the release before",
            body: wide(&tables::diff(diff)),
        }),
        throughput(found)?,
    ];
    let sections: Vec<Section> = sections.into_iter().flatten().collect();
    Ok(html! {
        h1 { (found.title()) }
        nav { @for section in &sections { a href={ "#" (section.id) } { (section.heading) } } }
        @for section in &sections {
            section id=(section.id) {
                h2 { (section.heading) }
                (section.body)
            }
        }
    })
}

/// Plots side by side.
fn pictures_row(pictures: &[String]) -> Markup {
    html! {
        div.pictures { @for picture in pictures { (PreEscaped(picture)) } }
    }
}

/// A part that may be wider than the page, and then has its own scroll bar.
fn wide(body: &Markup) -> Markup {
    html! {
        div.wide { (body) }
    }
}

fn gates(found: &Findings) -> Option<Section> {
    let gates = found.record.as_ref().map(|record| &record.gates).filter(|gates| !gates.is_empty())?;
    let failed = gates.iter().filter(|check| check.failure.is_some()).count();
    let words = match failed {
        0 => "The release passes every gate of its pipeline.".to_owned(),
        failed => format!("The release fails {failed} of the {} gates of its pipeline.", gates.len()),
    };
    let body = html! {
        p { (words) }
        (tables::gates(gates))
    };
    Some(Section { id: "gates", heading: "Gates", body })
}

fn sky(found: &Findings) -> Result<Section> {
    let body = PreEscaped(pictures::sky(&found.counts.sky)?);
    Ok(Section { id: "sky", heading: "Sky", body })
}

fn diagram(found: &Findings, diagram: Option<&Diagram>, id: &'static str) -> Result<Option<Section>> {
    let Some(diagram) = diagram else { return Ok(None) };
    let Some(grid) = found.binning.grid_of(&diagram.pair()) else { return Ok(None) };
    let (axes, ranges) = ([&diagram.x.1, &diagram.y.1], &found.binning.grids[grid]);
    let counts = &found.counts.grids[grid];
    let shown: u64 = counts.iter().sum();
    if shown == 0 {
        return Ok(None);
    }
    let svg = pictures::density("", axes, [&ranges[0].1, &ranges[1].1], counts)?;
    let rest = found.counts.rows.saturating_sub(shown);
    let note = format!("{shown} rows; {rest} have no value or lie beyond the limits.{}", diagram.note);
    let body = html! {
        p { (note) }
        (PreEscaped(svg))
    };
    Ok(Some(Section { id, heading: diagram.heading, body }))
}

/// The histogram of a label, if it has values.
fn histogram(found: &Findings, label: &Label) -> Result<Option<String>> {
    let Some(bins) = found.binning.bins_of(&label.quantity()) else { return Ok(None) };
    let Some(range) = found.binning.bins[bins].1.filter(|_| found.counts.bins[bins].finite() > 0) else {
        return Ok(None);
    };
    let (new, old) = (found.named_counts(), found.named_counts_before());
    pictures::histogram(&label.name, &label.with_unit(), &range, bins, new, old).map(Some)
}

fn labels(found: &Findings) -> Result<Option<Section>> {
    let labels: Vec<&Label> = found.contents.labels.iter().collect();
    if labels.is_empty() {
        return Ok(None);
    }
    let mut drawn = Vec::new();
    for label in &labels {
        drawn.extend(histogram(found, label)?);
    }
    let body = html! { (wide(&tables::labels(found, &labels))) (pictures_row(&drawn)) };
    Ok(Some(Section { id: "labels", heading: "Labels", body }))
}

/// Pulls if the truth is known, otherwise errors against values.
fn errors(found: &Findings) -> Result<Option<Section>> {
    let mut drawn = Vec::new();
    for label in &found.contents.labels {
        let title = format!("error of {}", label.name);
        if let Some(bins) = label.pull().and_then(|pull| found.binning.bins_of(&pull)) {
            if found.counts.bins[bins].finite() > 0 {
                drawn.push(pictures::pulls(&title, bins, found.named_counts(), found.named_counts_before())?);
            }
            continue;
        }
        let Some(errors) = label.errors() else { continue };
        let Some(grid) = found.binning.grid_of(&[label.quantity(), errors]) else { continue };
        let counts = &found.counts.grids[grid];
        if counts.iter().any(|count| *count > 0) {
            let unit = if label.unit.is_empty() { String::new() } else { format!(" [{}]", label.unit) };
            let axes = [Axis::new(label.with_unit()), Axis::new(format!("predicted error{unit}"))];
            let ranges = &found.binning.grids[grid];
            drawn.push(pictures::density(&title, [&axes[0], &axes[1]], [&ranges[0].1, &ranges[1].1], counts)?);
        }
    }
    if found.contents.labels.is_empty() {
        return Ok(None);
    }
    let truth = found.contents.labels.iter().any(|label| label.truth.is_some());
    let note = if truth {
        "A pull is (value - truth) / predicted error. Where the errors are right, pulls are distributed as the unit \
         normal: 68.27 % within 1 sigma, 95.45 % within 2, median 0 and scatter 1. Labels whose truth is not in the \
         catalogue are shown with the sizes of their errors."
    } else {
        "The truth is not in the catalogue: predicted errors by the value of the label."
    };
    let body = html! {
        p { (note) }
        (wide(&tables::errors(found)))
        (pictures_row(&drawn))
    };
    Ok(Some(Section { id: "errors", heading: "Predicted errors", body }))
}

fn flags(found: &Findings) -> Option<Section> {
    found.contents.flags.then(|| Section { id: "flags", heading: "Quality flags", body: wide(&tables::flags(found)) })
}

fn cuts(found: &Findings) -> Option<Section> {
    let some = !found.new.manifest.cuts.is_empty();
    some.then(|| Section { id: "cuts", heading: "Cuts", body: wide(&tables::cuts(found)) })
}

fn score(found: &Findings) -> Result<Option<Section>> {
    let Some(score) = &found.contents.score else { return Ok(None) };
    let Some(svg) = histogram(found, score)? else { return Ok(None) };
    let body = html! { (wide(&tables::labels(found, &[score]))) (pictures_row(&[svg])) };
    Ok(Some(Section { id: "score", heading: "Likeness to the training stars", body }))
}

fn throughput(found: &Findings) -> Result<Option<Section>> {
    let stages = found.record.as_ref().filter(|record| !record.stages.is_empty());
    if stages.is_none() && found.tasks.is_empty() {
        return Ok(None);
    }
    let timeline = timeline_data::timeline(&found.tasks).svg()?;
    let body = html! {
        @if let Some(record) = stages {
            p { "Finished by " (record.runner) " at " (record.time) ". Rows are those that this run worked." }
            (tables::stages(&record.stages))
        }
        @if !found.tasks.is_empty() {
            (wide(&timeline_data::runners_table(&found.tasks)))
            (PreEscaped(timeline))
        }
    };
    Ok(Some(Section { id: "work", heading: "Throughput", body }))
}
