//! One camera: its source, its zones, its rules.

use std::time::Duration;

use super::Builder;
use super::input::TableAt;
use super::name::check_id;
use super::secret::Kept;
use super::server::camera_url;
use crate::base::{CameraId, Point, Polygon, PolygonError, WallTime, ZoneId};
use crate::config::problem::Problem;
use crate::config::raw::{
    At, RawCamera, RawPriority, RawRtsp, RawSampling, RawSettings, RawTransport, RawZone,
};
use crate::config::source::Span;
use crate::config::types::{
    Adaptive, CameraConfig, ChangeConfig, FileConfig, Pace, Position, Priority, RingConfig, RtspConfig,
    Sampling, SourceConfig, Tiling, TrackConfig, Transport, Zone,
};

/// Of a URL that names no port.
const RTSP_PORT: u16 = 554;

impl<'i> Builder<'_, 'i> {
    /// Adds the camera if all of it is right.
    pub(crate) fn camera(
        &mut self,
        span: &Span,
        raw: RawCamera,
        settings: &RawSettings,
        rules: Vec<TableAt<'i>>,
    ) {
        let id = self.camera_id(&raw);
        let source = self.source(span, &raw, &settings.rtsp);
        let zones = self.zones(&raw.zone);
        let profile = raw.profile.as_ref().map(|p| p.as_str());
        let drone = self.drone(&raw);
        // Without calibration, and without a drone's telemetry, there is no place on the ground to find a
        // zone by.
        let on_map = raw.calibration.is_some() || drone.is_some();
        self.ground_names_are_free(&raw.zone);
        let (zones, rules) = self.rules(profile, zones, on_map, rules);
        self.no_lines_on_drones(&raw, &rules);
        if let (Some(at), Some(position)) = (&raw.id, raw.position)
            && let (Some(lon), Some(lat)) = (position.lon, position.lat)
        {
            self.check_near([lon, lat], &at.span, &format!("the camera `{}`", **at));
        }
        let track = self.track(settings);
        if let Some(gb_id) = &raw.gb_id
            && !(gb_id.len() == 20 && gb_id.bytes().all(|b| b.is_ascii_digit()))
        {
            self.report(
                Problem::new(
                    &gb_id.span,
                    format!("a GB/T 28181 id has 20 digits, this has {}", gb_id.chars().count()),
                )
                .help("centre 8, industry 2, type 3 (132 is an IP camera), network 1, serial 6"),
            );
        }
        self.rings.push(settings.ring.max_duration.span.clone());
        let (Some(id), Some(source)) = (id, source) else { return };
        if let Some(url) = &raw.url {
            self.warn_of_same_stream(&id, url, &source);
        }
        self.cameras.push(CameraConfig {
            name: raw.name.as_ref().map_or_else(|| id.clone(), |n| n.to_string()),
            id: CameraId::new(id),
            source,
            drone,
            position: raw.position.and_then(|p| Some(Position { lon: p.lon?, lat: p.lat?, alt: p.alt })),
            calibration: self.optional_path(raw.calibration.as_ref()),
            gb_id: raw.gb_id.map(|g| g.into_inner()),
            sampling: match settings.sampling {
                RawSampling::Adaptive => Sampling::Adaptive(Adaptive {
                    active_interval: settings.adaptive.active_interval.0,
                    fps: *settings.adaptive.fps,
                    burst: settings.adaptive.burst.0,
                    rest: settings.adaptive.rest.0,
                    full_look: settings.adaptive.full_look.0,
                }),
                RawSampling::Keyframes => Sampling::Keyframes,
                RawSampling::All => Sampling::All,
            },
            priority: match settings.priority {
                RawPriority::Low => Priority::Low,
                RawPriority::Normal => Priority::Normal,
                RawPriority::High => Priority::High,
            },
            interval: settings.interval.0,
            tiling: Tiling {
                columns: *settings.tiling.columns,
                rows: *settings.tiling.rows,
                overlap: *settings.tiling.overlap,
                per_picture: *settings.tiling.per_picture,
            },
            ring: RingConfig {
                max_bytes: *settings.ring.max_mb * 1024 * 1024,
                max_duration: settings.ring.max_duration.0,
                quiet: settings.ring.quiet_duration.0.min(settings.ring.max_duration.0),
            },
            track,
            change: ChangeConfig {
                interval: settings.change.interval.0,
                learn: settings.change.learn.0,
                min_share: *settings.change.min_share,
            },
            zones,
            rules,
            max_events_per_hour: *settings.max_events_per_hour,
        });
    }

    /// Two cameras with one stream are most likely a copy that was not finished.
    fn warn_of_same_stream(&mut self, id: &str, at: &At<String>, source: &SourceConfig) {
        let stream = match source {
            SourceConfig::Rtsp(rtsp) => {
                let port = rtsp.url.port().unwrap_or(RTSP_PORT);
                format!("{}:{port}{}", rtsp.url.host_str().unwrap_or_default(), rtsp.url.path())
                    + rtsp.url.query().unwrap_or_default()
            }
            SourceConfig::Udp(udp) => format!("udp {}:{}", udp.address, udp.port),
            SourceConfig::File(_) => return,
        };
        match self.streams.iter().find(|(other, _)| *other == stream) {
            Some((_, first)) => {
                let warning =
                    format!("the cameras `{first}` and `{id}` have the same stream; correct one `url`");
                self.warnings.push((at.span.clone(), warning));
            }
            None => self.streams.push((stream, id.to_owned())),
        }
    }

    fn camera_id(&mut self, raw: &RawCamera) -> Option<String> {
        let at = raw.id.as_ref()?;
        let id = self.keep(check_id(at, "camera"))?;
        self.take_id(&id, at)
    }

    /// The id, unless a camera or an area has it.
    pub(super) fn take_id(&mut self, id: &str, at: &At<String>) -> Option<String> {
        // Ids become folder names, and some file systems ignore case.
        let taken = self.ids.iter().find(|(other, _)| other.eq_ignore_ascii_case(id)).map(|(_, s)| s.clone());
        if let Some(first) = taken {
            self.report(
                Problem::new(&at.span, format!("the id `{id}` is taken"))
                    .also(&first, "first here")
                    .help("ids are unique on a node, whatever their case; give one of the two another"),
            );
            return None;
        }
        self.ids.push((id.to_owned(), at.span.clone()));
        Some(id.to_owned())
    }

    fn source(&mut self, span: &Span, raw: &RawCamera, rtsp: &RawRtsp) -> Option<SourceConfig> {
        let only_file = raw
            .speed
            .as_ref()
            .map(|s| &s.span)
            .or(raw.repeat.as_ref().map(|r| &r.span))
            .or(raw.start.as_ref().map(|s| &s.span));
        match (&raw.url, &raw.file) {
            (Some(url), Some(file)) => {
                self.report(
                    Problem::new(&file.span, "a camera has a `url` or a `file`, not both")
                        .also(&url.span, "its url")
                        .help("take one of the two out"),
                );
                None
            }
            (None, None) => {
                // A wrong one is reported already, and cut out.
                self.report(
                    Problem::new(span, "the camera has no source")
                        .help("add `url = \"rtsp://host/path\"`, or `file = \"recording.mp4\"`"),
                );
                None
            }
            (Some(url), None) => {
                if let Some(span) = only_file {
                    self.report(
                        Problem::new(span, "`speed`, `repeat` and `start` are for recorded files")
                            .help("take it out"),
                    );
                }
                if url.starts_with("udp:") {
                    return self.udp(url, rtsp).map(SourceConfig::Udp);
                }
                let url = self.keep(camera_url(url));
                let rtsp = self.rtsp(rtsp);
                Some(SourceConfig::Rtsp(RtspConfig { url: url?, ..rtsp? }))
            }
            (None, Some(file)) => Some(SourceConfig::File(FileConfig {
                path: self.path(file),
                pace: match raw.speed.as_deref().copied().unwrap_or(1.0) {
                    0.0 => Pace::AsFastAsPossible,
                    speed => Pace::Speed(speed),
                },
                repeat: raw.repeat.as_deref().copied().unwrap_or(false),
                start: self.footage_start(raw)?,
            })),
        }
    }

    /// `None`: it is there and wrong.
    fn footage_start(&mut self, raw: &RawCamera) -> Option<Option<WallTime>> {
        let Some(start) = &raw.start else { return Some(None) };
        let time = start.parse::<jiff::Timestamp>().ok();
        if time.is_none() {
            let message = format!("`start` is not a time: \"{}\"", **start);
            self.report(Problem::new(&start.span, message).help("for example \"2026-10-05T08:00:00+08:00\""));
        }
        time.map(|t| Some(t.into()))
    }

    /// All but the URL, for which a stand-in is set.
    fn rtsp(&mut self, raw: &RawRtsp) -> Option<RtspConfig> {
        let kept = Kept {
            env: raw.password_env.as_ref(),
            file: raw.password_file.as_ref(),
            credential: raw.password_credential.as_ref(),
        };
        let password = self.password(&kept);
        if let (Some(kept), None) = (kept.first(), &raw.username) {
            self.report(
                Problem::new(&kept.span, "a password without a user").help("set `rtsp.username` too"),
            );
        }
        if raw.backoff_first.0 > raw.backoff_max.0 {
            self.report(
                Problem::new(&raw.backoff_first.span, "`backoff_first` is longer than `backoff_max`")
                    .also(&raw.backoff_max.span, "`backoff_max`")
                    .help("the wait grows from the first to the second"),
            );
        }
        Some(RtspConfig {
            url: url::Url::parse("rtsp://invalid/").ok()?,
            username: raw.username.as_ref().map(|u| u.to_string()),
            password,
            basic: raw.basic,
            transport: match raw.transport {
                RawTransport::Auto => Transport::Auto,
                RawTransport::Tcp => Transport::Tcp,
                RawTransport::Udp => Transport::Udp,
                RawTransport::GstreamerTcp => Transport::GstreamerTcp,
                RawTransport::GstreamerUdp => Transport::GstreamerUdp,
            },
            stall_timeout: raw.stall_timeout.0,
            backoff_first: raw.backoff_first.0,
            backoff_max: raw.backoff_max.0,
        })
    }

    fn zones(&mut self, raw: &[RawZone]) -> Vec<Zone> {
        let mut zones: Vec<Zone> = Vec::new();
        let mut places: Vec<Span> = Vec::new();
        for zone in raw {
            let Some(at) = &zone.id else { continue };
            let Some(id) = self.keep(check_id(at, "zone")) else { continue };
            if let Some(first) = zones.iter().position(|z| z.id.as_str() == id) {
                self.report(
                    Problem::new(&at.span, format!("the zone id `{id}` is taken on this camera"))
                        .also(&places[first], "first here")
                        .help("give one of the two another id"),
                );
                continue;
            }
            // A polygon that is wrong is reported; the zone stays known, so that its rules are checked.
            let polygon = self.polygon(zone).unwrap_or_else(Polygon::full);
            let name = zone.name.as_ref().map_or_else(|| id.clone(), |n| n.to_string());
            let height_m = zone.height_m.as_deref().copied().unwrap_or(0.0);
            zones.push(Zone { height_m, ..Zone::new(ZoneId::new(id), name, polygon) });
            places.push(at.span.clone());
        }
        zones
    }

    /// With two zones of one id, a rule would be ambiguous.
    fn ground_names_are_free(&mut self, raw: &[RawZone]) {
        for at in raw.iter().filter_map(|zone| zone.id.as_ref()) {
            if self.map.zones.iter().any(|z| z.id.as_str() == at.as_str()) {
                let message = format!("`{}` is a ground zone of `map.zones` already", **at);
                self.report(Problem::new(&at.span, message).help("give one of the two another id"));
            }
        }
    }

    fn polygon(&mut self, zone: &RawZone) -> Option<Polygon> {
        let corners = zone.polygon.as_ref()?;
        let problem = match Polygon::new(corners.iter().map(|c| Point::from(**c)).collect()) {
            Ok(polygon) => return Some(polygon),
            Err(problem) => problem,
        };
        let (span, help) = match problem {
            PolygonError::Outside { index, .. } => (
                corners[index - 1].span.clone(),
                "coordinates are shares of the picture: x / width, y / height, from the upper left corner",
            ),
            PolygonError::Crossing(after, _) => (
                corners[after - 1].span.clone(),
                "write the corners in the order in which you would walk round the zone",
            ),
            _ => (corners.span.clone(), "a zone is an area: at least three corners that are not on one line"),
        };
        let message = problem.to_string();
        self.report(Problem::new(&span, message).help(help));
        None
    }

    fn track(&mut self, settings: &RawSettings) -> TrackConfig {
        let raw = &settings.track;
        if *raw.low_score > *raw.high_score {
            self.report(
                Problem::new(&raw.low_score.span, "`low_score` is above `high_score`")
                    .also(&raw.high_score.span, "`high_score`")
                    .help("scores from `high_score` start a track, those from `low_score` continue it"),
            );
        }
        TrackConfig { high_score: *raw.high_score, low_score: *raw.low_score, max_gap: raw.max_gap.0 }
    }

    /// Warns of rings that cannot hold a whole clip with a usual GOP before it, or cannot hold its beginning
    /// until it is requested.
    pub(super) fn check_rings(&mut self, pre_roll: Duration, post_roll: Duration) {
        const GOP: Duration = Duration::from_secs(4);
        /// An event is noticed within this on a box that keeps up.
        const NOTICED: Duration = Duration::from_secs(3);
        let clip = pre_roll + post_roll;
        for (camera, span) in self.cameras.iter().zip(&self.rings) {
            if camera.ring.max_duration < clip + GOP {
                let warning = format!(
                    "the ring of {} holds {} s, a clip of {} s needs about {} s: it may start late",
                    camera.id,
                    camera.ring.max_duration.as_secs(),
                    clip.as_secs(),
                    (clip + GOP).as_secs()
                );
                self.warnings.push((span.clone(), warning));
            } else if camera.ring.quiet < pre_roll + NOTICED {
                let warning = format!(
                    "while {} is quiet its ring holds {} s, and a clip begins {} s before its event: it may start late; \
                     raise ring.quiet_duration to {} s",
                    camera.id,
                    camera.ring.quiet.as_secs(),
                    pre_roll.as_secs(),
                    (pre_roll + NOTICED).as_secs()
                );
                self.warnings.push((span.clone(), warning));
            }
        }
    }
}
