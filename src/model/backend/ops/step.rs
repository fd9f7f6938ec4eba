//! One decoding step by libtorch's operations.

use tch::Tensor;

use super::super::Decoder;
use crate::model::kv_cache::{AttentionTap, KvCache};

impl Decoder<'_> {
    /// The next token of every row, `[B]`, to the final hidden states, `[B, E]`. `tap` sees the attention of the layers that it
    /// names.
    pub(super) fn step(
        &self,
        tokens: &Tensor,
        cache: &mut KvCache,
        mut tap: Option<&mut dyn AttentionTap>,
    ) -> Tensor {
        let (b, k, d) = (tokens.size()[0], self.config.n_kv_heads, self.config.head_dim);
        let group = self.config.n_heads / k;
        // A row that has ended is fed on until it leaves the batch, if need be past the last position.
        let positions = cache.next_positions().clamp_max(self.rope.n_positions() - 1);
        let rotation = self.rope.at(&positions.to_device(tokens.device()), cache.n_positions());
        let mut x = self.enter(self.embed(tokens)); // (B, E)
        for (l, layer) in self.weights.layers.iter().enumerate() {
            let by = self.config.attention(l);
            x = self.block(layer, x, &rotation, |[q, key, value]| {
                let q = (q * by.scale).view([b * k, group, d]);
                let tap: Option<&mut dyn AttentionTap> = match &mut tap {
                    Some(tap) if tap.wants(l) => Some(&mut **tap),
                    _ => None,
                };
                let out = cache.attend(l, &q, &key.unsqueeze(2), &value.unsqueeze(2), by, tap);
                out.view([b, k * group * d])
            });
        }
        cache.advance();
        self.norm(&x, &self.weights.final_norm)
    }
}
