//! The outputs: COCO results, JSON lines, pictures with boxes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use image::codecs::jpeg::JpegEncoder;
use serde::Serialize;

use crate::base::ClassName;
use crate::decode::Picture;
use crate::detect::{Detection, ModelManifest};
use crate::draw::{Colour, Lettering};
use crate::evidence::{BoxMark, Overlay, draw, rgb_image};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Coco,
    Jsonl,
}

/// The detections of one picture.
pub(super) struct Entry<'a> {
    pub id: u64,
    pub label: &'a str,
    pub time_s: Option<f64>,
    pub picture: &'a Picture,
    pub found: &'a [Detection],
}

/// Writes each picture's detections at once, so an interrupted run keeps its results.
pub(super) struct Results {
    out: Box<dyn Write>,
    path: PathBuf,
    format: Format,
    /// Ids by class: from the COCO file, else counted from 1 in the order of the manifest.
    categories: HashMap<String, u64>,
    /// The ids are not from a COCO file, so names are written too.
    own_ids: bool,
    found: u64,
    missing: BTreeMap<ClassName, u64>,
}

#[derive(Serialize)]
struct CocoResult<'a> {
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a ClassName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_s: Option<f64>,
}

#[derive(Serialize)]
struct Line<'a> {
    file_name: &'a str,
    image_id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_s: Option<f64>,
    width: u32,
    height: u32,
    detections: Vec<LineBox<'a>>,
}

#[derive(Serialize)]
struct LineBox<'a> {
    class: &'a ClassName,
    score: f64,
    /// x, y, width, height in pixels.
    bbox: [f64; 4],
}

impl Results {
    /// # Errors
    /// The file cannot be created.
    pub fn create(
        path: &Path,
        format: Format,
        manifest: &ModelManifest,
        categories: Option<HashMap<String, u64>>,
    ) -> anyhow::Result<Self> {
        let out: Box<dyn Write> = if path == Path::new("-") {
            Box::new(std::io::stdout())
        } else {
            Box::new(BufWriter::new(File::create(path).with_context(|| format!("{}", path.display()))?))
        };
        let own_ids = categories.is_none();
        let numbered = || (1..).zip(manifest.class_names()).map(|(id, c)| (c.to_string(), id)).collect();
        let categories = categories.unwrap_or_else(numbered);
        let missing = BTreeMap::new();
        Ok(Self { out, path: path.to_path_buf(), format, categories, own_ids, found: 0, missing })
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, entry: &Entry<'_>) -> anyhow::Result<()> {
        let place = self.path.display().to_string();
        match self.format {
            Format::Coco => self.coco(entry),
            Format::Jsonl => self.line(entry),
        }
        .with_context(|| place)
    }

    /// Ends the file. Returns the classes that the COCO file lacks, with their number of detections.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(&mut self) -> anyhow::Result<BTreeMap<ClassName, u64>> {
        let end = || format!("{}", self.path.display());
        if self.format == Format::Coco {
            let text = if self.found == 0 { "[]\n" } else { "\n]\n" };
            self.out.write_all(text.as_bytes()).with_context(end)?;
        }
        self.out.flush().with_context(end)?;
        Ok(std::mem::take(&mut self.missing))
    }

    pub fn found(&self) -> u64 {
        self.found
    }

    fn coco(&mut self, entry: &Entry<'_>) -> std::io::Result<()> {
        for d in entry.found {
            let Some(&category_id) = self.categories.get(d.class.as_str()) else {
                *self.missing.entry(d.class.clone()).or_default() += 1;
                continue;
            };
            let result = CocoResult {
                image_id: entry.id,
                category_id,
                bbox: bbox(d, entry.picture),
                score: rounded(d.score, 1e5),
                file_name: self.own_ids.then_some(entry.label),
                category: self.own_ids.then_some(&d.class),
                time_s: entry.time_s,
            };
            self.out.write_all(if self.found == 0 { b"[\n" } else { b",\n" })?;
            serde_json::to_writer(&mut self.out, &result)?;
            self.found += 1;
        }
        Ok(())
    }

    fn line(&mut self, entry: &Entry<'_>) -> std::io::Result<()> {
        let boxes = entry.found.iter().map(|d| LineBox {
            class: &d.class,
            score: rounded(d.score, 1e5),
            bbox: bbox(d, entry.picture),
        });
        let line = Line {
            file_name: entry.label,
            image_id: entry.id,
            time_s: entry.time_s,
            width: entry.picture.width,
            height: entry.picture.height,
            detections: boxes.collect(),
        };
        serde_json::to_writer(&mut self.out, &line)?;
        self.out.write_all(b"\n")?;
        self.out.flush()?;
        self.found += entry.found.len() as u64;
        Ok(())
    }
}

fn bbox(d: &Detection, picture: &Picture) -> [f64; 4] {
    let (w, h) = (picture.width as f32, picture.height as f32);
    [d.rect.x0 * w, d.rect.y0 * h, d.rect.width() * w, d.rect.height() * h].map(|v| rounded(v, 1e3))
}

fn rounded(value: f32, parts: f64) -> f64 {
    (f64::from(value) * parts).round() / parts
}

/// Writes pictures with boxes into a folder, each named after its input.
pub(super) struct Annotator {
    folder: PathBuf,
    letters: Lettering,
    taken: HashSet<String>,
}

impl Annotator {
    /// # Errors
    /// The folder cannot be created.
    pub fn create(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
        Ok(Self { folder: folder.to_path_buf(), letters: Lettering::ascii(), taken: HashSet::new() })
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write(
        &mut self,
        label: &str,
        time_s: Option<f64>,
        picture: &Picture,
        found: &[Detection],
    ) -> anyhow::Result<()> {
        let boxes = found.iter().map(|d| BoxMark {
            rect: d.rect,
            label: d.class.to_string(),
            score: Some(d.score),
            colour: Colour::of_class(&d.class),
        });
        let overlay = Overlay { boxes: boxes.collect(), ..Overlay::default() };
        let drawn = draw(rgb_image(picture)?, &overlay, &self.letters)?;
        let name = self.name(label, time_s);
        let path = self.folder.join(name);
        let file = File::create(&path).with_context(|| format!("{}", path.display()))?;
        let mut file = BufWriter::new(file);
        JpegEncoder::new_with_quality(&mut file, 90)
            .encode_image(&drawn)
            .with_context(|| format!("{}", path.display()))?;
        file.flush().with_context(|| format!("{}", path.display()))
    }

    /// `gate.jpg`; `gate_00012.500s.jpg` for a video; `gate-2.jpg` if the name is in use.
    fn name(&mut self, label: &str, time_s: Option<f64>) -> String {
        let stem = Path::new(label).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let stem = time_s.map_or_else(|| stem.clone(), |t| format!("{stem}_{t:09.3}s"));
        let mut name = format!("{stem}.jpg");
        let mut count = 2;
        while !self.taken.insert(name.clone()) {
            name = format!("{stem}-{count}.jpg");
            count += 1;
        }
        name
    }
}
