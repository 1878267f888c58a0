//! `extinction_curve`: extinction relative to that in V.

use super::{
    numeric::{Kernel, Spec, number, word},
    reference::SECTION_SKY,
};
use crate::{
    schema::ColumnMeta,
    xp::extinction::{CCM89, F99, G23, O94},
};

pub(super) static SPEC: Spec = Spec {
    name: "extinction_curve",
    arguments: &[
        word("law", "Literal 'CCM89', 'O94', 'F99' or 'G23'."),
        number("wavelength_nm", "Wavelength in nm."),
        number("rv", "R(V) = A(V) / E(B-V); 3.1 is the mean of the diffuse medium."),
    ],
    required: 3,
    kernel: Kernel::Chosen(&[
        ("CCM89", |r| CCM89.at(r.float(1)?, r.float(2)?)),
        ("O94", |r| O94.at(r.float(1)?, r.float(2)?)),
        ("F99", |r| F99.at(r.float(1)?, r.float(2)?)),
        ("G23", |r| G23.at(r.float(1)?, r.float(2)?)),
    ]),
    meta: ColumnMeta { unit: "", ucd: "phys.absorption", description: "Extinction relative to that in the V band" },
    section: SECTION_SKY,
    description: "A(lambda) / A(V) by a law of the Milky Way's extinction: CCM89 (Cardelli, Clayton & Mathis 1989), \
        O94 (the same with O'Donnell's 1994 optical part), F99 (Fitzpatrick 1999), each for 100 to 3333 nm \
        and R(V) 2 to 6, or G23 (Gordon et al. 2023) for 91.2 nm to 32 um and R(V) 2.3 to 5.6. NULL outside. \
        Float64.",
    example: "SELECT 3.1 * ebv * extinction_curve('G23', 673, 3.1) AS a_g FROM stars",
};
