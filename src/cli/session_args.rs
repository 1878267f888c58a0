//! The options that every command with a session has.

use std::path::Path;

use anyhow::{Context, bail};
use clap::Args;
use lamcat_core::{error::without_secrets, schema::limits};
use lamcat_model::{
    Model,
    inference::{Device, DeviceKind, Precision},
};
use lamcat_sql::{
    planner::LamcatOptions,
    session::{Session, SessionOptions},
};

use super::numbers;

#[derive(Debug, Args)]
pub(super) struct SessionArgs {
    /// A model file to register, path or URL, `FILE` or `NAME=FILE`; the first one becomes the default model. Repeatable.
    #[arg(
        long = "model",
        value_name = "[NAME=]FILE",
        env = "LAMCAT_MODEL",
        hide_env_values = true,
        value_delimiter = ','
    )]
    models: Vec<String>,
    #[command(flatten)]
    limits: LimitArgs,
    /// Rows gathered for the inference device at once [default: what suits the device].
    #[arg(long, value_name = "N", value_parser = numbers::within::<usize>(limits::BATCH_ROWS))]
    batch_rows: Option<usize>,
    /// Where models compute.
    #[arg(long, value_enum, value_name = "DEVICE", default_value_t, env = "LAMCAT_DEVICE")]
    device: DeviceKind,
    /// Precision in which models compute.
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
}

/// What a session may use, of commands that have no model.
#[derive(Debug, Args)]
pub(super) struct LimitArgs {
    /// Threads that models compute on and partitions that a query is split into [default: one per core that the process may
    /// use, by the limits of its container, too].
    #[arg(long, value_name = "N", value_parser = numbers::within::<usize>(limits::THREADS))]
    threads: Option<usize>,
    /// Memory that queries may hold, e.g. 800MB or 4GB [default: no limit].
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    memory: Option<usize>,
}

impl LimitArgs {
    fn options(&self) -> SessionOptions {
        SessionOptions { partitions: self.threads, memory_bytes: self.memory, ..SessionOptions::default() }
    }

    pub(super) fn open(&self) -> anyhow::Result<Session> {
        Ok(Session::new(&self.options())?)
    }
}

impl SessionArgs {
    /// The limit of the memory in bytes, if there is one.
    pub(super) fn memory(&self) -> Option<usize> {
        self.limits.memory
    }

    /// Number of rows of a device batch.
    pub(super) fn batch_rows(&self, device: &Device) -> usize {
        self.batch_rows.unwrap_or_else(|| device.batch_rows())
    }

    pub(super) async fn open(&self) -> anyhow::Result<Session> {
        let options = SessionOptions { device: self.device, precision: self.precision, ..self.limits.options() };
        let session = Session::new(&options)?;
        if let Some(rows) = self.batch_rows {
            let state = session.context().state_ref();
            let mut state = state.write();
            if let Some(lamcat) = state.config_mut().options_mut().extensions.get_mut::<LamcatOptions>() {
                lamcat.batch_rows = rows;
            }
        }
        for (i, spec) in self.models.iter().enumerate() {
            let model = open_model(&session, spec).await?;
            if i == 0 {
                session.engine().set_default_model(model);
            } else {
                session.engine().register_model(model);
            }
        }
        Ok(session)
    }
}

async fn open_model(session: &Session, spec: &str) -> anyhow::Result<Model> {
    // A path may contain an equals sign too.
    let (name, path) = match spec.split_once('=').filter(|_| !Path::new(spec).exists()) {
        Some((name, path)) if !name.contains(['/', ':', '?', '.']) => (Some(name), path),
        _ => (None, spec),
    };
    let file = session.read(path).await?;
    let model = Model::from_bytes(&file).map_err(|e| e.at("file", without_secrets(path)))?;
    Ok(match name {
        Some(name) => model.with_name(name),
        None => model,
    })
}

fn parse_bytes(text: &str) -> anyhow::Result<usize> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1.0,
        "K" | "KB" => 1e3,
        "M" | "MB" => 1e6,
        "G" | "GB" => 1e9,
        "KIB" => 1024.0,
        "MIB" => 1024.0 * 1024.0,
        "GIB" => 1024.0 * 1024.0 * 1024.0,
        other => bail!("'{other}' is not a unit of memory; use MB, GB, MiB or GiB"),
    };
    let value: f64 = digits.trim().parse().context("memory is a number with a unit, e.g. 4GB")?;
    let bytes = value * unit;
    if !(1.0..=*limits::MEMORY_BYTES.end() as f64).contains(&bytes) {
        bail!("memory is at least 1 byte and at most a pebibyte");
    }
    Ok(bytes as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_units() {
        assert_eq!(parse_bytes("800MB").unwrap(), 800_000_000);
        assert_eq!(parse_bytes("1.5GiB").unwrap(), 1_610_612_736);
        assert!(parse_bytes("3 parsecs").is_err());
        for absurd in ["-1GB", "0", "nanGB", "infGB", "1e30GB", "99999999999999999999"] {
            assert!(parse_bytes(absurd).is_err(), "{absurd}");
        }
    }
}
