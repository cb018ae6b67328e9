//! Lintel's readers of foreign bytes, compiled from its own sources without the rest of it.
#![allow(dead_code, unused_imports)]

#[path = "../../src/base"]
pub mod base {
    mod full_width;
    mod geometry;
    mod id;
    mod text;
    mod time;

    pub use full_width::{Strays, Syntax, ascii_of, narrow, stray_hint, strays};
    pub use geometry::{Point, Polygon, PolygonError, Rect};
    pub use id::{AreaId, CameraId, ClassName, FrameSeq, ZoneId};
    pub use text::{NoText, decode_text, read_text};
    pub use time::{Capture, MediaTime, TimeSource, WallTime};
}

#[path = "../../src/geo"]
pub mod geo {
    mod area;
    mod outline;

    pub use area::{GroundArea, GroundAreaError};
}

#[path = "../../src/config"]
pub mod config {
    mod build;
    mod built_in;
    mod catalogue;
    mod files;
    mod geojson;
    mod load;
    mod loaded;
    mod moving;
    mod problem;
    mod raw;
    mod schema;
    mod source;
    mod structure;
    mod tree;
    mod types;

    use std::path::Path;

    use build::Secrets;
    use files::{FileText, Files};
    use load::{BuiltIn, check};
    use source::Sources;

    pub use load::load;
    pub use loaded::{Finding, Loaded};
    pub use moving::{Compensation, DroneConfig, TelemetrySource, UdpConfig};
    pub use problem::ConfigErrors;
    pub use types::*;

    /// Names of the files that [`check_texts`] takes.
    pub const FILES: [&str; 5] =
        ["main.toml", "cameras.toml", "catalogue.toml", "zones.geojson", "permits.geojson"];

    /// Checks a config from memory: the main file, and what it includes where that is not empty.
    pub fn check_texts(texts: [&str; 5]) -> Result<Loaded, ConfigErrors> {
        let mut sources = Sources::default();
        let built_in = BuiltIn::of(&mut sources);
        let mut file = |i: usize| FileText {
            text: texts[i].to_owned(),
            base: sources.add(Path::new(FILES[i]), texts[i], false),
        };
        let main = file(0);
        let mut optional = |i: usize| (!texts[i].trim().is_empty()).then(|| file(i));
        let files = Files {
            main,
            cameras: optional(1).into_iter().collect(),
            catalogue: optional(2),
            zones: optional(3),
            permits: optional(4),
        };
        check(&built_in, &files, sources, Secrets::Leave, Vec::new(), Vec::new())
    }
}

#[path = "../../src/drone"]
pub mod drone {
    mod attitude;
    mod check;
    mod clock;
    mod exif;
    mod flight;
    pub mod klv;
    mod pose;
    mod report;
    pub mod srt;
    pub mod still;
    pub mod xmp;

    pub use attitude::compose;
    pub use check::{Checker, Reference};
    pub use clock::{ClockFit, fit_clock};
    pub use flight::{Flight, MAX_GAP, NoPose, Sampled};
    pub use pose::{Angles, LonLat, Pose};
    pub use report::{Fault, Gap, Rejected, TelemetryReport};
    pub use still::{Still, StillError, StillLens, TakenSize};
}

#[path = "../../src/ingest"]
pub mod ingest {
    mod access_unit;
    mod bits;
    mod depacketizer;
    mod frame;
    mod nal;
    mod parameter_sets;
    mod payload;
    mod sdp;
    mod sps;

    use crate::base::MediaTime;

    pub use frame::Codec;

    /// What picture it is, as the name of its access, and the number of its parameter sets.
    pub fn head(codec: Codec, data: &[u8]) -> (Option<String>, Option<u64>) {
        let head = access_unit::head(codec, data);
        let mut sets = parameter_sets::ParameterSets::default();
        head.sets.iter().for_each(|set| sets.keep(codec, &data[set.clone()]));
        let whole = sets.before(data.to_vec().into(), &head);
        assert_eq!(access_unit::head(codec, &whole).picture.is_some(), head.picture.is_some());
        assert!(sets.size().is_none_or(|(width, height)| width > 0 && height > 0));
        (head.picture.map(|access| format!("{access:?}")), sets.hash())
    }

    /// Packets of a stream: payload, time, mark, lost before it. Gives the units.
    pub fn units<'a>(
        codec: Codec,
        packets: impl Iterator<Item = (&'a [u8], i64, bool, u64)>,
    ) -> Vec<Vec<u8>> {
        let mut reader = depacketizer::Depacketizer::new(codec);
        let mut units = Vec::new();
        for (payload, time, mark, lost) in packets {
            let packet = depacketizer::Packet { payload, time: MediaTime(time), mark, lost };
            reader.push(&packet, &mut |unit| units.push(unit.data.to_vec()));
        }
        units
    }

    pub fn described(sdp: &[u8]) -> Vec<Vec<u8>> {
        (0..3).flat_map(|stream| sdp::parameter_sets(sdp, stream)).collect()
    }

    pub fn delimiter_len(codec: Codec, data: &[u8]) -> usize {
        access_unit::delimiter_len(codec, data)
    }
}

#[path = "../../src/outbox"]
pub mod outbox {
    mod record;

    pub use record::{MediaChunk, OutMessage};
}

#[path = "../../src/wire"]
pub mod wire {
    mod chunk;
    mod command;
    mod confirm;
    mod topics;

    pub use chunk::{ChunkError, ChunkHeader, MAX_TOTAL_BYTES, decode_chunk, encode_chunk};
    pub use command::{
        CalibrationCommand, Command, Feedback, FeedbackCommand, LeadCommand, MAX_COMMAND_BYTES, ReplyError,
        ResendCommand,
    };
    pub use confirm::{Confirmation, Outcome};
    pub use topics::{About, Origin, Topics};
}

use base::WallTime;
use drone::{Flight, LonLat, Pose};

/// Where the flights of the seeds are.
pub const BASE: LonLat = LonLat { lon: 120.1614, lat: 30.2931 };

/// What must hold of every pose that a reader let through.
pub fn check(pose: &Pose) {
    assert!(pose.position.lon.abs() <= 180.0 && pose.position.lat.abs() <= 90.0, "{pose:?}");
    let angles = [&pose.platform, &pose.gimbal].map(|a| [a.heading, a.pitch, a.roll]);
    let numbers = [pose.alt_abs, pose.alt_rel, pose.fov.0, pose.fov.1, pose.slant_range];
    assert!(angles.iter().flatten().chain(&numbers).flatten().all(|v| v.is_finite()), "{pose:?}");
}

/// Every moment of a flight, and those around it, has a pose or a reason.
pub fn check_flight(flight: &Flight) {
    flight.poses().for_each(check);
    let times: Vec<i64> = flight.poses().filter_map(|p| Some(p.media?.0)).take(50).collect();
    for at in times.into_iter().flat_map(|t| [t, t.saturating_add(17_000), t.saturating_sub(1_000_000)]) {
        if let Ok(seen) = flight.at(WallTime(at)) {
            check(&seen.pose);
            assert!(seen.position_sigma_m.is_finite() && seen.speed.is_finite(), "{seen:?}");
        }
    }
    assert!(flight.gaps().count() < flight.len().max(1));
}
