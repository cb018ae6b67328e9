//! Raw values to checked ones. Each part reports what is wrong and gives `None`; the caller carries on with
//! the rest.

mod camera;
mod commands;
mod decision;
mod drone;
mod flights;
mod input;
mod map;
mod name;
mod node;
mod rule;
mod schedule;
mod secret;
mod server;

use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::catalogue::Catalogue;
use super::loaded::ObjectUse;
use super::problem::Problem;
use super::raw::RawSections;
use super::source::{Sources, Span};
use super::types::{CameraConfig, Config, FlightArea, MapConfig};
use input::SharedRule;

pub(crate) use input::Secrets;

pub(crate) struct Builder<'s, 'i> {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<(Span, String)>,
    pub(crate) objects: Vec<ObjectUse>,
    /// Files that passwords were read from.
    pub(crate) secret_files: Vec<PathBuf>,
    sources: &'s Sources,
    secrets: Secrets,
    time_zone: TimeZone,
    catalogue: Catalogue<'i>,
    shared: Vec<SharedRule<'i>>,
    map: MapConfig,
    cameras: Vec<CameraConfig>,
    areas: Vec<FlightArea>,
    /// Camera and area ids so far with their places.
    ids: Vec<(String, Span)>,
    /// What each camera with a URL receives, and the camera's id.
    streams: Vec<(String, String)>,
    /// Where each camera's ring length is set, for the check against the clip's length.
    rings: Vec<Span>,
}

impl<'s, 'i> Builder<'s, 'i> {
    pub(crate) fn new(
        sources: &'s Sources,
        secrets: Secrets,
        time_zone: TimeZone,
        catalogue: Catalogue<'i>,
    ) -> Self {
        Self {
            problems: Vec::new(),
            warnings: Vec::new(),
            objects: Vec::new(),
            secret_files: Vec::new(),
            sources,
            secrets,
            time_zone,
            catalogue,
            shared: Vec::new(),
            map: MapConfig {
                dem: None,
                gcj02: false,
                home: None,
                same_place_m: 0.0,
                zones: Vec::new(),
                permits: Vec::new(),
            },
            cameras: Vec::new(),
            areas: Vec::new(),
            ids: Vec::new(),
            streams: Vec::new(),
            rings: Vec::new(),
        }
    }

    pub(crate) fn no_camera(&mut self, span: &Span) {
        self.problems.push(
            Problem::new(span, "there is no camera")
                .help("add `[[camera]]` with `id` and `url`, or `include = [\"cameras/*.toml\"]`"),
        );
    }

    /// The whole; `None` where a part was wrong, which is in `problems` then.
    pub(crate) fn config(&mut self, raw: &RawSections) -> Option<Config> {
        let node = self.node(&raw.node);
        let mqtt = self.mqtt(&raw.mqtt, raw.node.id.as_deref());
        let commands = self.commands(&raw.commands);
        let http = self.http(&raw.http);
        let log = self.log(&raw.log);
        let evidence = self.evidence(&raw.evidence);
        self.check_rings(evidence.pre_roll, evidence.post_roll);
        let detect = self.detect(&raw.detect);
        let second_look = self.second_look(&raw.second_look, &detect.model);
        Some(Config {
            node: node?,
            runtime: self.runtime(&raw.runtime),
            decode: self.decode(&raw.decode),
            detect,
            second_look,
            budget: self.budget(&raw.budget),
            evidence,
            outbox: self.outbox(&raw.outbox),
            mqtt: mqtt?,
            commands: commands?,
            map: self.map.clone(),
            http: http?,
            log,
            catalogue: self.catalogue.classes(),
            cameras: std::mem::take(&mut self.cameras),
            flight_areas: std::mem::take(&mut self.areas),
        })
    }

    fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// The value, or the problem on the list.
    fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }
}
