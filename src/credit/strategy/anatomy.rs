//! The parts of a response that the attention strategies speak of (arXiv 2510.13554, section 4), positions counted from
//! its first token:
//!
//! ```text
//! jump_t    = |WAAD_t - WAAD_{t+1}|, 0 at the last token
//! TopQ(x,q) = the ceil(q |R|) largest of x, ties to the earlier token
//! D         = anchors s with WAAD_s <= tau_waad and max of jump over s-k..s-1 >= tau_jump       (dominated)
//! intro(s)  = the token of s-k..s-1 with the largest jump, ties to the nearest                  (s in D)
//! ```

use super::{Take, Threshold};

/// Size of the change of WAAD from each token to the next.
#[must_use]
pub(crate) fn jumps(waad: &[f32]) -> Vec<f32> {
    let steps = waad.windows(2).map(|pair| (pair[0] - pair[1]).abs());
    steps.chain((!waad.is_empty()).then_some(0.0)).collect()
}

/// The `ceil(fraction * R)` tokens with the largest (or smallest) scores, in order of position. Tokens without a score are
/// never taken; equal scores go to the earlier token.
#[must_use]
pub(crate) fn top(scores: &[Option<f32>], fraction: f64, take: Take) -> Vec<usize> {
    // The products of shares like 0.1 with whole numbers may lie a rounding error above what they mean.
    let count = (fraction * scores.len() as f64 - 1e-9).ceil() as usize;
    let mut ranked: Vec<(usize, f32)> =
        (0..).zip(scores).filter_map(|(t, score)| Some((t, (*score)?))).collect();
    match take {
        Take::Top => ranked.sort_by(|a, b| b.1.total_cmp(&a.1)),
        Take::Bottom => ranked.sort_by(|a, b| a.1.total_cmp(&b.1)),
    }
    let mut chosen: Vec<usize> = ranked.into_iter().take(count).map(|(t, _)| t).collect();
    chosen.sort_unstable();
    chosen
}

/// A dominated anchor and the token that opens its chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dominated {
    /// The anchor.
    pub anchor: usize,
    /// Its opener.
    pub intro: usize,
}

/// The dominated ones of `anchors`, in order.
#[must_use]
pub(crate) fn dominated(
    anchors: &[usize],
    waad: &[f32],
    lookback: usize,
    tau_waad: Threshold,
    tau_jump: Threshold,
) -> Vec<Dominated> {
    let jumps = jumps(waad);
    let (tau_waad, tau_jump) = (tau_waad.over(waad), tau_jump.over(&jumps));
    let judge = |&anchor: &usize| {
        // `max_by` keeps the last of equals: the nearest to the anchor.
        let intro =
            (anchor.saturating_sub(lookback)..anchor).max_by(|a, b| jumps[*a].total_cmp(&jumps[*b]))?;
        let is_dominated = f64::from(waad[anchor]) <= tau_waad && f64::from(jumps[intro]) >= tau_jump;
        is_dominated.then_some(Dominated { anchor, intro })
    };
    anchors.iter().filter_map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_belongs_to_the_token_before_the_change() {
        assert_eq!(jumps(&[1.0, 4.0, 2.0]), [3.0, 2.0, 0.0]);
        assert_eq!(jumps(&[7.0]), [0.0]);
        assert!(jumps(&[]).is_empty());
    }

    #[test]
    fn the_top_is_rounded_up_and_ties_go_to_the_earlier() {
        let scores = [1.0, 3.0, 3.0, 0.0, 3.0].map(Some);
        assert_eq!(top(&scores, 0.4, Take::Top), [1, 2]);
        assert_eq!(top(&scores, 0.41, Take::Top), [1, 2, 4]);
        assert_eq!(top(&scores, 0.4, Take::Bottom), [0, 3]);
        assert_eq!(top(&[None, Some(1.0), None], 1.0, Take::Top), [1]);
        assert_eq!(top(&[Some(1.0); 30], 0.1, Take::Top).len(), 3); // 0.1 * 30 is a little above 3
    }

    #[test]
    fn an_anchor_is_dominated_by_the_nearest_largest_jump_before_it() {
        // jumps: 4, 4, 0, 3, 0; their median 3, that of WAAD 2
        let waad = [1.0, 5.0, 1.0, 2.0, 5.0];
        let find = |anchors: &[usize], lookback| {
            let found = dominated(anchors, &waad, lookback, Threshold::Median, Threshold::Median);
            found.into_iter().map(|d| (d.anchor, d.intro)).collect::<Vec<_>>()
        };
        assert_eq!(find(&[0, 1, 2, 3, 4], 3), [(2, 1), (3, 1)]); // 0 has nothing before it, 1 and 4 reach far
        assert_eq!(find(&[3], 1), []); // the jump at 2 is 0
        let strict = dominated(&[2], &waad, 3, Threshold::Value(0.5), Threshold::Median);
        assert!(strict.is_empty());
    }
}
