//! Options for the sizes of a network.

use clap::{Args, ValueEnum};
use lamcat_model::Architecture;
use lamcat_train::Size;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Preset {
    Tiny,
    Small,
    Full,
}

#[derive(Debug, Args)]
pub(super) struct SizeArgs {
    /// The network's sizes: width 32, 64 or the published 128.
    #[arg(long, value_enum, default_value_t = Preset::Small)]
    size: Preset,
    /// Slots of the context, instead of 64.
    #[arg(long, value_name = "N")]
    context: Option<usize>,
    /// Width of a token, instead of the size's.
    #[arg(long, value_name = "N")]
    width: Option<usize>,
    /// Attention heads of the first encoder block, instead of the size's.
    #[arg(long, value_name = "N")]
    encoder_heads: Option<usize>,
    /// Dense width of the first encoder block, instead of the size's.
    #[arg(long, value_name = "N")]
    encoder_dense: Option<usize>,
    /// Attention heads of the first decoder block, instead of the size's.
    #[arg(long, value_name = "N")]
    decoder_heads: Option<usize>,
    /// Dense width of the first decoder block, instead of the size's.
    #[arg(long, value_name = "N")]
    decoder_dense: Option<usize>,
}

impl SizeArgs {
    /// The sizes of the preset, with those that were given in their place.
    pub(super) fn architecture(&self) -> Architecture {
        let base = match self.size {
            Preset::Tiny => Size::Tiny,
            Preset::Small => Size::Small,
            Preset::Full => Size::Full,
        }
        .architecture();
        Architecture {
            context_length: self.context.unwrap_or(base.context_length),
            width: self.width.unwrap_or(base.width),
            encoder_heads: self.encoder_heads.unwrap_or(base.encoder_heads),
            encoder_dense: self.encoder_dense.unwrap_or(base.encoder_dense),
            decoder_heads: self.decoder_heads.unwrap_or(base.decoder_heads),
            decoder_dense: self.decoder_dense.unwrap_or(base.decoder_dense),
            ..base
        }
    }
}
