//! `lamcat release show`.

use std::io::Write;

use anyhow::Context;
use indicatif::HumanBytes;
use lamcat_release::{releases, summary};
use serde_json::json;

use super::{
    super::{
        stdout::out,
        text_table::{Cell, text_table},
    },
    ReleaseArgs,
};

pub(super) async fn run(args: &ReleaseArgs) -> anyhow::Result<()> {
    let (storage, folder) = args.open().await?;
    let manifest = releases::manifest(&storage, &folder).await?.context("the release has lost its manifest")?;
    let properties = releases::collection_properties(&storage, &folder).await?;
    let schema = summary::schema(&storage, &folder, &manifest.name).await?;
    let meta = |field: &arrow::datatypes::Field, key: &str| field.metadata().get(key).cloned().unwrap_or_default();
    let shown = storage.shown(&folder);
    let path = shown.trim_end_matches('/');
    let tiles = summary::leaves(&manifest, &folder).len();
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let mut out = out();
    if args.json {
        let columns = schema.fields().iter().map(|field| {
            json!({
                "name": field.name(), "type": field.data_type().to_string(), "unit": meta(field, "unit"),
                "ucd": meta(field, "ucd"), "description": meta(field, "description"),
            })
        });
        let properties: serde_json::Map<_, _> =
            properties.into_iter().map(|(key, value)| (key, value.into())).collect();
        let shown = json!({
            "name": manifest.name, "version": manifest.version, "job": manifest.job, "rows": manifest.rows,
            "tiles": tiles, "files": manifest.files.len(), "bytes": bytes, "path": path, "properties": properties,
            "cuts": manifest.cuts, "columns": columns.collect::<Vec<_>>(),
        });
        return Ok(writeln!(out, "{shown:#}")?);
    }
    let mut pairs = vec![
        ("catalogue", format!("{} {}", manifest.name, manifest.version)),
        ("rows", format!("{} in {tiles} tiles", manifest.rows)),
        ("files", format!("{}, {}", manifest.files.len(), HumanBytes(bytes))),
        ("job", manifest.job.clone()),
        ("open", format!("lsdb.open_catalog(\"{path}\")")),
    ];
    let cuts: Vec<(String, String)> = manifest
        .cuts
        .iter()
        .map(|cut| (format!("cut {}", cut.name), format!("{} rows: {}", cut.rows, cut.condition)))
        .collect();
    pairs.extend(cuts.iter().map(|(key, value)| (key.as_str(), value.clone())));
    pairs.extend(properties.iter().map(|(key, value)| (key.as_str(), value.clone())));
    let width = pairs.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    for (key, value) in pairs {
        // The lines of a long text are printed below each other.
        let value = value.trim_end().replace('\n', &format!("\n{:width$}  ", ""));
        writeln!(out, "{key:<width$}  {value}")?;
    }
    let rows = schema.fields().iter().map(|field| {
        let cells = [
            field.name().clone(),
            field.data_type().to_string(),
            meta(field, "unit"),
            meta(field, "ucd"),
            meta(field, "description"),
        ];
        cells.into_iter().map(Cell::text).collect()
    });
    let header = ["column", "type", "unit", "UCD", "description"];
    Ok(write!(out, "\n{}", text_table(&header, &rows.collect::<Vec<Vec<Cell>>>()))?)
}
