//! Options that replace values of a pipeline file.

use anyhow::Context;
use clap::Args;
use lamcat_catalogue::pipeline::Overrides;
use lamcat_model::inference::DeviceKind;
use lamcat_sql::session::Location;
use semver::Version;

#[derive(Debug, Args)]
pub(super) struct OverrideArgs {
    /// Read this path or URL for an input, in place of the file's. Repeatable.
    #[arg(long = "input", value_name = "NAME=PATH", value_parser = parse_input)]
    inputs: Vec<(String, Location)>,
    /// Folder or URL for the catalogue, in place of the file's.
    #[arg(long, value_name = "DIR")]
    store: Option<Location>,
    /// Version of the release, in place of the file's.
    #[arg(long, value_name = "VERSION")]
    release_version: Option<Version>,
    /// Model file, path or URL, in place of the file's.
    #[arg(long, value_name = "FILE")]
    model: Option<Location>,
    /// Where the model computes, in place of the file's.
    #[arg(long, value_enum, value_name = "DEVICE")]
    device: Option<DeviceKind>,
}

impl OverrideArgs {
    pub(super) fn overrides(&self) -> Overrides {
        Overrides {
            inputs: self.inputs.clone(),
            store: self.store.clone(),
            version: self.release_version.clone(),
            model: self.model.clone(),
            device: self.device,
        }
    }
}

fn parse_input(text: &str) -> anyhow::Result<(String, Location)> {
    let (name, path) = text.split_once('=').context("an input is NAME=PATH, e.g. stars='xp/*.parquet'")?;
    Ok((name.to_owned(), path.into()))
}
