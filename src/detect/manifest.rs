//! `model.toml`: the input of a network, the layout of its outputs, and its classes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ModelError;
use super::class_figures::ClassFigures;
use super::class_list::ClassList;
use super::input_spec::InputSpec;
use super::model_folder::{ModelFolder, WrongValue, check_file, check_threads};
use super::onnx::NetworkFile;
use crate::base::{ClassKind, ClassKinds, ClassName, ConfidenceMap, ConfidenceMaps};

/// The manifest of a checked model folder: the model file exists and has the manifest's hash.
#[derive(Clone, Debug)]
pub struct ModelManifest {
    pub name: String,
    pub version: String,
    /// SPDX identifier.
    pub licence: String,
    /// SHA-256 of the model file, lower-case hex.
    pub sha256: String,
    pub input: InputSpec,
    pub head: HeadSpec,
    /// Threads of one run, unless the config sets another number.
    pub threads: usize,
    folder: ModelFolder,
    file: PathBuf,
    classes: Vec<ClassName>,
    thresholds: Vec<f32>,
    nms_ious: Vec<f32>,
    figures: Vec<Option<ClassFigures>>,
    kinds: ClassKinds,
    confidences: ConfidenceMaps,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadSpec {
    pub kind: HeadKind,
    /// Overlap (intersection over union) above which only the better of two boxes of a class stays. A class
    /// may override it.
    #[serde(default = "half")]
    pub nms_iou: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadKind {
    Yolox,
    /// Also YOLOv7 exports with decoded boxes.
    Yolov5,
    /// Also YOLOv9, YOLO11 and others without objectness.
    Yolov8,
    /// DETR family (RT-DETR, D-FINE): raw logits and boxes, or labels, boxes and scores, or both in one
    /// tensor.
    Detr,
    /// Exports with suppression inside or without need for it. Each row: left, top, right, bottom, score,
    /// class.
    #[serde(rename = "end_to_end")]
    EndToEnd,
}

impl HeadKind {
    pub fn as_str(self) -> &'static str {
        match self {
            HeadKind::Yolox => "yolox",
            HeadKind::Yolov5 => "yolov5",
            HeadKind::Yolov8 => "yolov8",
            HeadKind::Detr => "detr",
            HeadKind::EndToEnd => "end_to_end",
        }
    }
}

impl ModelManifest {
    /// Reads `folder`/model.toml and the whole model file, for its hash.
    ///
    /// # Errors
    /// The manifest or the model file is missing, a key or value is wrong, or the hash differs.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let folder = ModelFolder::new(folder);
        let mut raw: Raw = folder.read()?;
        raw.take_list().map_err(|wrong| folder.wrong(wrong))?;
        raw.check().map_err(|wrong| folder.wrong(wrong))?;
        let file = folder.checked_file(&raw.file, &raw.sha256)?;
        Ok(Self {
            name: raw.name,
            version: raw.version,
            licence: raw.licence,
            sha256: raw.sha256.to_ascii_lowercase(),
            input: raw.input,
            head: raw.head,
            threads: raw.runtime.threads,
            folder,
            file,
            thresholds: raw.classes.iter().map(|c| c.threshold).collect(),
            nms_ious: raw.classes.iter().map(|c| c.nms_iou.unwrap_or(raw.head.nms_iou)).collect(),
            confidences: ConfidenceMaps::new(
                raw.classes.iter().filter_map(|c| Some((ClassName::new(c.name.as_str()), c.confidence?))),
            ),
            figures: raw.classes.iter().map(|c| c.measured).collect(),
            kinds: ClassKinds::new(
                raw.classes.iter().filter_map(|c| Some((ClassName::new(c.name.as_str()), c.kind?))),
            ),
            classes: raw.classes.into_iter().map(|c| ClassName::new(c.name)).collect(),
        })
    }

    /// In the order of the network's class channels.
    pub fn class_names(&self) -> &[ClassName] {
        &self.classes
    }

    /// Lowest score at which a detection of this class counts, 0 to 1. `None` if the model does not have the
    /// class.
    pub fn threshold(&self, class: &ClassName) -> Option<f32> {
        self.classes.iter().position(|c| c == class).map(|i| self.thresholds[i])
    }

    /// How well the model decides the class. `None`: its author gives no figures.
    pub fn figures(&self, class: &ClassName) -> Option<&ClassFigures> {
        let index = self.classes.iter().position(|c| c == class)?;
        self.figures[index].as_ref()
    }

    /// For each class, the overlap (intersection over union) above which only the better of two boxes stays:
    /// the class's own or else the head's.
    pub fn nms_ious(&self) -> &[f32] {
        &self.nms_ious
    }

    /// The kind of each class, by the manifest or by its name.
    pub fn class_kinds(&self) -> &ClassKinds {
        &self.kinds
    }

    /// What a score of each class is worth.
    pub fn confidences(&self) -> &ConfidenceMaps {
        &self.confidences
    }

    /// The model file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn network(&self) -> NetworkFile<'_> {
        NetworkFile { file: &self.file, manifest: self.folder.manifest(), input: &self.input }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    version: String,
    file: String,
    sha256: String,
    licence: String,
    input: InputSpec,
    head: HeadSpec,
    runtime: RawRuntime,
    /// Instead of `[[classes]]`; an entry of these replaces that of its name.
    class_list: Option<ClassList>,
    #[serde(default)]
    classes: Vec<RawClass>,
    /// Accuracy and speed as measured by the model's author; for information only.
    #[serde(default, rename = "measured")]
    _measured: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRuntime {
    threads: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClass {
    name: String,
    threshold: f32,
    nms_iou: Option<f32>,
    kind: Option<ClassKind>,
    measured: Option<ClassFigures>,
    confidence: Option<ConfidenceMap>,
}

/// Threshold of a class of a list that the manifest does not set.
const LISTED_THRESHOLD: f32 = 0.4;

impl Raw {
    /// Lays the manifest's own classes over the list that it names.
    fn take_list(&mut self) -> Result<(), WrongValue> {
        let Some(list) = self.class_list else { return Ok(()) };
        let mut own = std::mem::take(&mut self.classes);
        if let Some(i) = own.iter().position(|class| !list.names().contains(&class.name.as_str())) {
            let problem = format!("\"{}\" is not in the list that class_list names", own[i].name);
            return Err((format!("classes[{i}].name"), problem));
        }
        let listed = |name: &str| RawClass {
            name: name.to_owned(),
            threshold: LISTED_THRESHOLD,
            nms_iou: None,
            kind: None,
            measured: None,
            confidence: None,
        };
        for name in list.names() {
            let set = own.iter().position(|class| class.name == *name);
            self.classes.push(set.map_or_else(|| listed(name), |i| own.remove(i)));
        }
        // What is left stands twice, and is reported with all other mistakes.
        self.classes.append(&mut own);
        Ok(())
    }

    /// Fails with the key and the problem of its value.
    fn check(&self) -> Result<(), WrongValue> {
        self.input.check()?;
        check_overlap("head.nms_iou".into(), self.head.nms_iou)?;
        check_threads(self.runtime.threads)?;
        check_file(&self.file, &self.sha256)?;
        self.check_classes()
    }

    fn check_classes(&self) -> Result<(), WrongValue> {
        if self.classes.is_empty() {
            return Err((
                "classes".into(),
                "no [[classes]]; list them in the order of the network, or set class_list = \"coco\"".into(),
            ));
        }
        let mut seen = HashSet::new();
        for (i, class) in self.classes.iter().enumerate() {
            let key = |field: &str| format!("classes[{i}].{field}");
            if class.name.trim().is_empty() || class.name.trim() != class.name {
                return Err((key("name"), format!("\"{}\" is empty or has spaces around it", class.name)));
            }
            if !seen.insert(&class.name) {
                return Err((
                    key("name"),
                    format!("\"{}\" is listed twice; give each class its own name", class.name),
                ));
            }
            if !(0.0..=1.0).contains(&class.threshold) {
                return Err((key("threshold"), format!("{} is not in 0 to 1", class.threshold)));
            }
            class.nms_iou.map_or(Ok(()), |iou| check_overlap(key("nms_iou"), iou))?;
            if class.confidence.is_some_and(|map| !map.is_valid()) {
                return Err((
                    key("confidence"),
                    "`slope` must be above 0: a better score is worth more".into(),
                ));
            }
            if let Some(Err((field, problem))) = class.measured.as_ref().map(ClassFigures::check) {
                return Err((key(&format!("measured.{field}")), problem));
            }
        }
        Ok(())
    }
}

fn check_overlap(key: String, iou: f32) -> Result<(), WrongValue> {
    let fits = iou > 0.0 && iou <= 1.0;
    if fits { Ok(()) } else { Err((key, format!("{iou} is not above 0 and at most 1"))) }
}

fn half() -> f32 {
    0.5
}
