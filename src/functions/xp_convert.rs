//! `xp_convert`: flux against pseudo-wavelength.

use arrow::datatypes::{DataType, Field};

use super::{
    lists::{item, lists},
    xp_parameters::{PHOTOMETER, RELEVANT, SAMPLING},
    xp_udf::{Kind, Literals, Parameter, XpSpec, described},
};
use crate::{
    error::{Error, ErrorKind},
    xp::{Photometer, Sampling, band},
};

pub(super) const SPEC: XpSpec = XpSpec {
    name: "xp_convert",
    syntax: "xp_convert(coefficients, photometer, sampling [, n_relevant_bases])",
    description: "The internally calibrated spectrum of one band, flux in e-/s at the pseudo-wavelengths of sampling; \
                  the result of GaiaXPy's convert. Elements of sampling outside -10 to 70 or NULL give NULL elements. \
                  The result is NULL where a list is NULL, and where the coefficients are empty, more than 55 or have a \
                  NaN or NULL among those used. List of Float64.",
    example: "SELECT source_id, xp_convert(bp_coefficients, 'bp', range(0, 61)) AS flux FROM stars",
    parameters: &[
        Parameter {
            name: "coefficients",
            kind: Kind::Coefficients,
            meaning: "List of up to 55 coefficients of one band as the Gaia archive gives them.",
        },
        PHOTOMETER,
        SAMPLING,
        RELEVANT,
    ],
    required: 3,
    field: |literals| {
        Ok(sampled_field(
            photometer(literals, 1)?,
            ["phot.flux;em.opt.B", "phot.flux;em.opt.R"],
            "Internally calibrated spectrum",
        ))
    },
    evaluate: |args| {
        let photometer = photometer(&args.literals(), 1)?;
        let (coefficients, sampling, relevant) = (args.lists(0)?, args.lists(2)?, args.counts(3)?);
        let mut sampled = Sampled::new(photometer);
        Ok(lists(args.rows, |row, out| {
            let coefficients = band(coefficients.row(row), relevant.row(row)).ok()??;
            out.extend(sampled.at(sampling.row(row)?).flux(coefficients));
            Some(())
        }))
    },
};

/// The photometer named by a literal argument.
pub(super) fn photometer(literals: &Literals, at: usize) -> Result<Photometer, Error> {
    match literals.name(at)?.to_ascii_lowercase().as_str() {
        "bp" => Ok(Photometer::Bp),
        "rp" => Ok(Photometer::Rp),
        other => Err(Error::new(ErrorKind::Plan, format!("unknown photometer '{other}'")).hint("write 'bp' or 'rp'")),
    }
}

/// Field of a list of fluxes or of their errors; its UCD for either photometer.
pub(super) fn sampled_field(photometer: Photometer, ucds: [&'static str; 2], description: &'static str) -> Field {
    described(DataType::List(item()), "electron.s**-1", ucds[photometer as usize], description)
}

/// The bases at the sampling of the latest row, kept while rows have the same one.
pub(super) struct Sampled {
    photometer: Photometer,
    positions: Vec<f64>,
    sampling: Sampling,
}

impl Sampled {
    pub(super) fn new(photometer: Photometer) -> Self {
        Self { photometer, positions: Vec::new(), sampling: Sampling::new(photometer, &[]) }
    }

    pub(super) fn at(&mut self, positions: &[f64]) -> &Sampling {
        if self.positions != positions {
            self.sampling = Sampling::new(self.photometer, positions);
            self.positions = positions.to_vec();
        }
        &self.sampling
    }
}
