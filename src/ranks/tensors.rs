//! What ranks do to the flat buffers of a network: sums, sums for one of them, and buffers that each has a piece of, cut into buckets that
//! travel side by side. Gloo's own collectives on pieces, which copy and allocate, are several times slower than broadcasts.

use std::ops::Range;

use anyhow::Result;
use distributed::{Op, Work};
use tch::{Device, Tensor};

use super::{Ranks, Team};

/// Elements that travel at a time: 25 MB of f32.
pub(crate) const BUCKET: i64 = 6_553_600;

impl Ranks {
    /// Every rank's `tensor` becomes the sum of all, to the same bits.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn sum(&self, tensor: &Tensor) -> Result<()> {
        let Some(team) = &self.0 else { return Ok(()) };
        let _guard = tch::no_grad_guard();
        let group = team.group(tensor)?;
        finish(
            buckets(0..tensor.numel() as i64)
                .map(|bucket| group.all_reduce(&mut part(tensor, &bucket), Op::Sum)),
        )
    }

    /// Begins to sum the ranks' `tensor` up for rank `owner`. For the others it holds nothing sensible until it is filled anew.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn begin_sum_for(&self, owner: usize, tensor: &Tensor) -> Result<Option<Work>> {
        let Some(team) = &self.0 else { return Ok(None) };
        let _guard = tch::no_grad_guard();
        Ok(Some(team.group(tensor)?.reduce(&mut tensor.shallow_clone(), owner, Op::Sum)?))
    }

    /// The part `pieces[rank]` of `flat`, as rank `rank` has it, for all of them.
    ///
    /// # Errors
    /// If a rank is lost.
    pub(crate) fn gather(&self, flat: &Tensor, pieces: &[Range<i64>]) -> Result<()> {
        let Some(team) = &self.0 else { return Ok(()) };
        let _guard = tch::no_grad_guard();
        let group = team.group(flat)?;
        let of_owner = |(owner, piece): (usize, &Range<i64>)| {
            buckets(piece.clone()).map(move |bucket| (owner, bucket)).collect::<Vec<_>>()
        };
        let all = pieces.iter().enumerate().flat_map(of_owner);
        finish(all.map(|(owner, bucket)| group.broadcast(&mut part(flat, &bucket), owner)))
    }
}

impl Team {
    /// Who carries `tensor`.
    fn group(&self, tensor: &Tensor) -> Result<&distributed::Group> {
        match (tensor.device(), &self.device) {
            (Device::Cpu, _) => Ok(&self.host),
            (_, Some(device)) => Ok(device),
            (device, None) => anyhow::bail!(
                "ranks have no way to share what lies on {}",
                format!("{device:?}").to_lowercase()
            ),
        }
    }
}

/// Begins all of `works`, then waits for them.
fn finish(works: impl Iterator<Item = Result<Work, distributed::Error>>) -> Result<()> {
    let works = works.collect::<Result<Vec<_>, _>>()?;
    for work in works {
        work.wait()?;
    }
    Ok(())
}

fn part(flat: &Tensor, range: &Range<i64>) -> Tensor {
    flat.view([-1]).narrow(0, range.start, range.end - range.start)
}

fn buckets(range: Range<i64>) -> impl Iterator<Item = Range<i64>> {
    let end = range.end;
    range.step_by(BUCKET as usize).map(move |start| start..(start + BUCKET).min(end))
}
