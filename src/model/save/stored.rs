//! The precision of weights in a file, and how numbers are written in it.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use half::{bf16, f16};
use safetensors::Dtype;
use serde_json::Value;

use crate::files::model_folder::CONFIG;
use crate::files::read_regular;
use crate::model::load::StoredWeights;

/// The precision of weights in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum StoredDtype {
    /// IEEE single precision, bit for bit the master weights.
    #[default]
    F32,
    /// bfloat16, to the nearest.
    Bf16,
    /// IEEE half precision, to the nearest.
    F16,
}

impl StoredDtype {
    /// That of the weights in the model folder `folder`: of most of their numbers, or where there are none as its configuration says.
    ///
    /// # Errors
    /// If neither can be read.
    pub(crate) fn of_folder(folder: &Path) -> Result<Self> {
        if let Some(dtype) = StoredWeights::open(folder).ok().and_then(|stored| stored.dtype()) {
            return Ok(dtype);
        }
        let config: Value = serde_json::from_slice(&read_regular(&folder.join(CONFIG), u64::MAX)?)?;
        let said = config.get("dtype").or_else(|| config.get("torch_dtype")).and_then(Value::as_str);
        let known = [Self::F32, Self::Bf16, Self::F16].into_iter();
        Ok(known.clone().find(|dtype| said == Some(dtype.in_config())).unwrap_or_default())
    }

    /// What `config.json` calls it.
    #[must_use]
    pub(crate) fn in_config(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::Bf16 => "bfloat16",
            Self::F16 => "float16",
        }
    }

    /// What safetensors calls it.
    #[must_use]
    pub(crate) fn in_header(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::Bf16 => Dtype::BF16,
            Self::F16 => Dtype::F16,
        }
    }

    /// That which safetensors calls so.
    #[must_use]
    pub(crate) fn from_header(dtype: Dtype) -> Option<Self> {
        [Self::F32, Self::Bf16, Self::F16].into_iter().find(|own| own.in_header() == dtype)
    }

    /// Bytes of a number.
    #[must_use]
    pub(super) fn width(self) -> usize {
        self.in_header().bitsize() / 8
    }

    /// Puts `numbers` into `bytes`, the lowest byte first. Gives the first that is too large for it.
    pub(super) fn encode(self, numbers: &[f32], bytes: &mut [u8]) -> Option<f32> {
        match self {
            Self::F32 => {
                for (x, bytes) in numbers.iter().zip(bytes.as_chunks_mut().0) {
                    *bytes = x.to_le_bytes();
                }
            }
            Self::Bf16 => {
                for (x, bytes) in numbers.iter().zip(bytes.as_chunks_mut().0) {
                    *bytes = bf16::from_f32(*x).to_le_bytes();
                }
            }
            Self::F16 => {
                for (x, bytes) in numbers.iter().zip(bytes.as_chunks_mut().0) {
                    *bytes = f16::from_f32(*x).to_le_bytes();
                }
            }
        }
        let rounded = |x: f32| match self {
            Self::F32 => x,
            Self::Bf16 => bf16::from_f32(x).to_f32(),
            Self::F16 => f16::from_f32(x).to_f32(),
        };
        numbers.iter().copied().find(|x| x.is_finite() && rounded(*x).is_infinite())
    }
}

impl fmt::Display for StoredDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        })
    }
}
