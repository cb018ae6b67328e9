//! The COCO set that is written, as models/training/detector/dataset.py reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use image::{ImageReader, RgbImage};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::store::{Event, Object};
use super::{HarvestError, Report, Request};
use crate::base::replace_file;

/// A crop reaches beyond the box by this share of its longer side.
const MARGIN: f64 = 0.5;
/// A hard negative is cut tighter: a real object may be next to it.
const TIGHT: f64 = 0.15;
/// The least shorter side of a crop in pixels, if the still is that large.
const LEAST: f64 = 96.0;
/// Pixels are kept as the camera sent them.
const JPEG_QUALITY: u8 = 92;

#[derive(Serialize)]
struct Image {
    id: usize,
    file_name: String,
    width: u32,
    height: u32,
    source: String,
    viewpoint: &'static str,
    /// Only for these classes a missing box means that the object is absent.
    labelled_classes: Vec<String>,
    /// Pictures of one camera, zone and day are alike, so all of them go into the same set.
    cluster: String,
}

#[derive(Serialize)]
struct Annotation {
    id: usize,
    image_id: usize,
    category_id: usize,
    /// x, y, width, height in pixels.
    bbox: [f64; 4],
    area: f64,
    iscrowd: u8,
}

#[derive(Serialize)]
struct Category {
    id: usize,
    name: String,
}

#[derive(Serialize)]
struct Coco<'a> {
    images: Vec<&'a Image>,
    annotations: Vec<&'a Annotation>,
    categories: &'a [Category],
}

pub(super) struct Set<'a> {
    request: &'a Request,
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    classes: BTreeMap<String, usize>,
}

/// Pixels within a still: left, top, right, bottom.
type Rect = [u32; 4];

impl<'a> Set<'a> {
    pub fn begin(request: &'a Request) -> Result<Self, HarvestError> {
        let folder = request.out.join("images");
        fs::create_dir_all(&folder).map_err(HarvestError::io(folder))?;
        Ok(Self { request, images: Vec::new(), annotations: Vec::new(), classes: BTreeMap::new() })
    }

    /// The whole still with the event's boxes, and a crop around each.
    pub fn add_confirmed(&mut self, event: &Event) -> Result<(), HarvestError> {
        let still = open(&event.still)?;
        let whole = [0, 0, still.width(), still.height()];
        self.add(event, &still, whole, format!("{}.jpg", event.id), Vec::new(), &event.objects)?;
        for (n, object) in event.objects.iter().enumerate() {
            let part = around(object.rect, whole, MARGIN);
            let inside: Vec<Object> =
                event.objects.iter().filter(|o| o.class == object.class).cloned().collect();
            let name = format!("{}_{n}.jpg", event.id);
            self.add(event, &still, part, name, vec![object.class.clone()], &inside)?;
        }
        Ok(())
    }

    /// A crop around each object, in which its class is known to be absent.
    pub fn add_mistaken(&mut self, event: &Event) -> Result<(), HarvestError> {
        let still = open(&event.still)?;
        let whole = [0, 0, still.width(), still.height()];
        for (n, object) in event.objects.iter().enumerate() {
            self.number_of(&object.class);
            let part = around(object.rect, whole, TIGHT);
            let name = format!("{}_{n}.jpg", event.id);
            self.add(event, &still, part, name, vec![object.class.clone()], &[])?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        event: &Event,
        still: &RgbImage,
        part: Rect,
        name: String,
        labelled_classes: Vec<String>,
        objects: &[Object],
    ) -> Result<(), HarvestError> {
        let [left, top, right, bottom] = part;
        let path = self.request.out.join("images").join(&name);
        if right - left == still.width() && bottom - top == still.height() {
            fs::copy(&event.still, &path).map_err(HarvestError::io(&path))?;
        } else {
            let piece = image::imageops::crop_imm(still, left, top, right - left, bottom - top).to_image();
            write_jpeg(&path, &piece)?;
        }
        let id = self.images.len() + 1;
        self.images.push(Image {
            id,
            file_name: format!("images/{name}"),
            width: right - left,
            height: bottom - top,
            source: self.request.source.clone(),
            viewpoint: "fixed_camera",
            labelled_classes,
            cluster: format!("{}/{}/{}", event.camera, event.zone, event.day),
        });
        let size = [f64::from(still.width()), f64::from(still.height())];
        for object in objects {
            let Some(bbox) = within(object.rect, size, part) else { continue };
            let category_id = self.number_of(&object.class);
            let area = bbox[2] * bbox[3];
            let annotation = Annotation {
                id: self.annotations.len() + 1,
                image_id: id,
                category_id,
                bbox,
                area,
                iscrowd: 0,
            };
            self.annotations.push(annotation);
        }
        Ok(())
    }

    fn number_of(&mut self, class: &str) -> usize {
        let next = self.classes.len() + 1;
        *self.classes.entry(class.to_owned()).or_insert(next)
    }

    /// Writes the annotations of both sets and the row about the source.
    pub fn finish(self, report: &mut Report) -> Result<(), HarvestError> {
        let mut categories: Vec<Category> =
            self.classes.iter().map(|(name, id)| Category { id: *id, name: name.clone() }).collect();
        categories.sort_by_key(|c| c.id);
        for (name, dev) in [("annotations_train.json", false), ("annotations_dev.json", true)] {
            let images: Vec<&Image> =
                self.images.iter().filter(|i| held_out(&i.cluster, self.request.dev) == dev).collect();
            let ids: BTreeSet<usize> = images.iter().map(|i| i.id).collect();
            let annotations: Vec<&Annotation> =
                self.annotations.iter().filter(|a| ids.contains(&a.image_id)).collect();
            *(if dev { &mut report.dev_pictures } else { &mut report.train_pictures }) = images.len();
            report.boxes += annotations.len();
            let coco = Coco { images, annotations, categories: &categories };
            let mut text = serde_json::to_vec_pretty(&coco).expect("only strings and numbers");
            text.push(b'\n');
            let path = self.request.out.join(name);
            replace_file(&path, &text).map_err(HarvestError::io(&path))?;
        }
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let sources = format!(
            "[[source]]\nname = {}\nlicence = {}\ndecision = \"train\"\nnote = \"judged events of own cameras\"\n",
            quoted(&self.request.source),
            quoted(&self.request.licence)
        );
        let path = self.request.out.join("sources.toml");
        replace_file(&path, sources.as_bytes()).map_err(HarvestError::io(&path))
    }
}

fn open(path: &Path) -> Result<RgbImage, HarvestError> {
    let picture = |source| HarvestError::Picture { path: path.to_path_buf(), source };
    let reader = ImageReader::open(path).map_err(HarvestError::io(path))?;
    Ok(reader.decode().map_err(picture)?.into_rgb8())
}

fn write_jpeg(path: &Path, piece: &RgbImage) -> Result<(), HarvestError> {
    let mut packed = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut packed, JPEG_QUALITY);
    piece
        .write_with_encoder(encoder)
        .map_err(|source| HarvestError::Picture { path: path.to_path_buf(), source })?;
    replace_file(path, &packed).map_err(HarvestError::io(path))
}

/// The pixels around a box (shares of the picture), within the picture.
fn around(rect: [f64; 4], whole: Rect, margin: f64) -> Rect {
    let (width, height) = (f64::from(whole[2]), f64::from(whole[3]));
    let [x1, y1, x2, y2] = [rect[0] * width, rect[1] * height, rect[2] * width, rect[3] * height];
    let beyond = (x2 - x1).max(y2 - y1) * margin;
    let side = |from: f64, to: f64, limit: f64| {
        let missing = (LEAST - (to - from + 2.0 * beyond)).max(0.0) / 2.0;
        let low = (from - beyond - missing).clamp(0.0, limit - 1.0).floor();
        let high = (to + beyond + missing).clamp(low + 1.0, limit).ceil();
        (low as u32, high as u32)
    };
    let ((left, right), (top, bottom)) = (side(x1, x2, width), side(y1, y2, height));
    [left, top, right, bottom]
}

/// A box as x, y, width, height in pixels of `part`; `None` where less than half of it lies there.
fn within(rect: [f64; 4], size: [f64; 2], part: Rect) -> Option<[f64; 4]> {
    let at = |share: f64, whole: f64, start: u32| share * whole - f64::from(start);
    let [left, top, right, bottom] = part;
    let full = [
        at(rect[0], size[0], left),
        at(rect[1], size[1], top),
        at(rect[2], size[0], left),
        at(rect[3], size[1], top),
    ];
    let (w, h) = (f64::from(right - left), f64::from(bottom - top));
    let cut = [full[0].clamp(0.0, w), full[1].clamp(0.0, h), full[2].clamp(0.0, w), full[3].clamp(0.0, h)];
    let area = |b: [f64; 4]| (b[2] - b[0]) * (b[3] - b[1]);
    let tenths = |v: f64| (v * 10.0).round() / 10.0;
    (area(cut) > 0.5 * area(full))
        .then(|| [tenths(cut[0]), tenths(cut[1]), tenths(cut[2] - cut[0]), tenths(cut[3] - cut[1])])
}

/// Whether a cluster belongs to the dev set: by its name alone, so that it stays there in later harvests.
fn held_out(cluster: &str, share: f64) -> bool {
    let hash = Sha256::digest(cluster.as_bytes());
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    f64::from(number) / f64::from(u32::MAX) < share
}
