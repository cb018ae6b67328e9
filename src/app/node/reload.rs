//! Replaces the running config by a new one, without touching what did not change.
//!
//! First it prepares everything that can fail: reads files, opens settings, builds scenes. Then it passes the
//! new scenes to the rules thread. This step can still fail if the thread hangs or waits for the disk; then
//! earlier changes are rolled back. The rest cannot fail: a camera or broker that does not answer at its new
//! address is reported as down.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Node;
use crate::app::commands::{CommandService, Parts};
use crate::app::reload::{Live, Plan, stamps};
use crate::app::rules_thread::{self, SceneChange};
use crate::app::status::config_state;
use crate::base::error_chain;
use crate::base::{CameraId, wall_now};
use crate::config::{self, CameraConfig, Config, Finding, Loaded};
use crate::events::RecorderSettings;
use crate::monitor::{LogControl, ReloadOutcome, ReloadReport};
use crate::publish::Publisher;
use crate::scene;
use crate::scene::{SiteError, read_dem};

/// The rules accept the change within this time, or it is rolled back. Less than any sensible WatchdogSec.
const RULES_ANSWER: Duration = Duration::from_secs(10);

/// Why the old config stays.
enum NotApplied {
    Refused(Vec<String>),
    RolledBack(String),
}

impl Node {
    /// Reads the config again and applies it. Reports the outcome in the log, in `/health` and on the node's
    /// topic. Returns the files to watch from now on; `None`: the same as before.
    pub(super) fn reload(&mut self, live: &Live) -> Option<Vec<PathBuf>> {
        let loaded = match config::load(&live.path) {
            Ok(loaded) => loaded,
            Err(errors) => {
                let problems = errors.to_string().lines().map(str::to_owned).collect();
                self.report(ReloadOutcome::Refused, Vec::new(), problems);
                return None;
            }
        };
        let files = stamps(&loaded.config);
        let plan = Plan::new(&self.config, &loaded.config, &self.files, &files);
        let changes = plan.changes.clone();
        if plan.is_empty() {
            self.report(ReloadOutcome::Unchanged, changes, Vec::new());
            return Some(loaded.watched());
        }
        let watched = loaded.watched();
        match self.change(loaded, &plan, &live.log) {
            Ok(()) => {
                self.files = files;
                self.report(ReloadOutcome::Applied, changes, Vec::new());
                Some(watched)
            }
            Err(NotApplied::Refused(problems)) => {
                self.report(ReloadOutcome::Refused, changes, problems);
                None
            }
            Err(NotApplied::RolledBack(problem)) => {
                self.report(ReloadOutcome::RolledBack, changes, vec![problem]);
                None
            }
        }
    }

    fn change(&mut self, loaded: Loaded, plan: &Plan, log: &LogControl) -> Result<(), NotApplied> {
        let restart = plan.restart.iter().map(|key| Finding {
            key: key.clone(),
            message: format!("{key} cannot be changed while lintel runs"),
            help: "restart lintel to apply it, or change it back".to_owned(),
        });
        let lines = |text: String| text.lines().map(str::to_owned).collect();
        if !plan.restart.is_empty() {
            return Err(NotApplied::Refused(lines(loaded.errors(restart).to_string())));
        }
        let refused = |error: &dyn std::error::Error| NotApplied::Refused(vec![error_chain(error)]);
        loaded
            .check_objects(self.models.detector.class_names())
            .map_err(|e| NotApplied::Refused(lines(e.to_string())))?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }

        let next = Arc::new(loaded.config);
        if plan.mqtt {
            Publisher::check(&next.mqtt).map_err(|e| refused(&e))?;
        }
        let settings = RecorderSettings::new(Arc::clone(&next)).map_err(|e| refused(&e))?;
        let concerned =
            |camera: &&CameraConfig| plan.added.contains(&camera.id) || plan.adjusted.contains(&camera.id);
        let concerned: Vec<&CameraConfig> = next.cameras.iter().filter(concerned).collect();
        let dem = if plan.ground { read_dem(&next.map).map_err(|e| refused(&e))? } else { self.sites.dem() };
        let sites: Result<Vec<_>, _> =
            concerned.iter().map(|c| Ok((&c.id, self.sites.read(c, dem.as_ref())?))).collect();
        let sites = sites.map_err(|e: SiteError| refused(&e))?;

        log.set_filter(&next.log.filter).map_err(|e| refused(&e))?;
        let dem_before = self.sites.put_dem(dem);
        let gone = plan.removed.iter().map(|id| (id, None));
        let sites_before: Vec<_> =
            sites.into_iter().chain(gone).map(|(id, site)| (id, self.sites.put(id, site))).collect();
        let build = |camera: &&CameraConfig| {
            let flights = self.cameras.flights();
            let mut scene = scene::build(&next, camera, &self.models, &self.sites, flights, &self.memory);
            scene.recall();
            scene
        };
        let put = concerned.iter().map(build).collect();
        let scenes = SceneChange { put, remove: plan.removed.iter().cloned().collect() };
        // Before the scenes: their first event must find its class.
        let before = self.recorder.reconfigure(Arc::new(settings.with_classes_of(&self.config)));
        if let Err(busy) = rules_thread::change(&self.to_rules, scenes, RULES_ANSWER) {
            self.recorder.reconfigure(before);
            self.sites.put_dem(dem_before);
            for (id, site) in sites_before {
                self.sites.put(id, site);
            }
            // This filter was accepted before.
            drop(log.set_filter(&self.config.log.filter));
            return Err(NotApplied::RolledBack(busy.to_string()));
        }
        self.clips.reconfigure(&next.evidence);
        self.roster.rings.resize(next.budget.ring_bytes);
        if plan.mqtt {
            self.publisher.reconfigure(&next.mqtt);
            self.restart_commands(&next);
        }
        self.change_cameras(&next, plan);
        *self.disk.config.lock() = Arc::clone(&next);
        self.config = next;
        Ok(())
    }

    /// Restarts the commands' own connection with the new settings.
    fn restart_commands(&mut self, next: &Arc<Config>) {
        if let Some(commands) = self.commands.take() {
            commands.stop(&self.tokio);
        }
        let parts = Parts {
            config: Arc::clone(next),
            outbox: Arc::clone(&self.outbox),
            recorder: Arc::clone(&self.recorder),
            clips: Arc::clone(&self.clips),
            to_rules: self.to_rules.clone(),
            rules: Arc::clone(&self.rules_status),
            sites: Arc::clone(&self.sites),
            flight_service: Arc::clone(&self.flight_service),
        };
        match CommandService::start(self.tokio.handle(), parts) {
            Ok(commands) => self.commands = Some(commands),
            Err(error) => {
                tracing::error!("commands are not received any more, restart lintel: {}", error_chain(&error))
            }
        }
    }

    fn change_cameras(&mut self, next: &Config, plan: &Plan) {
        for id in &plan.removed {
            self.cameras.remove(id);
        }
        let camera = |id: &CameraId| next.cameras.iter().find(|camera| camera.id == *id);
        for camera in plan.adjusted.iter().filter_map(camera) {
            self.cameras.adjust(camera);
        }
        for camera in plan.sources.iter().filter_map(camera) {
            self.cameras.replace_source(camera);
        }
        for camera in plan.added.iter().filter_map(camera) {
            self.cameras.add(camera);
        }
    }

    fn report(&self, outcome: ReloadOutcome, changes: Vec<String>, problems: Vec<String>) {
        match outcome {
            ReloadOutcome::Applied => tracing::info!("config reloaded: {}", changes.join("; ")),
            ReloadOutcome::Unchanged => tracing::info!("config reloaded: nothing has changed"),
            ReloadOutcome::Refused => {
                tracing::warn!("config not reloaded, the old one runs on:\n{}", problems.join("\n"));
            }
            ReloadOutcome::RolledBack => {
                tracing::warn!("config reload rolled back, the old one runs on: {}", problems.join("\n"));
            }
        }
        self.status.reloaded(ReloadReport { at: wall_now().to_string(), outcome, changes, problems });
        self.publisher.publish_config(config_state(self.status.config()));
    }
}
