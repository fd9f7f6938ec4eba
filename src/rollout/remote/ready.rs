//! Readying a server: it has the newest weights, says so, and proves it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::call::{Call, Fault, FaultKind};
use super::judge;
use super::pool::{Pool, Server, State};
use super::publish::{Publication, Version};
use super::telling::Teller;
use crate::learner::Gap;
use crate::rollout::SamplingConfig;

/// Pause between two tries of a step of loading.
const MOMENT: Duration = Duration::from_millis(200);

impl Pool {
    /// Sees to it that `server` has the weights `publication`.
    pub(super) async fn ready(
        &self,
        server: &Server,
        publication: &Publication,
        sampling: &SamplingConfig,
    ) -> Result<(), Fault> {
        if server.state.borrow().is_ready {
            return Ok(());
        }
        let _gate = server.gate.lock().await;
        {
            let state = server.state.borrow();
            if state.is_ready {
                return Ok(());
            }
            // Somebody was here before, in vain.
            if let (Some(trouble), true) =
                (&state.trouble, state.rests_until.is_some_and(|until| until > Instant::now()))
            {
                return Err(trouble.clone());
            }
        }
        let made = self.make_ready(server, publication, sampling).await;
        match &made {
            Ok(gap) => {
                let mut state = server.state.borrow_mut();
                let (door, n_failures) = (state.door, state.n_failures);
                *state = State { is_ready: true, door, n_failures, ..State::default() };
                let mut events = self.events.borrow_mut();
                let wider = |old: Gap| Gap { mean: old.mean.max(gap.mean), max: old.max.max(gap.max) };
                events.gap = Some(events.gap.map_or(*gap, wider));
            }
            Err(fault) => server.fail(fault),
        }
        made.map(drop)
    }

    async fn make_ready(
        &self,
        server: &Server,
        publication: &Publication,
        sampling: &SamplingConfig,
    ) -> Result<Gap, Fault> {
        let (dialect, Publication { version: Version { name, folder }, known, .. }) =
            (self.dialect, publication);
        if dialect.version(&self.ask(server, &dialect.which()).await?)? != *name {
            for step in dialect.load(folder, name) {
                self.load(server, &step.call, step.tries).await?;
            }
            let said = self.ask(server, &dialect.which()).await?;
            if dialect.version(&said)? != *name {
                return Err(said.lasting(&format!(
                    "expected {name:?}, the name of the weights that it has just loaded; does another run give it its weights? \
                     a server serves one run"
                )));
            }
        }
        let said = self.ask(server, &dialect.recite(&self.config.model, &known.tokens)).await?;
        said.good()?;
        let gap = judge::gap(&server.url, known, &dialect.recited(&said)?)?;
        let door = server.state.borrow().door;
        let teller = Teller {
            wire: &self.wire,
            dialect,
            config: &self.config,
            sampling,
            vocabulary: publication.vocabulary,
            context: &known.tokens,
        };
        server.state.borrow_mut().door = teller.door(&server.url, door).await?;
        Ok(gap)
    }

    /// One step of loading.
    async fn load(&self, server: &Server, call: &Call, tries: u32) -> Result<(), Fault> {
        let mut n_tried = 0;
        loop {
            let said = self.ask(server, call).await?;
            n_tried += 1;
            match self.dialect.loaded(&said) {
                Err(fault) if fault.kind != FaultKind::Lasting && n_tried < tries => sleep(MOMENT).await,
                loaded => return loaded,
            }
        }
    }
}
