//! Readying a server: it has the newest weights, says so, and proves it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::call::{Call, Fault, FaultKind};
use super::judge;
use super::models::Models;
use super::pool::{Pool, Server};
use super::publish::{Publication, Version};
use super::telling::Teller;
use crate::learner::Gap;
use crate::rollout::SamplingConfig;

/// Longest wait for what a server need not compute.
const SHORT: Duration = Duration::from_secs(30);
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
                state.is_ready = true;
                (state.rests_until, state.trouble) = (None, None);
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
        let (dialect, Publication { version, known, .. }) = (self.dialect, publication);
        let weights = match version.is_adapter {
            true => self.bring_adapter(server, version).await?,
            false => self.bring_weights(server, version).await?,
        };
        server.state.borrow_mut().weights = weights;
        let model = version.addressee(&self.config.model);
        let said = self.ask(server, &dialect.recite(model, &known.tokens)).await?;
        said.has(model)?;
        said.good()?;
        let recited = dialect.recited(&said)?;
        let gap = judge::gap(&server.url, known, &recited)?;
        let before = server.state.borrow_mut().recited.replace((version.name.clone(), recited.clone()));
        if let Some((_, before)) = before.filter(|(name, _)| *name != version.name) {
            judge::moved(&server.url, known, &before, &recited)?;
        }
        let door = server.state.borrow().door;
        let teller = Teller {
            wire: &self.wire,
            dialect,
            config: &self.config,
            sampling,
            vocabulary: publication.vocabulary,
            context: &known.tokens,
            model,
        };
        server.state.borrow_mut().door = teller.door(&server.url, door).await?;
        Ok(gap)
    }

    /// Has `server` answer with the weights `version`, and with no others from the first answer behind this on; gives their name.
    async fn bring_weights(&self, server: &Server, version: &Version) -> Result<String, Fault> {
        let was_there = self.has(server, &version.name).await?;
        let loaded = if was_there { Ok(()) } else { self.load_weights(server, version).await };
        // Whatever came of it, and whoever has paused it: a run that ended in between leaves its servers so.
        let resumed = self.ask(server, &self.dialect.resume()).await;
        loaded?;
        resumed?.good()?;
        let name = self.version(server).await?;
        if name == version.name {
            return Ok(name);
        }
        let what = format_args!(
            "calls its weights {name:?}, expected {:?}, the name of those that it has just loaded; does another run give it its \
             weights? a server serves one run",
            version.name
        );
        Err(Fault::lasting(&server.url, what))
    }

    /// Nothing is answered while weights come, and none come twice where several ranks find the server restarted.
    async fn load_weights(
        &self,
        server: &Server,
        Version { name, folder, .. }: &Version,
    ) -> Result<(), Fault> {
        self.ask(server, &self.dialect.pause()).await?.good()?;
        if self.has(server, name).await? {
            return Ok(());
        }
        server.state.borrow_mut().half_loaded = Some(name.clone());
        for step in self.dialect.load(folder, name) {
            self.load(server, &step.call, step.tries).await?;
        }
        server.state.borrow_mut().half_loaded = None;
        Ok(())
    }

    /// Whether `server` has the weights `name`, all of them and nothing that was computed with others.
    async fn has(&self, server: &Server, name: &str) -> Result<bool, Fault> {
        let is_half = server.state.borrow().half_loaded.as_deref() == Some(name);
        Ok(!is_half && self.version(server).await? == name)
    }

    /// Has `server` load the adapters `version`, and forget those of before. No answer that is under way is of these, and no key or value
    /// of others is theirs: their name is new. Gives the name of the weights beside which they are.
    async fn bring_adapter(
        &self,
        server: &Server,
        Version { name, folder, .. }: &Version,
    ) -> Result<String, Fault> {
        let models = async || Models::of(&self.wire, &server.url, self.config.timeout()).await;
        let mut loaded = models().await?;
        if loaded.adapters().all(|other| other != name) {
            let said = self.ask(server, &self.dialect.load_adapter(name, folder)).await?;
            self.dialect.adapter_loaded(&said)?;
            loaded = models().await?;
            if loaded.adapters().all(|other| other != name) {
                return Err(said.lasting(&format!(
                    "and has no adapters {name:?}, expected those that it has just loaded; does another run give it its adapters? \
                     a server serves one run"
                )));
            }
        }
        for old in loaded.adapters().filter(|other| other != name) {
            // Another rank may have been faster.
            self.ask(server, &self.dialect.unload_adapter(old)).await?;
        }
        self.version(server).await
    }

    /// What `server` calls its weights, which it knows without computing anything: one that hangs is found out soon.
    pub(super) async fn version(&self, server: &Server) -> Result<String, Fault> {
        let patience = self.config.timeout().min(SHORT);
        self.dialect.version(&self.wire.ask(&server.url, &self.dialect.which(), patience).await?)
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
