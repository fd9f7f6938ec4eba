//! Rotary position embedding, halves kept apart as in Hugging Face models.
//!
//! With `theta_i = base^(-2i/D)` and position `p`, the pair `(x_i, x_{i + D/2})` is rotated by `p * theta_i`.

use std::cell::RefCell;

use tch::{Device, Kind, Tensor};

use super::config::{Llama3Scaling, ModelConfig};

/// Fewest positions that are tabulated.
const MIN_POSITIONS: i64 = 512;
/// Positions computed at a time, so that numbers in double precision take a few MiB.
const BLOCK: i64 = 1 << 12;

/// Cosines and sines of the positions that passes have asked for so far. A model may be made for a million positions where a
/// run uses a few hundred, so tables grow with what is in use.
pub(crate) struct Rope {
    frequencies: Tensor, // (D/2), double
    n_positions: i64,
    kind: Kind,
    device: Device,
    known: RefCell<Tables>,
}

/// Cosines and sines of positions `0..P`, `[P, D/2]` each.
pub(crate) struct Tables {
    /// Cosines.
    pub cos: Tensor,
    /// Sines.
    pub sin: Tensor,
}

/// The rotation of the positions of one forward pass, shaped to broadcast over `[N, heads, D/2]`.
pub(crate) struct Rotation {
    cos: Tensor,
    sin: Tensor,
}

impl Rope {
    /// The rotations of `config`'s positions, in numbers of `kind`.
    #[must_use]
    pub(crate) fn new(config: &ModelConfig, kind: Kind, device: Device) -> Self {
        let half = config.head_dim / 2;
        let frequencies: Vec<f64> = (0..half)
            .map(|i| config.rope.theta.powf(-2.0 * i as f64 / config.head_dim as f64))
            .map(|f| config.rope.scaling.as_ref().map_or(f, |scaling| stretch(f, scaling)))
            .collect();
        let none = || Tensor::empty([0, half], (kind, device));
        Self {
            frequencies: Tensor::from_slice(&frequencies),
            n_positions: config.max_position_embeddings,
            kind,
            device,
            known: RefCell::new(Tables { cos: none(), sin: none() }),
        }
    }

    /// Tables of the first `n` positions or more, of all positions where the model has fewer.
    pub(crate) fn tables(&self, n: i64) -> Tables {
        let mut known = self.known.borrow_mut();
        let n_known = known.len();
        if n_known < n.min(self.n_positions) {
            let n = (n as u64).next_power_of_two() as i64;
            let more = self.compute(n_known, n.max(MIN_POSITIONS).min(self.n_positions));
            let join = |old: &Tensor, new: &Tensor| Tensor::cat(&[old, new], 0);
            *known = Tables { cos: join(&known.cos, &more.cos), sin: join(&known.sin, &more.sin) };
        }
        Tables { cos: known.cos.shallow_clone(), sin: known.sin.shallow_clone() }
    }

    /// Cosines and sines of positions `from..to`, in double precision before they are rounded.
    fn compute(&self, from: i64, to: i64) -> Tables {
        let starts = (from..to).step_by(BLOCK as usize);
        let (cos, sin): (Vec<Tensor>, Vec<Tensor>) = starts
            .map(|start| {
                let end = to.min(start + BLOCK);
                let positions = Tensor::arange_start(start, end, (Kind::Double, Device::Cpu)); // (P)
                let angles = positions.outer(&self.frequencies); // (P, D/2)
                (angles.cos().to_kind(self.kind), angles.sin().to_kind(self.kind))
            })
            .unzip();
        let whole = |parts: &[Tensor]| Tensor::cat(parts, 0).to_device(self.device);
        Tables { cos: whole(&cos), sin: whole(&sin) }
    }

    /// Number of positions of the model.
    pub(crate) fn n_positions(&self) -> i64 {
        self.n_positions
    }

    /// One position per token: `positions` is `[N]`, each below `n` and the model's number of positions.
    #[must_use]
    pub(crate) fn at(&self, positions: &Tensor, n: i64) -> Rotation {
        let Tables { cos, sin } = self.tables(n);
        let shape = |t: &Tensor| t.index_select(0, positions).unsqueeze(1); // (N, 1, D/2)
        Rotation { cos: shape(&cos), sin: shape(&sin) }
    }
}

impl Tables {
    /// P.
    fn len(&self) -> i64 {
        self.cos.size()[0]
    }
}

impl Rotation {
    /// Rotates `x`, `[N, heads, D]`.
    pub(crate) fn apply(&self, x: &Tensor) -> Tensor {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::config::Family;
    use crate::model::config::tests::tiny;

    /// All positions at once, as the definition has it.
    fn whole(rope: &Rope, n: i64) -> [Tensor; 2] {
        let angles = Tensor::arange(n, (Kind::Double, Device::Cpu)).outer(&rope.frequencies);
        [angles.cos(), angles.sin()].map(|t| t.to_kind(rope.kind))
    }

    #[test]
    fn tables_grow_with_the_positions_in_use_and_stay_the_same_to_the_bit() {
        for (head_dim, kind) in [(6, Kind::Float), (64, Kind::Float), (128, Kind::BFloat16)] {
            let config = ModelConfig { head_dim, max_position_embeddings: 20_011, ..tiny(Family::Llama) };
            let rope = Rope::new(&config, kind, Device::Cpu);
            let expected = whole(&rope, 20_011);
            for (asked, there) in [
                (1, 512),
                (512, 512),
                (513, 1024),
                (700, 1024),
                (5000, 8192),
                (20_011, 20_011),
                (90_000, 20_011),
            ] {
                let Tables { cos, sin } = rope.tables(asked);
                assert_eq!(cos.size(), [there, head_dim / 2], "{asked}");
                for (got, expected) in [cos, sin].iter().zip(&expected) {
                    assert_eq!(*got, expected.narrow(0, 0, there), "{head_dim}, {asked}");
                }
            }
        }
    }

    #[test]
    fn a_model_of_very_many_positions_costs_what_is_in_use() {
        let config = ModelConfig { max_position_embeddings: i64::from(i32::MAX), ..tiny(Family::Llama) };
        let rope = Rope::new(&config, Kind::Float, Device::Cpu);
        assert_eq!(rope.tables(3).len(), 512);
        let far = rope.at(&Tensor::from_slice(&[0i64, 600]), 601);
        assert_eq!(far.cos.size(), [2, 1, 2]);
    }
}
