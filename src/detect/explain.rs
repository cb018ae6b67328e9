//! What a network is, for people who write its manifest: inputs, outputs, and the head that it looks like.

use std::fmt;
use std::path::{Path, PathBuf};

use super::heads::{Looks, looks};
use super::onnx::{Network, NetworkFile, Port, Runtime};
use super::{Channels, HeadKind, InputSpec, LetterboxMode, ModelError, ModelManifest};
use crate::config::Provider;

/// Side of the input where the network takes any.
const ANY_SIDE: u32 = 640;

/// A network file as it is.
#[derive(Clone, Debug)]
pub struct Explanation {
    file: PathBuf,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// Width and height of the trial run, and the outputs' shapes in it; or why there was none.
    trial: Result<Trial, String>,
    /// What its manifest says, if there is one.
    manifest: Option<(HeadKind, usize)>,
}

#[derive(Clone, Debug)]
struct Trial {
    size: (u32, u32),
    shapes: Vec<(String, Vec<usize>)>,
    looks: Looks,
}

/// Looks at `model`, a folder with a manifest or an ONNX file, and runs it once on a grey picture.
///
/// # Errors
/// The manifest is wrong, or ONNX Runtime refuses the file.
pub fn explain(runtime: &Runtime, model: &Path) -> Result<Explanation, ModelError> {
    let manifest = if model.is_dir() { Some(ModelManifest::load(model)?) } else { None };
    let file = manifest.as_ref().map_or(model, |manifest| manifest.file()).to_path_buf();
    let (inputs, outputs) = Network::ports(runtime, &file)?;
    let known = manifest.as_ref().map(|m| (m.head.kind, m.class_names().len()));
    let trial = trial(runtime, &file, &inputs, known);
    Ok(Explanation { file, inputs, outputs, trial, manifest: known })
}

fn trial(
    runtime: &Runtime,
    file: &Path,
    inputs: &[Port],
    manifest: Option<(HeadKind, usize)>,
) -> Result<Trial, String> {
    let side = |dim: i64| u32::try_from(dim).ok().filter(|n| *n > 0).unwrap_or(ANY_SIDE);
    let size = match inputs.first().map(|port| port.dims.as_slice()) {
        Some(&[_, 3 | -1, height, width]) => (side(width), side(height)),
        Some(&[_, _, _, 3]) => {
            return Err("its input is [1, height, width, 3]: export it as [1, 3, height, width]".into());
        }
        _ => return Err("its first input is no picture [1, 3, height, width]".into()),
    };
    let input = InputSpec {
        width: size.0,
        height: size.1,
        channels: Channels::Rgb,
        scale: 1.0,
        mean: [0.0; 3],
        std: [1.0; 3],
        letterbox: LetterboxMode::Stretch,
        pad: 114,
    };
    let opened = NetworkFile { file, manifest: file.to_path_buf(), input: &input };
    let mut network = Network::open(runtime, &opened, 1, Provider::Cpu).map_err(|e| e.to_string())?;
    let grey = vec![0.447; 3 * size.0 as usize * size.1 as usize];
    let ran = network.run(&grey, |outputs| {
        let shapes = outputs.iter().map(|o| (o.name.to_owned(), o.dims.clone())).collect();
        Ok(Trial { size, shapes, looks: looks(size, manifest, outputs) })
    });
    ran.map_err(|e| e.to_string())
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.file.display())?;
        for (what, ports) in [("inputs", &self.inputs), ("outputs", &self.outputs)] {
            writeln!(f, "{what} (-1 is any)")?;
            for port in ports {
                writeln!(f, "  {}  {}  {:?}", port.name, port.kind, port.dims)?;
            }
        }
        let trial = match &self.trial {
            Ok(trial) => trial,
            Err(why) => return writeln!(f, "not run: {why}"),
        };
        let (width, height) = trial.size;
        writeln!(f, "run on a grey picture of {width}x{height}")?;
        for (name, dims) in &trial.shapes {
            writeln!(f, "  {name}  {dims:?}")?;
        }
        match trial.looks.advice() {
            Some(advice) => writeln!(f, "{advice}")?,
            None => writeln!(
                f,
                "it looks like nothing that is known here: docs/models.md has the layouts that are"
            )?,
        }
        if let Some((kind, classes)) = self.manifest {
            writeln!(f, "its manifest says head.kind = \"{}\" with {classes} classes", kind.as_str())?;
        }
        match trial.looks {
            Looks::Like(kind, classes) => lines(f, kind, classes, trial.size),
            _ => Ok(()),
        }
    }
}

/// What a manifest would have. Channels and scale are those that such networks are usually trained with.
fn lines(
    f: &mut fmt::Formatter<'_>,
    kind: HeadKind,
    classes: Option<usize>,
    (width, height): (u32, u32),
) -> fmt::Result {
    let (channels, scale, letterbox) = match kind {
        HeadKind::Yolox => ("bgr", "1.0", "top_left"),
        HeadKind::Detr => ("rgb", "0.00392156862745098", "stretch"),
        _ => ("rgb", "0.00392156862745098", "center"),
    };
    writeln!(f, "model.toml would have (channels, scale and letterbox: as it was trained)")?;
    writeln!(f, "  [input]\n  width = {width}\n  height = {height}\n  channels = \"{channels}\"")?;
    writeln!(
        f,
        "  scale = {scale}\n  letterbox = \"{letterbox}\"\n  [head]\n  kind = \"{}\"",
        kind.as_str()
    )?;
    match classes {
        Some(80) => writeln!(f, "  and class_list = \"coco\" at its top, if it was trained on COCO"),
        Some(n) => writeln!(f, "  and {n} times [[classes]], in the network's order"),
        None => writeln!(f, "  and one [[classes]] for each class, in the network's order"),
    }
}
