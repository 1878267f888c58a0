//! The arguments that functions of the model have in common.

use lamcat_core::udf::{Argument, ArgumentKind};

pub(super) const CONTEXT: Argument = Argument::new(
    "context",
    ArgumentKind::Any,
    "What is known of the star: an xp list (see xp), a struct whose fields are tokens, e.g. named_struct('teff', 4700, \
     'logg', 2.5), or lam_context(...).",
);
pub(super) const TOKEN: Argument =
    Argument::text("token", "Literal name of the quantity, e.g. 'teff', 'logg', 'm_h', 'logebv', 'bp0'.");
pub(super) const MODEL: Argument =
    Argument::text("model", "Literal name of a registered model; the default model if not given.")
        .optional()
        .shown("model => 'name'");
