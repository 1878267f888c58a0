//! Functions for positions on the sky and for the light of stars, whatever survey they come from.

use lamcat_core::{
    functions,
    udf::{Argument, Section},
};

functions! {
    healpix,
    healpix_29,
    cone,
    cone_pixels,
    sky_distance,
    fakemag,
    fakemag_error,
    absmag,
    extinction_curve,
}

static SECTION: Section = Section {
    label: "Sky and star functions",
    description: "Positions, pixels, brightness and extinction. Any numeric types are taken; where an argument is \
                  NULL, NaN or infinite the result is NULL.",
    appendix: |_| None,
};

const RA: Argument = Argument::number("ra", "Right ascension (ICRS) in degrees, any finite value.");
const DEC: Argument = Argument::number("dec", "Declination (ICRS) in degrees, -90 to 90.");
