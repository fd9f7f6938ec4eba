//! Whether models can be fetched.

use std::path::Path;
use std::time::Duration;

use super::Finding;
use super::machine::{free_gb, gb};
use crate::hub::{Hub, Reach};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Space below which a small model has no room, GB.
const LEAST_GB: f64 = 3.0;

pub(super) fn hub(_: &Path) -> Finding {
    match Hub::from_environment() {
        Ok(hub) => of_reach(&hub.reach(PATIENCE)),
        Err(error) => Finding::warning(
            "hub",
            format!("{error:#}"),
            "models of the hub cannot be fetched; folders can be named",
        ),
    }
}

fn of_reach(reach: &Reach) -> Finding {
    const NAME: &str = "hub";
    let Reach { endpoint, has_token, answer, .. } = reach;
    let who = if *has_token { "with a token" } else { "without a token" };
    match answer {
        None => Finding::ok(
            NAME,
            format!("not asked, HF_HUB_OFFLINE is set; models come from the cache ({endpoint})"),
        ),
        Some(Ok(401 | 403)) if *has_token => Finding::warning(
            NAME,
            format!("{endpoint} answers, and refuses the token"),
            "set HF_TOKEN to one that is valid, or unset it; public models need none",
        ),
        Some(Ok(status @ 500..)) => Finding::warning(
            NAME,
            format!("{endpoint} answers with status {status}"),
            "try again later, or set HF_HUB_OFFLINE=1 to take what is in the cache",
        ),
        Some(Ok(_)) => Finding::ok(NAME, format!("{endpoint} answers, {who}")),
        Some(Err(why)) => Finding::warning(
            NAME,
            format!("{endpoint} cannot be reached: {why}"),
            "check the connection, HTTPS_PROXY and HF_ENDPOINT, or set HF_HUB_OFFLINE=1; recipes from random weights and models \
             in folders need no hub",
        ),
    }
}

pub(super) fn cache(_: &Path) -> Finding {
    const NAME: &str = "hub cache";
    let Ok(hub) = Hub::from_environment() else {
        return Finding::warning(NAME, "has no place", "set HF_HOME to a folder");
    };
    let cache = hub.cache();
    let shown = cache.display();
    match free_gb(cache) {
        Some(free) if free < LEAST_GB => Finding::warning(
            NAME,
            format!("{shown}: {} GB are free", gb(free)),
            "make room, or set HF_HOME to a larger disk",
        ),
        Some(free) => Finding::ok(NAME, format!("{shown}: {} GB are free", gb(free))),
        None => Finding::ok(NAME, format!("{shown}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn what_a_hub_says_is_judged() {
        let reach = |has_token, answer: Option<Result<u16, &str>>| Reach {
            endpoint: "https://hub".into(),
            has_token,
            answer: answer.map(|answer| answer.map_err(str::to_owned)),
        };
        for (reach, state, part) in [
            (reach(false, Some(Ok(200))), State::Ok, "https://hub answers, without a token"),
            (reach(true, Some(Ok(200))), State::Ok, "with a token"),
            // A mirror that has no such page is there all the same.
            (reach(false, Some(Ok(404))), State::Ok, "answers"),
            (reach(true, Some(Ok(401))), State::Warning, "refuses the token"),
            (reach(false, Some(Ok(503))), State::Warning, "status 503"),
            (reach(false, Some(Err("timeout"))), State::Warning, "cannot be reached: timeout"),
            (reach(false, None), State::Ok, "HF_HUB_OFFLINE"),
        ] {
            let found = of_reach(&reach);
            assert_eq!(found.state, state, "{found:?}");
            assert!(found.said.contains(part), "{found:?}");
            assert_eq!(found.remedy.is_some(), state != State::Ok, "{found:?}");
        }
    }
}
