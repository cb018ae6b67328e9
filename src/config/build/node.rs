//! The sections about the node that need little checking.

use std::path::Path;

use jiff::tz::TimeZone;
use tracing_subscriber::EnvFilter;

use super::Builder;
use super::name::check_id;
use crate::config::problem::Problem;
use crate::config::raw::{
    RawBudget, RawDecode, RawDetect, RawEvidence, RawLog, RawLogFormat, RawNode, RawOutbox, RawRuntime,
    RawSecondLook,
};
use crate::config::types::{
    BudgetConfig, DecodeConfig, DetectConfig, EvidenceConfig, KeepConfig, LogConfig, LogFormat, NodeConfig,
    OutboxConfig, RuntimeConfig, SecondLookConfig,
};

const MEGABYTE: u64 = 1024 * 1024;

impl Builder<'_, '_> {
    pub(super) fn node(&mut self, raw: &RawNode) -> Option<NodeConfig> {
        let id = raw.id.as_ref().and_then(|id| self.keep(check_id(id, "node")));
        let time_zone = self.keep(TimeZone::get(&raw.time_zone).map_err(|_| {
            Problem::new(&raw.time_zone.span, format!("there is no time zone \"{}\"", *raw.time_zone))
                .help("write its IANA name, for example \"Asia/Shanghai\" or \"UTC\"")
        }));
        let digits = raw.area_code.len() <= 6 && raw.area_code.chars().all(|c| c.is_ascii_digit());
        if !digits {
            self.report(
                Problem::new(&raw.area_code.span, "`area_code` has up to 6 digits")
                    .help("the digits that the city puts in front of an event code, or \"\""),
            );
        }
        let id = id?;
        Some(NodeConfig {
            name: raw.name.as_ref().map_or_else(|| id.clone(), |n| n.to_string()),
            id,
            data_dir: self.path(&raw.data_dir),
            time_zone: time_zone?,
            area_code: raw.area_code.to_string(),
        })
    }

    pub(super) fn runtime(&self, raw: &RawRuntime) -> RuntimeConfig {
        RuntimeConfig {
            onnxruntime: self.optional_path(raw.onnxruntime.as_ref()),
            stop_deadline: raw.stop_deadline.0,
            watch_config: raw.watch_config,
        }
    }

    pub(super) fn decode(&self, raw: &RawDecode) -> DecodeConfig {
        DecodeConfig {
            workers: *raw.workers,
            h264_decoder: raw.h264_decoder.as_ref().map(|d| d.to_string()),
            h265_decoder: raw.h265_decoder.as_ref().map(|d| d.to_string()),
        }
    }

    pub(super) fn detect(&self, raw: &RawDetect) -> DetectConfig {
        DetectConfig {
            model: self.path(&raw.model),
            workers: *raw.workers,
            threads: raw.threads.as_deref().copied(),
            provider: *raw.provider,
        }
    }

    /// `detector`: the folder of the detector's model, beside which the usual model lies.
    pub(super) fn second_look(&self, raw: &RawSecondLook, detector: &Path) -> SecondLookConfig {
        let usual = || {
            let folder = detector.with_file_name("lintel-look");
            folder.join("model.toml").is_file().then_some(folder)
        };
        let model = self.optional_path(raw.model.as_ref()).or_else(usual);
        SecondLookConfig { model: model.filter(|_| *raw.enabled), cores: *raw.cores }
    }

    pub(super) fn budget(&self, raw: &RawBudget) -> BudgetConfig {
        BudgetConfig { cores: raw.cores.as_deref().copied(), ring_bytes: *raw.ring_mb * 1024 * 1024 }
    }

    pub(super) fn evidence(&self, raw: &RawEvidence) -> EvidenceConfig {
        EvidenceConfig {
            pre_roll: raw.pre_roll.0,
            post_roll: raw.post_roll.0,
            jpeg_quality: *raw.jpeg_quality,
            min_free_bytes: *raw.min_free_mb * MEGABYTE,
            quota_bytes: *raw.quota_mb * MEGABYTE,
            keep: KeepConfig { low: raw.keep_low.0, medium: raw.keep_medium.0, high: raw.keep_high.0 },
            font: self.optional_path(raw.font.as_ref()),
        }
    }

    pub(super) fn outbox(&self, raw: &RawOutbox) -> OutboxConfig {
        OutboxConfig { max_bytes: *raw.max_mb * MEGABYTE }
    }

    pub(super) fn log(&mut self, raw: &RawLog) -> LogConfig {
        if let Err(error) = EnvFilter::builder().parse(&*raw.filter) {
            self.report(
                Problem::new(&raw.filter.span, format!("this is not a log filter: {error}"))
                    .help("a level (error, warn, info, debug, trace), or levels of modules: \"info,lintel::ingest=debug\""),
            );
        }
        LogConfig {
            filter: raw.filter.to_string(),
            format: match raw.format {
                RawLogFormat::Auto => LogFormat::Auto,
                RawLogFormat::Journal => LogFormat::Journal,
                RawLogFormat::Pretty => LogFormat::Pretty,
                RawLogFormat::Json => LogFormat::Json,
            },
        }
    }
}
