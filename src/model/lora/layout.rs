//! Where each adapter lies in the one flat f32 buffer that holds them all: layer by layer, `A` and then `B` of each matrix.

use anyhow::{Context, Result, ensure};
use tch::Tensor;

use super::peft::LoraBase;
use super::settings::LoraSettings;
use crate::model::config::ModelConfig;
use crate::model::layout::{Entry, Layout, Slot};
use crate::types::{Purpose, RunRandom};

/// The adapters of a model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LoraLayout {
    /// Which there are, and of which size.
    pub settings: LoraSettings,
    /// What they are adapters of.
    pub base: LoraBase,
    /// Those of each matrix of the decoder, first layer first.
    pub(super) matrices: Vec<Adapted>,
    entries: Vec<Entry>,
    n_params: i64,
}

/// The adapters of a matrix of the decoder, perhaps of several fused ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Adapted {
    /// Where the matrix lies among all parameters, `[out, in]`.
    pub slot: Slot,
    /// Those of its rows that have adapters, a part for each matrix that it is made of.
    pub parts: Vec<Part>,
}

/// The adapter of some rows of a matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The first row.
    pub first: i64,
    /// How many there are, `out`.
    pub rows: i64,
    /// `[rank, in]`, in the flat buffer of adapters.
    pub a: Slot,
    /// `[out, rank]`, there too.
    pub b: Slot,
}

impl LoraLayout {
    /// Places the adapters of a policy of shape `config`, whose parameters lie as `whole` says.
    ///
    /// # Errors
    /// If the rank is larger than a matrix.
    pub(crate) fn new(
        config: &ModelConfig,
        whole: &Layout,
        settings: LoraSettings,
        base: LoraBase,
    ) -> Result<Self> {
        let (rank, targets) = (i64::from(settings.rank), settings.targets().context("`targets`")?);
        let mut this = Self { settings, base, matrices: Vec::new(), entries: Vec::new(), n_params: 0 };
        for l in 0..config.n_layers {
            for target in &targets {
                let name = format!("model.layers.{l}.{}.{}", target.block(), target.name());
                let matrix = whole.find(&format!("{name}.weight"));
                let matrix = matrix.with_context(|| format!("the model has no matrix {name}"))?;
                let &[rows, columns] = matrix.shape.as_slice() else { anyhow::bail!("{name}: no matrix") };
                ensure!(
                    rank <= rows.min(columns),
                    "`rank`: got {rank}, expected at most {}, the smaller side of {name}, which is {rows} x {columns}",
                    rows.min(columns)
                );
                let a = this.put(format!("base_model.model.{name}.lora_A.weight"), [rank, columns]);
                let b = this.put(format!("base_model.model.{name}.lora_B.weight"), [rows, rank]);
                let slot = whole.layer(usize::try_from(l)?).around(matrix.start);
                let slot = slot.with_context(|| format!("{name} is of no layer"))?;
                let first = (matrix.start - slot.start) / columns;
                let part = Part { first, rows, a, b };
                match this.matrices.last_mut().filter(|last| last.slot == *slot) {
                    Some(last) => last.parts.push(part),
                    None => this.matrices.push(Adapted { slot: slot.clone(), parts: vec![part] }),
                }
            }
        }
        Ok(this)
    }

    /// No adapters: a model of `base` that stays as it is.
    pub(in crate::model) fn none(&self) -> Self {
        Self { matrices: Vec::new(), entries: Vec::new(), n_params: 0, ..self.clone() }
    }

    /// A of the adapter of the matrix at `slot`, which is made of no others, if it has one.
    pub(in crate::model) fn read_by(&self, slot: &Slot) -> Option<&Slot> {
        let matrix = self.matrices.iter().find(|matrix| matrix.slot == *slot)?;
        matrix.parts.first().map(|part| &part.a)
    }

    fn put(&mut self, name: String, shape: [i64; 2]) -> Slot {
        let slot = Slot { start: self.n_params, shape: shape.to_vec() };
        self.entries.push(Entry { name, shape: shape.to_vec(), start: self.n_params });
        self.n_params += slot.n_elements();
        slot
    }

    /// Every A and B once, in the order of the buffer and without gaps.
    #[must_use]
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Length of the flat buffer, in elements.
    #[must_use]
    pub(crate) const fn n_params(&self) -> i64 {
        self.n_params
    }

    /// Elements of the matrices that adapters stand beside.
    #[must_use]
    pub(crate) fn n_merged(&self) -> i64 {
        self.matrices.iter().map(|matrix| matrix.slot.n_elements()).sum()
    }

    /// Whether the adapters `flat` leave every weight as it is: all B are 0.
    pub(in crate::model) fn adds_nothing(&self, flat: &Tensor) -> bool {
        let parts = || self.matrices.iter().flat_map(|matrix| &matrix.parts);
        parts().all(|part| part.b.of(flat).count_nonzero(None).int64_value(&[]) == 0)
    }

    /// The adapters that training begins with: B is 0, A uniform up to `1 / sqrt(in)`, as peft has it (Kaiming's, by `sqrt(5)`).
    ///
    /// # Errors
    /// If they do not fit into memory.
    pub(in crate::model) fn begin(&self, random: &RunRandom) -> Result<Vec<f32>> {
        use rand::RngExt;
        let mut flat = vec![0f32; usize::try_from(self.n_params)?];
        for part in self.matrices.iter().flat_map(|matrix| &matrix.parts) {
            let bound = (part.a.shape[1] as f64).sqrt().recip();
            let place = usize::try_from(part.a.start)?..usize::try_from(part.a.start + part.a.n_elements())?;
            let mut rng = random.stream(Purpose::Adapters, &[part.a.start as u64]);
            flat[place].fill_with(|| (bound * (2.0 * rng.random::<f64>() - 1.0)) as f32);
        }
        Ok(flat)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::model::config::Family;
    use crate::model::config::tests::tiny;

    fn layout(family: Family, rank: u32, targets: &[&str]) -> Result<LoraLayout> {
        let config = tiny(family);
        let targets = targets.iter().map(ToString::to_string).collect();
        let settings = LoraSettings { rank, targets, ..LoraSettings::default() };
        LoraLayout::new(&config, &Layout::new(&config), settings, LoraBase::default())
    }

    /// V=11 E=8 F=6 L=2 H=4 K=2 D=4, counted by hand.
    #[test]
    fn adapters_fill_the_buffer_in_the_order_of_the_model() {
        let layout = layout(Family::Qwen2, 2, &["down_proj", "v_proj", "q_proj"]).unwrap();
        let own: Vec<(&str, i64)> =
            layout.entries().iter().map(|entry| (entry.name.as_str(), entry.start)).collect();
        let of = |part: &str| format!("base_model.model.model.layers.0.{part}.weight");
        let names = [
            "self_attn.q_proj.lora_A",
            "self_attn.q_proj.lora_B",
            "self_attn.v_proj.lora_A",
            "self_attn.v_proj.lora_B",
            "mlp.down_proj.lora_A",
            "mlp.down_proj.lora_B",
        ]
        .map(of);
        for ((name, start), (own, at)) in names.iter().zip([0, 16, 48, 64, 80, 92]).zip(&own) {
            assert_eq!((name.as_str(), start), (*own, *at));
        }
        assert_eq!((own.len(), layout.n_params()), (12, 2 * 108));
        let [qkv, down] = &layout.matrices[..2] else { panic!("{:?}", layout.matrices) };
        assert_eq!((qkv.slot.start, qkv.parts.len(), down.parts.len()), (88, 2, 1));
        let rows: Vec<(i64, i64)> = qkv.parts.iter().map(|part| (part.first, part.rows)).collect();
        assert_eq!(rows, [(0, 16), (24, 8)]);
        let begun = layout.begin(&RunRandom::new(3)).unwrap();
        let largest = |place: std::ops::Range<usize>| begun[place].iter().fold(0f32, |a, x| a.max(x.abs()));
        assert!(largest(0..16) > 0.25 && largest(0..16) <= 8f32.sqrt().recip());
        assert_eq!(largest(16..48), 0.0);
        assert_ne!(begun[0..8], begun[48..56]);
    }

    #[test]
    fn a_rank_beyond_a_matrix_is_refused() {
        let error = layout(Family::Llama, 7, &["q_proj", "gate_proj"]).unwrap_err().to_string();
        assert_eq!(
            error,
            "`rank`: got 7, expected at most 6, the smaller side of model.layers.0.mlp.gate_proj, which is 6 x 8"
        );
    }
}
