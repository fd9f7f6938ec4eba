//! Draws the next token of rows, and says which of them end with it.

use anyhow::Result;
use rayon::prelude::*;
use tch::Tensor;

use super::batch::Batch;
use super::row::Row;
use crate::model::{Head, Policy};
use crate::rollout::Generation;
use crate::text::Stops;
use crate::types::{Finish, TokenId};

/// How the tokens of a call are drawn.
pub(super) struct Draw<'d> {
    generation: &'d Generation,
    policy: &'d Policy,
    eos: &'d [TokenId],
    stops: Option<Stops>,
    /// What cannot be drawn as long as a response must go on, int64: the end tokens, and rows without a token.
    barred: Option<Tensor>,
}

impl<'d> Draw<'d> {
    /// As `generation` says, where a response ends at any of `eos` and at strings of `stops`.
    pub(super) fn new(
        policy: &'d Policy,
        generation: &'d Generation,
        eos: &'d [TokenId],
        stops: Option<Stops>,
    ) -> Self {
        let barred = (generation.sampling.min_new_tokens > 0).then(|| policy.rows_without(eos));
        Self { generation, policy, eos, stops, barred }
    }

    /// Draws the next token of every row of `batch` that has not ended.
    ///
    /// # Errors
    /// If a text cannot be decoded.
    pub(super) fn extend(&self, rows: &mut [Row<'_>], batch: &Batch<'_>) -> Result<()> {
        let sampling = &self.generation.sampling;
        let drawn = self.tokens(rows, batch)?;
        for (row, (token, logprob)) in batch.rows.iter().zip(drawn) {
            let row = &mut rows[*row];
            if row.finish.is_none() {
                row.push(token, logprob, sampling.max_new_tokens, self.eos);
            }
        }
        let Some(stops) = &self.stops else { return Ok(()) };
        let completed = |row: &usize| {
            let row = &rows[*row];
            let may_end = row.is_sound() && row.position() > sampling.min_new_tokens;
            Ok(may_end && stops.completed(&row.request.prefix, &row.tokens)?)
        };
        let completed: Vec<bool> = batch.rows.par_iter().map(completed).collect::<Result<_>>()?;
        for (row, _) in batch.rows.iter().zip(completed).filter(|(_, completed)| *completed) {
            rows[*row].finish = Some(Finish::Stop);
        }
        Ok(())
    }

    /// A token with its log-probability for every row of `batch`.
    fn tokens(&self, rows: &[Row<'_>], batch: &Batch<'_>) -> Result<Vec<(TokenId, f32)>> {
        let sampling = &self.generation.sampling;
        let is_greedy = sampling.temperature <= 0.0;
        let draw = |row: &usize| {
            let row = &rows[*row];
            (!is_greedy).then(|| self.generation.uniform(row.request, row.position()))
        };
        let draws: Vec<Option<f64>> = batch.rows.iter().map(draw).collect();
        let head = self.policy.head(if is_greedy { 1.0 } else { sampling.temperature });
        let must_go_on = |row: &usize| rows[*row].position() < sampling.min_new_tokens;
        let (early, late): (Vec<usize>, Vec<usize>) =
            (0..batch.rows.len()).partition(|place| must_go_on(&batch.rows[*place]));
        let Some(barred) = self.barred.as_ref().filter(|_| !early.is_empty()) else {
            return head.draw(&batch.hidden, &draws, sampling.truncation());
        };
        let of = |head: Head<'_>, places: &[usize]| {
            let index: Vec<i64> = places.iter().map(|place| *place as i64).collect();
            let index = Tensor::from_slice(&index).to_device(batch.hidden.device());
            let draws: Vec<Option<f64>> = places.iter().map(|place| draws[*place]).collect();
            head.draw(&batch.hidden.index_select(0, &index), &draws, sampling.truncation())
        };
        let mut drawn = vec![(0, f32::NAN); batch.rows.len()];
        for (head, places) in
            [(self.policy.head(head.temperature).without(Some(barred)), early), (head, late)]
        {
            let found = if places.is_empty() { Vec::new() } else { of(head, &places)? };
            places.into_iter().zip(found).for_each(|(place, token)| drawn[place] = token);
        }
        Ok(drawn)
    }
}
