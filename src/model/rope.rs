//! Rotary position embedding, halves kept apart as in Hugging Face models.
//!
//! With `theta_i = base^(-2i/D)` and position `p`, the pair `(x_i, x_{i + D/2})` is rotated by `p * theta_i`.

use tch::{Device, Kind, Tensor};

use super::config::{Llama3Scaling, ModelConfig};

/// Cosines and sines of every position, `[P, D/2]` each.
pub struct Rope {
    cos: Tensor,
    sin: Tensor,
}

/// The rotation of the positions of one forward pass, shaped to broadcast over `[N, heads, D/2]`.
pub struct Rotation {
    cos: Tensor,
    sin: Tensor,
}

impl Rope {
    /// Tables for positions `0..n_positions`, computed in double precision.
    #[must_use]
    pub fn new(config: &ModelConfig, n_positions: i64, kind: Kind, device: Device) -> Self {
        let half = config.head_dim / 2;
        let frequencies: Vec<f64> = (0..half)
            .map(|i| config.rope.theta.powf(-2.0 * i as f64 / config.head_dim as f64))
            .map(|f| config.rope.scaling.as_ref().map_or(f, |scaling| stretch(f, scaling)))
            .collect();
        let positions = Tensor::arange(n_positions, (Kind::Double, Device::Cpu)); // (P)
        let angles = positions.outer(&Tensor::from_slice(&frequencies)); // (P, D/2)
        let table = |t: Tensor| t.to_kind(kind).to_device(device);
        Self { cos: table(angles.cos()), sin: table(angles.sin()) }
    }

    /// Cosines and sines, `[P, D/2]` each.
    pub fn tables(&self) -> (&Tensor, &Tensor) {
        (&self.cos, &self.sin)
    }

    /// Number of positions the tables hold.
    #[must_use]
    pub fn n_positions(&self) -> i64 {
        self.cos.size()[0]
    }

    /// One position per token: `positions` is `[N]`.
    #[must_use]
    pub fn at(&self, positions: &Tensor) -> Rotation {
        let shape = |t: &Tensor| t.index_select(0, positions).unsqueeze(1); // (N, 1, D/2)
        Rotation { cos: shape(&self.cos), sin: shape(&self.sin) }
    }
}

impl Rotation {
    /// Rotates `x`, `[N, heads, D]`.
    pub fn apply(&self, x: &Tensor) -> Tensor {
        let halves = x.chunk(2, -1);
        let (a, b) = (&halves[0], &halves[1]);
        let first = a * &self.cos - b * &self.sin;
        let second = b * &self.cos + a * &self.sin;
        Tensor::cat(&[first, second], -1)
    }
}

/// Llama 3's context extension: long wavelengths are slowed by `factor`, short ones kept, those between blended.
fn stretch(frequency: f64, scaling: &Llama3Scaling) -> f64 {
    let wavelength = 2.0 * std::f64::consts::PI / frequency;
    let original = scaling.original_max_position_embeddings as f64;
    if wavelength < original / scaling.high_freq_factor {
        return frequency;
    }
    if wavelength > original / scaling.low_freq_factor {
        return frequency / scaling.factor;
    }
    let smooth = (original / wavelength - scaling.low_freq_factor)
        / (scaling.high_freq_factor - scaling.low_freq_factor);
    (1.0 - smooth) * frequency / scaling.factor + smooth * frequency
}
