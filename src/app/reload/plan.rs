//! Compares a new config with the running one, key by key.
//!
//! Every key of the checked config is listed in [`compare`] or [`compare_camera`] under what its change
//! requires. **A new key that is not listed does not compile** ("pattern does not mention field"): put it
//! under
//!
//! - `live` if the node reads it from its config each time, or `Node::apply` hands it on;
//! - `scenes` if every camera's tracker and rules depend on it, and for a camera `scene`: they are rebuilt
//!   and keep tracks, dwell and open events;
//! - `ground` if the terrain model must be read too;
//! - `mqtt` if the connection to the broker must be restarted;
//! - `stage` (of a camera) if the decoders, detectors or the ring keep it: see `Cameras::adjust`;
//! - `source` (of a camera) if the camera must be reconnected;
//! - `restart` if none of these is enough.
//!
//! A name after `=` is the one that operators write, where it differs from the field.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{Named, Stamps};
use crate::base::CameraId;
use crate::config::{
    BudgetConfig, CameraConfig, CommandsConfig, Config, DecodeConfig, DetectConfig, EvidenceConfig,
    HttpConfig, LogConfig, MapConfig, MqttConfig, NodeConfig, OutboxConfig, RuntimeConfig, SecondLookConfig,
};

/// The steps from one config to another.
#[derive(Debug, Default, PartialEq)]
pub(in crate::app) struct Plan {
    /// Changes for the log, such as `evidence.quota_mb` and `camera gate: source`.
    pub changes: Vec<String>,
    /// Keys that cannot change while the node runs. If there are any, nothing is applied.
    pub restart: Vec<String>,
    pub mqtt: bool,
    /// The terrain model must be read again.
    pub ground: bool,
    pub added: BTreeSet<CameraId>,
    pub removed: BTreeSet<CameraId>,
    /// Cameras whose scene is rebuilt, with new settings for their stages; the stream continues.
    pub adjusted: BTreeSet<CameraId>,
    /// Of these, the cameras that must be reconnected.
    pub sources: BTreeSet<CameraId>,
}

macro_rules! keys {
    ($found:ident, $section:literal, $old:expr, $new:expr,
     $type:ident { $($class:ident: $($key:ident $(= $written:literal)?),+;)+ }) => {{
        let (old, new) = (&$old, &$new);
        let $type { $($($key: _,)+)+ } = new;
        $($(
            if old.$key != new.$key {
                let names: &[&str] = &[$($written,)? stringify!($key)];
                $found(Class::$class, format!("{}{}", $section, names[0]));
            }
        )+)+
    }};
}

#[allow(non_camel_case_types, reason = "as written in the lists below")]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    live,
    scenes,
    ground,
    mqtt,
    restart,
    scene,
    stage,
    source,
    /// Compared separately.
    apart,
}

impl Plan {
    pub fn new(old: &Config, new: &Config, old_files: &Stamps, new_files: &Stamps) -> Self {
        let mut plan = Self::default();
        let mut all_scenes = false;
        compare(old, new, &mut |class, key: String| {
            match class {
                Class::restart => plan.restart.push(key.clone()),
                Class::mqtt => plan.mqtt = true,
                Class::scenes => all_scenes = true,
                Class::ground => plan.ground = true,
                _ => {}
            }
            plan.changes.push(key);
        });
        let was: BTreeMap<&CameraId, &CameraConfig> = old.cameras.iter().map(|c| (&c.id, c)).collect();
        let is: BTreeMap<&CameraId, &CameraConfig> = new.cameras.iter().map(|c| (&c.id, c)).collect();
        for id in was.keys().filter(|id| !is.contains_key(*id)) {
            plan.changes.push(format!("camera {id}: removed"));
            plan.removed.insert((*id).clone());
        }
        for (id, camera) in is {
            match was.get(id) {
                Some(before) => plan.camera(before, camera),
                None => {
                    plan.changes.push(format!("camera {id}: added"));
                    plan.added.insert(id.clone());
                }
            }
        }
        plan.files(old_files, new_files);
        if all_scenes || plan.ground {
            let stay = new.cameras.iter().map(|c| c.id.clone()).filter(|id| !plan.added.contains(id));
            plan.adjusted = stay.collect();
        }
        plan
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn camera(&mut self, old: &CameraConfig, new: &CameraConfig) {
        let mut keys = Vec::new();
        let mut source = false;
        compare_camera(old, new, &mut |class, key| {
            source |= class == Class::source;
            keys.push(key);
        });
        if keys.is_empty() {
            return;
        }
        self.changes.push(format!("camera {}: {}", new.id, keys.join(", ")));
        self.adjusted.insert(new.id.clone());
        if source {
            self.sources.insert(new.id.clone());
        }
    }

    /// Files with the same name and a different content.
    fn files(&mut self, old: &Stamps, new: &Stamps) {
        for (key, stamp) in new {
            if old.get(key).is_none_or(|before| before == stamp) {
                continue;
            }
            let (who, path) = key;
            self.changes.push(format!("content of {}", path.display()));
            match who {
                Named::Mqtt => self.mqtt = true,
                Named::Ground => self.ground = true,
                // Every reload reads the recorder's settings again.
                Named::Evidence => {}
                Named::Camera(id) => drop(self.adjusted.insert(id.clone())),
            }
        }
    }
}

fn compare(old: &Config, new: &Config, found: &mut dyn FnMut(Class, String)) {
    // Each section is compared below; a new one must be as well.
    #[rustfmt::skip]
    let Config {
        node: _, runtime: _, budget: _, decode: _, detect: _, second_look: _, evidence: _, outbox: _, mqtt: _, commands: _, map: _, http: _, log: _,
        catalogue: _, cameras: _, flight_areas: _,
    } = new;
    keys!(found, "node.", old.node, new.node, NodeConfig {
        live: name, area_code;
        scenes: time_zone;
        restart: id, data_dir;
    });
    keys!(found, "runtime.", old.runtime, new.runtime, RuntimeConfig {
        live: stop_deadline, watch_config;
        restart: onnxruntime;
    });
    keys!(found, "budget.", old.budget, new.budget, BudgetConfig {
        live: cores, ring_bytes = "ring_mb";
    });
    keys!(found, "decode.", old.decode, new.decode, DecodeConfig {
        restart: workers, h264_decoder, h265_decoder;
    });
    keys!(found, "detect.", old.detect, new.detect, DetectConfig {
        restart: model, workers, threads, provider;
    });
    keys!(found, "second_look.", old.second_look, new.second_look, SecondLookConfig {
        restart: model, cores;
    });
    keys!(found, "evidence.", old.evidence, new.evidence, EvidenceConfig {
        live: pre_roll, post_roll, jpeg_quality, min_free_bytes = "min_free_mb", quota_bytes = "quota_mb",
            keep = "keep_low, keep_medium or keep_high", font;
    });
    keys!(found, "outbox.", old.outbox, new.outbox, OutboxConfig {
        restart: max_bytes = "max_mb";
    });
    keys!(found, "mqtt.", old.mqtt, new.mqtt, MqttConfig {
        mqtt: host = "url", port = "url", tls, username, password, in_flight, keep_alive, confirm, limits;
        live: media;
        restart: client_id, topic_prefix, chunk_bytes;
    });
    keys!(found, "commands.", old.commands, new.commands, CommandsConfig {
        mqtt: reply_prefixes, max_age, max_ignore_days, issuers;
    });
    keys!(found, "map.", old.map, new.map, MapConfig {
        ground: dem;
        scenes: gcj02, home, same_place_m, zones, permits;
    });
    keys!(found, "http.", old.http, new.http, HttpConfig {
        restart: listen;
    });
    keys!(found, "log.", old.log, new.log, LogConfig {
        live: filter;
        restart: format;
    });
    if old.catalogue != new.catalogue {
        found(Class::live, "catalogue".to_owned());
    }
    if old.flight_areas != new.flight_areas {
        found(Class::live, "flight_area".to_owned());
    }
}

fn compare_camera(old: &CameraConfig, new: &CameraConfig, found: &mut dyn FnMut(Class, String)) {
    keys!(found, "", *old, *new, CameraConfig {
        apart: id;
        source: source;
        stage: name, sampling, interval, priority, tiling, ring;
        scene: drone, position, calibration, gb_id, track, zones, rules, max_events_per_hour, change;
    });
}

#[cfg(test)]
mod tests;
