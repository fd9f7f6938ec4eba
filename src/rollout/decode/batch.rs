//! The rows of a decoding step.

use anyhow::Result;
use tch::Tensor;

use super::prefix_cache::CachedPrefix;
use super::row::Row;
use crate::model::{KvCache, Policy};
use crate::signal::DecodeReader;

/// Rows are compacted when at most this share of them is still alive, and filled up when at most this share is taken.
pub(super) const COMPACT_BELOW: f64 = 0.8;

/// Responses under way.
pub(super) struct Batch<'e> {
    /// The request behind each row.
    pub(super) rows: Vec<usize>,
    pub(super) cache: KvCache,
    /// The hidden state that each row's next token comes from, `[B, E]`.
    pub(super) hidden: Tensor,
    pub(super) reader: Option<DecodeReader<'e>>,
}

impl Batch<'_> {
    /// Lets the rows that have ended go if enough of them have; gives their number. `keep` gets what they leave behind.
    pub(super) fn compact(
        &mut self,
        rows: &mut [Row<'_>],
        keep: Option<&mut dyn FnMut(CachedPrefix)>,
    ) -> Result<usize> {
        let stays: Vec<bool> =
            self.rows.iter().map(|row| rows[*row].goes_on(self.reader.is_some())).collect();
        let places =
            |wanted: bool| (0i64..).zip(&stays).filter(move |(_, s)| **s == wanted).map(|(place, _)| place);
        let (stay, leave): (Vec<i64>, Vec<i64>) = (places(true).collect(), places(false).collect());
        if stay.len() as f64 > COMPACT_BELOW * self.rows.len() as f64 {
            return Ok(0);
        }
        if let Some(reader) = &mut self.reader {
            let left: Vec<usize> = leave.iter().map(|place| self.rows[*place as usize]).collect();
            let lens: Vec<usize> = left.iter().map(|row| rows[*row].tokens.len()).collect();
            for (row, signals) in left.iter().zip(reader.take(&leave, &lens)?) {
                rows[*row].signals = Some(signals);
            }
            reader.keep_rows(&stay);
        }
        if let Some(keep) = keep {
            leave.iter().for_each(|place| {
                keep(CachedPrefix::of_row(self, *place, &rows[self.rows[*place as usize]]))
            });
        }
        if !stay.is_empty() {
            self.cache.keep_rows(&stay);
        }
        self.rows = stay.iter().map(|place| self.rows[*place as usize]).collect();
        Ok(leave.len())
    }

    /// Has the policy read every row's newest token.
    pub(super) fn step(&mut self, policy: &Policy, rows: &mut [Row<'_>]) -> Result<()> {
        let fed: Vec<(i64, bool)> = self.rows.iter().map(|row| rows[*row].feed()).collect();
        let (next, new): (Vec<i64>, Vec<bool>) = fed.into_iter().unzip();
        let next = Tensor::from_slice(&next).to_device(policy.network.placement.device); // (B)
        self.hidden = match &mut self.reader {
            None => policy.network.step(&next, &mut self.cache, None)?,
            Some(reader) => {
                reader.count(&new);
                policy.network.step(&next, &mut self.cache, Some(reader))?
            }
        };
        Ok(())
    }
}
