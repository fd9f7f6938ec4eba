//! Checkpoints that several ranks write: one folder, there for good once all of them are done.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Store;
use crate::ranks::Ranks;
use crate::types::Step;

/// Writes the checkpoint of `step` into `store`, which the first rank has: that one fills the folder with `fill`, then each rank adds
/// its `share`. Gives the folder of it.
///
/// # Errors
/// If a rank fails: nothing of it is left then.
pub(crate) fn write_together(
    ranks: &Ranks,
    store: Option<&Store>,
    step: Step,
    fill: impl FnOnce(&Path) -> Result<()>,
    share: impl Fn(&Path) -> Result<()>,
) -> Result<PathBuf> {
    if !ranks.is_first() {
        let place = ranks.exchange_at_leisure::<Option<PathBuf>>(Ok(None))?.swap_remove(0);
        if let Some(dir) = place {
            ranks.all_well_at_leisure(share(&dir))?;
        }
        return ranks.first(|| Ok(PathBuf::new()));
    }
    // Whether the others were told where, and whether all have written.
    let (mut is_told, mut is_filled) = (false, false);
    let written = store.context("the first rank has no place for checkpoints").and_then(|store| {
        store.write(step, |dir| {
            is_told = true;
            let filled = fill(dir).and_then(|()| share(dir));
            ranks.exchange_at_leisure(filled.map(|()| Some(dir.to_owned())))?;
            ranks.all_well_at_leisure(Ok(()))?;
            is_filled = true;
            Ok(())
        })
    });
    match (is_told, is_filled, &written) {
        // The others know.
        (true, false, _) => return written,
        // It was there already.
        (false, _, Ok(_)) => _ = ranks.exchange_at_leisure::<Option<PathBuf>>(Ok(None))?,
        _ => {}
    }
    ranks.first(|| written)
}
