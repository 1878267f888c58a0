//! The rules for the values of a pipeline file.

use std::collections::BTreeMap;

use chrono_tz::{TZ_VARIANTS, Tz};
use lamcat_core::{
    error::Result,
    schema::{check_ucd, healpix::MAX_LEVEL, limits, nearest},
};

use super::{
    cron::Schedule,
    spec::{InputSpec, PipelineFile, ScheduleSpec},
    text::Document,
};

/// Upper limit for the memory of queries in GiB: a pebibyte.
const MOST_GIB: f64 = 1_048_576.0;

/// Number of characters of a bibcode.
const BIBCODE: usize = 19;

/// Whether a name consists of lower-case letters, digits and underscores, and does not begin with a digit.
pub(super) fn is_plain_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    name.bytes().all(plain) && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// The name of the input that is divided into units.
pub(super) fn cut_input<'a>(document: &Document, inputs: &'a BTreeMap<String, InputSpec>) -> Result<&'a str> {
    let hint = "one input gives the rows of the catalogue and is cut into units of work: say cut = true of it alone";
    let names: Vec<&str> = inputs.keys().map(String::as_str).collect();
    let cut: Vec<&str> = inputs.iter().filter(|(_, i)| i.cut == Some(true)).map(|(name, _)| name.as_str()).collect();
    match (&cut[..], &names[..]) {
        ([one], _) => Ok(one),
        ([], []) => Err(document
            .error("inputs", "the pipeline has no input")
            .hint("add e.g.\n[inputs.stars]\npath = \"stars/*.parquet\"")),
        ([], [only]) if inputs[*only].cut.is_none() => Ok(only),
        ([], _) => Err(document.error("inputs", format!("no input is cut: {}", names.join(", "))).hint(hint)),
        ([_, second, ..], _) => {
            let key = format!("inputs.{second}.cut");
            Err(document.error(&key, format!("several inputs are cut: {}", cut.join(", "))).hint(hint))
        }
    }
}

/// Checks every value that can be checked without the data and the query.
pub(super) fn check(document: &Document, typed: &PipelineFile) -> Result<()> {
    if !is_plain_name(&typed.name) || typed.name.starts_with('_') {
        let message = format!("'{}' cannot be the name of a catalogue", typed.name);
        return Err(document.error("name", message).hint("use lower-case letters, digits and underscores"));
    }
    texts(document, typed)?;
    if let Some(name) = typed.inputs.keys().find(|name| !is_plain_name(name)) {
        return Err(document
            .error(&format!("inputs.{name}"), format!("'{name}' cannot be the name of a table"))
            .hint("use lower-case letters, digits and underscores"));
    }
    for (name, column) in &typed.columns {
        if let Some(Err(problem)) = column.ucd.as_deref().map(check_ucd) {
            return Err(document.error(&format!("columns.{name}.ucd"), problem)
                .hint("UCD1+ is words separated by semicolons, e.g. stat.error;phys.gravity: https://ivoa.net/documents/UCD1+"));
        }
    }
    if let Some(name) = typed.cuts.keys().find(|name| !is_plain_name(name)) {
        return Err(document
            .error(&format!("cuts.{name}"), format!("'{name}' cannot be the name of a cut"))
            .hint("use lower-case letters, digits and underscores"));
    }
    tiling(document, typed)?;
    gates(document, typed)?;
    let ranges = [
        ("units.rows", typed.units.rows, limits::ROWS),
        ("tiling.max_rows", typed.tiling.max_rows, limits::ROWS),
        ("gates.min_rows", typed.gates.min_rows.max(1), limits::ROWS),
        ("resources.threads", typed.resources.threads.map_or(1, |n| n as u64), limits::THREADS),
        ("resources.units_at_once", typed.resources.units_at_once as u64, limits::THREADS),
    ];
    if let Some((key, value, range)) = ranges.into_iter().find(|(_, value, range)| !range.contains(value)) {
        let bound = if value < *range.start() { ("least", range.start()) } else { ("most", range.end()) };
        return Err(document.error(key, format!("must be at {} {}", bound.0, bound.1)));
    }
    if typed.resources.memory_gib.is_some_and(|gib| gib > MOST_GIB) {
        return Err(document.error("resources.memory_gib", format!("must be at most {MOST_GIB}")));
    }
    if typed.resources.memory_gib.is_some_and(|gib| !(gib.is_finite() && gib > 0.0)) {
        return Err(document.error("resources.memory_gib", "must be positive"));
    }
    Ok(())
}

fn texts(document: &Document, typed: &PipelineFile) -> Result<()> {
    let texts = [
        ("title", &typed.title),
        ("description", &typed.description),
        ("creator", &typed.creator),
        ("license", &typed.license),
        ("output.store", &typed.output.store),
    ];
    if let Some((key, _)) = texts.into_iter().find(|(_, text)| text.trim().is_empty()) {
        return Err(document.error(key, "must not be empty"));
    }
    if let Some((name, _)) = typed.inputs.iter().find(|(_, input)| input.path.trim().is_empty()) {
        return Err(document.error(&format!("inputs.{name}.path"), "must not be empty"));
    }
    // Each property of a catalogue is a single line.
    if let Some((key, _)) =
        texts.into_iter().take(4).find(|(key, text)| *key != "description" && text.trim().contains('\n'))
    {
        return Err(document.error(key, "must be one line"));
    }
    if let Some(doi) = typed.doi.as_deref().filter(|doi| !is_doi(doi)) {
        return Err(document.error("doi", format!("'{doi}' is not a DOI")).hint("write e.g. 10.5281/zenodo.123"));
    }
    if let Some(reference) = typed.references.iter().find(|reference| !is_reference(reference)) {
        return Err(document
            .error("references", format!("'{reference}' is neither a bibcode nor a URL"))
            .hint("write e.g. 2024MNRAS.527.1494L or https://arxiv.org/abs/2308.10944"));
    }
    Ok(())
}

fn is_doi(text: &str) -> bool {
    let Some((registrant, suffix)) = text.strip_prefix("10.").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let digits = registrant.bytes().all(|b| b.is_ascii_digit() || b == b'.') && (4..=9).contains(&registrant.len());
    digits && !suffix.is_empty() && !suffix.contains(char::is_whitespace)
}

fn is_reference(text: &str) -> bool {
    let bibcode = text.len() == BIBCODE
        && text.bytes().take(4).all(|b| b.is_ascii_digit())
        && !text.contains(char::is_whitespace)
        && text.ends_with(|c: char| c.is_ascii_uppercase() || c == '.');
    bibcode || url::Url::parse(text).is_ok_and(|url| url.has_host())
}

fn tiling(document: &Document, typed: &PipelineFile) -> Result<()> {
    let tiling = &typed.tiling;
    if tiling.highest_order > MAX_LEVEL {
        return Err(document.error("tiling.highest_order", format!("must be at most {MAX_LEVEL}")));
    }
    if tiling.lowest_order > tiling.highest_order {
        let message = format!("must be at most tiling.highest_order, {}", tiling.highest_order);
        return Err(document.error("tiling.lowest_order", message));
    }
    // Side length of a pixel, taken as a square of the same area.
    let side_arcsec =
        (4.0 * std::f64::consts::PI / 12.0).sqrt().to_degrees() * 3600.0 / f64::from(tiling.highest_order).exp2();
    if !(tiling.margin_arcsec >= 0.0 && tiling.margin_arcsec < side_arcsec) {
        return Err(document
            .error("tiling.margin_arcsec", "must be at least 0, and less than the side of the smallest tiles")
            .hint(format!(
                "tiles of order {} are {side_arcsec:.0} arcseconds wide; 0 is no margin",
                tiling.highest_order
            )));
    }
    for (key, names) in [("tiling.index", &tiling.index), ("default_columns", &typed.default_columns)] {
        if let Some(name) = names.iter().enumerate().find_map(|(i, name)| names[..i].contains(name).then_some(name)) {
            return Err(document.error(key, format!("'{name}' is there twice")));
        }
    }
    if let Some((name, _)) = typed.cuts.iter().find(|(_, condition)| condition.trim().is_empty()) {
        return Err(document.error(&format!("cuts.{name}"), "must not be empty"));
    }
    Ok(())
}

fn gates(document: &Document, typed: &PipelineFile) -> Result<()> {
    let gates = &typed.gates;
    let nulls = gates.max_null_fraction.iter().map(|(name, value)| (format!("max_null_fraction.{name}"), *value));
    let mut fractions = nulls.chain(gates.max_flag_fraction.map(|value| ("max_flag_fraction".to_owned(), value)));
    if let Some((key, _)) = fractions.find(|(_, value)| !(0.0..=1.0).contains(value)) {
        return Err(document.error(&format!("gates.{key}"), "must be a share, from 0 to 1"));
    }
    let shifts = gates.max_shift.iter().map(|(name, value)| (format!("max_shift.{name}"), *value));
    let mut changes = shifts.chain(gates.max_row_change.map(|value| ("max_row_change".to_owned(), value)));
    if let Some((key, _)) = changes.find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
        return Err(document.error(&format!("gates.{key}"), "must not be negative"));
    }
    Ok(())
}

/// The schedule, resolved.
pub(super) fn schedule(document: &Document, typed: &ScheduleSpec) -> Result<Schedule> {
    let time_zone: Tz = typed.time_zone.parse().map_err(|_| {
        let known: Vec<&str> = TZ_VARIANTS.iter().map(|zone| zone.name()).collect();
        let near =
            nearest(&typed.time_zone, &known).map_or_else(String::new, |near| format!("did you mean '{near}'? "));
        document
            .error("schedule.time_zone", format!("unknown time zone '{}'", typed.time_zone))
            .hint(near + "use a name of the IANA database, e.g. UTC or Europe/Berlin")
    })?;
    Schedule::new(&typed.cron, time_zone, typed.misfire).map_err(|problem| {
        document
            .error("schedule.cron", format!("'{}' is not a valid schedule", typed.cron))
            .source(problem)
            .hint("give minute, hour, day of the month, month and day of the week: \"0 3 * * 1\" is Mondays at 3:00")
    })
}
