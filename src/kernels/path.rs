//! Selects the instruction set.

use std::fmt;

use pulp::{Arch, WithSimd};

use super::{
    attention::{SelfAttention, Softmax},
    int8::Round,
    int8_product::Int8Product,
    machine::WithVnni,
    pointwise::{AddAndNorm, Embed},
    product::Product,
};

/// An instruction set that this machine has.
#[derive(Clone, Copy)]
pub struct Path(Arch);

impl Default for Path {
    /// Returns the fastest instruction set.
    fn default() -> Self {
        Self(Arch::new())
    }
}

impl Path {
    /// Returns the instruction sets that this machine has, fastest first: AVX-512, AVX2 with FMA, NEON, and plain code.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(pulp::x86::V4::try_new().map(|v4| Self(Arch::V4(v4))));
            all.extend(pulp::x86::V3::try_new().map(|v3| Self(Arch::V3(v3))));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(pulp::aarch64::Neon::try_new().map(|neon| Self(Arch::Neon(neon))));
        all.push(Self(Arch::Scalar));
        all
    }

    /// A short name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Arch::V4(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Arch::V3(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Arch::Neon(_) => "neon",
            _ => "portable",
        }
    }

    fn run<Op: WithSimd>(self, op: Op) -> Op::Output {
        self.0.dispatch(op)
    }

    /// Computes a matrix product.
    pub fn product(self, product: Product<'_>) {
        self.run(product);
    }

    /// Computes a matrix product of 8-bit integers.
    pub fn int8_product(self, product: Int8Product<'_>) {
        self.run(WithVnni(product, self.has_vnni()));
    }

    /// Rounds rows to 8 bits.
    pub fn round(self, round: Round<'_>) {
        self.run(WithVnni(round, self.has_vnni()));
    }

    /// Whether the machine has an instruction for 8-bit products, which makes them faster than f32 products.
    #[must_use]
    pub fn has_vnni(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        if let Arch::V4(_) = self.0 {
            return is_x86_feature_detected!("avx512vnni");
        }
        false
    }

    /// Computes the attention of a star's tokens to each other.
    pub fn attend(self, attention: SelfAttention<'_>) {
        self.run(attention);
    }

    /// Computes the weights of tokens from their scores.
    pub fn softmax(self, softmax: Softmax<'_>) {
        self.run(softmax);
    }

    /// Computes the layer norm of a sum.
    pub fn add_and_norm(self, norm: AddAndNorm<'_>) {
        self.run(norm);
    }

    /// Computes the embedding of a token.
    pub fn embed(self, embed: Embed<'_>) {
        self.run(embed);
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
