//! ONNX Runtime. The only file that uses `ort`.
//!
//! The library is loaded at run time, so a device may use its own build. A process loads one library and one
//! environment for its lifetime: ONNX Runtime cannot unload them.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use ort::environment::Environment;
use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use ort::logging::LogLevel;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::{Outlet, TensorElementType, TensorRef};
use parking_lot::Mutex;

use super::input_spec::InputSpec;
use super::{DetectError, ModelError};
use crate::config::Provider;

const LIBRARY: &str = "libonnxruntime.so";

static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// The loaded library. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Runtime {
    environment: Environment,
    library: PathBuf,
}

impl Runtime {
    /// Loads ONNX Runtime once per process; later calls return the same.
    ///
    /// Tries only `explicit`, if it is set. Otherwise `ORT_DYLIB_PATH`, `libonnxruntime.so` beside the
    /// program, in `../lib/lintel` from there, /usr/lib/lintel, /usr/local/lib, and then the system's library
    /// search.
    ///
    /// # Errors
    /// There is no library (the message lists all paths), it does not load or is too old, or another one is
    /// already loaded.
    pub fn load(explicit: Option<&Path>) -> Result<Self, ModelError> {
        let mut loaded = LOADED.lock();
        if let (Some(runtime), None) = (&*loaded, explicit) {
            return Ok(runtime.clone());
        }
        let runtime = match (find(explicit), &*loaded) {
            (Ok(library), Some(runtime)) if runtime.library == library => return Ok(runtime.clone()),
            (Ok(requested), Some(runtime)) => {
                return Err(ModelError::RuntimeTaken { loaded: runtime.library.clone(), requested });
            }
            (Ok(library), None) => start(library)?,
            (Err(tried), _) if explicit.is_some() => return Err(ModelError::NoRuntime { tried }),
            (Err(mut tried), _) => start(PathBuf::from(LIBRARY)).map_err(|_| {
                tried.push(format!("{LIBRARY} (the system's library search)"));
                ModelError::NoRuntime { tried }
            })?,
        };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// The path of the library.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// The providers in the library, among those that the config knows.
    pub fn providers(&self) -> Vec<Provider> {
        Provider::value_variants().iter().copied().filter(|provider| is_available(*provider)).collect()
    }
}

/// A network, for [`Network::open`].
pub(crate) struct NetworkFile<'a> {
    pub file: &'a Path,
    /// For messages.
    pub manifest: PathBuf,
    pub input: &'a InputSpec,
}

/// One session of a model, with the network's weights. `threads` includes the caller's.
pub(crate) struct Network {
    session: Session,
    image: String,
    /// The input for the picture's size, of DETR exports that scale the boxes themselves.
    sizes: Option<String>,
    shape: [usize; 4],
}

/// An input or output as the file has it.
#[derive(Clone, Debug)]
pub struct Port {
    pub name: String,
    pub kind: String,
    /// -1 is any.
    pub dims: Vec<i64>,
}

/// One output tensor of a run, row-major.
pub(crate) struct Output<'a> {
    pub name: &'a str,
    pub dims: Vec<usize>,
    pub data: Data<'a>,
}

pub(crate) enum Data<'a> {
    F32(&'a [f32]),
    I64(&'a [i64]),
    I32(&'a [i32]),
    /// Of a type that no head reads.
    Other(&'static str),
}

impl Network {
    /// # Errors
    /// The library lacks the provider, ONNX Runtime refuses the file, or its inputs do not match the
    /// manifest.
    pub fn open(
        runtime: &Runtime,
        network: &NetworkFile<'_>,
        threads: usize,
        provider: Provider,
    ) -> Result<Self, ModelError> {
        let has = runtime.providers();
        if !has.contains(&provider) {
            let library = runtime.library.clone();
            let has = has.into_iter().map(|p| format!("\"{p}\"")).collect();
            return Err(ModelError::NoProvider { requested: provider, library, has });
        }
        let session = session(runtime, network.file, threads, provider)
            .map_err(|reason| ModelError::Refused { path: network.file.to_path_buf(), reason })?;
        let (height, width) = (network.input.height as usize, network.input.width as usize);
        let shape = [1, 3, height, width];
        let problem = |key: &str, problem: String| {
            Err(ModelError::Value { manifest: network.manifest.clone(), key: key.into(), problem })
        };
        let (image, rest) = match session.inputs() {
            [] => return problem("file", "the network has no inputs".into()),
            [image, rest @ ..] => (image, rest),
        };
        if image.dtype().tensor_type() != Some(TensorElementType::Float32) {
            let text = format!(
                "the network's input `{}` is {}; export it with float32 inputs and outputs (Ultralytics: half=False; \
                 onnxconverter-common: keep_io_types=True)",
                image.name(),
                image.dtype()
            );
            return problem("file", text);
        }
        let dims = image.dtype().tensor_shape().map(|s| s.to_vec()).unwrap_or_default();
        if dims.len() != 4 || dims.iter().zip(shape).any(|(&d, want)| d >= 0 && d != want as i64) {
            let text =
                format!("the network's input `{}` is {dims:?}, the manifest makes {shape:?}", image.name());
            return problem(
                "input.width, input.height",
                format!("{text} (-1 is any); write the network's own size"),
            );
        }
        let sizes = match rest {
            [] => None,
            [sizes] if sizes.dtype().tensor_type() == Some(TensorElementType::Int64) => {
                Some(sizes.name().to_owned())
            }
            _ => {
                let names: Vec<&str> = rest.iter().map(Outlet::name).collect();
                return problem(
                    "file",
                    format!(
                        "cannot feed the further inputs {names:?}; export without them{}",
                        if names.iter().any(|n| n.contains("scale_factor") || n.contains("im_shape")) {
                            " (it looks like PaddleDetection: `-o TestReader.fuse_normalize=true export.benchmark=True`)"
                        } else {
                            ""
                        }
                    ),
                );
            }
        };
        let image = image.name().to_owned();
        Ok(Self { session, image, sizes, shape })
    }

    /// Name, type and shape of the inputs and outputs of a network, for people.
    ///
    /// # Errors
    /// ONNX Runtime refuses the file.
    pub fn ports(runtime: &Runtime, file: &Path) -> Result<(Vec<Port>, Vec<Port>), ModelError> {
        let session = session(runtime, file, 1, Provider::Cpu)
            .map_err(|reason| ModelError::Refused { path: file.to_path_buf(), reason })?;
        let port = |outlet: &Outlet| Port {
            name: outlet.name().to_owned(),
            kind: outlet.dtype().to_string(),
            dims: outlet.dtype().tensor_shape().map(|s| s.to_vec()).unwrap_or_default(),
        };
        Ok((session.inputs().iter().map(port).collect(), session.outputs().iter().map(port).collect()))
    }

    /// Runs the network on `[1, 3, height, width]` and lends its outputs to `read`.
    ///
    /// # Errors
    /// ONNX Runtime fails.
    pub fn run<T>(
        &mut self,
        pixels: &[f32],
        read: impl FnOnce(&[Output<'_>]) -> Result<T, DetectError>,
    ) -> Result<T, DetectError> {
        let failed = |e: ort::Error| DetectError::Run(e.to_string());
        let [_, _, height, width] = self.shape;
        let picture = TensorRef::from_array_view((self.shape, pixels)).map_err(failed)?;
        let size = [width as i64, height as i64];
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = vec![(&self.image, picture.into())];
        if let Some(name) = &self.sizes {
            let sizes = TensorRef::from_array_view(([1usize, 2], &size[..])).map_err(failed)?;
            inputs.push((name, sizes.into()));
        }
        let outputs = self.session.run(inputs).map_err(failed)?;
        let mut lent = Vec::with_capacity(outputs.len());
        for (i, name) in outputs.keys().enumerate() {
            let value = &outputs[i];
            let data = match value.dtype().tensor_type() {
                Some(TensorElementType::Int64) => Data::I64(value.try_extract_tensor().map_err(failed)?.1),
                Some(TensorElementType::Int32) => Data::I32(value.try_extract_tensor().map_err(failed)?.1),
                Some(TensorElementType::Float32) => Data::F32(value.try_extract_tensor().map_err(failed)?.1),
                Some(TensorElementType::Float16) => Data::Other("float16"),
                Some(TensorElementType::Bfloat16) => Data::Other("bfloat16"),
                Some(TensorElementType::Uint8 | TensorElementType::Int8) => Data::Other("int8"),
                _ => Data::Other("something else than float32"),
            };
            let dims = value.dtype().tensor_shape().map(|s| s.to_vec()).unwrap_or_default();
            let dims = dims.into_iter().map(|d| usize::try_from(d).unwrap_or(0)).collect();
            lent.push(Output { name, dims, data });
        }
        read(&lent)
    }
}

/// The library's canonical path. Otherwise all paths that were tried, each with the reason.
fn find(explicit: Option<&Path>) -> Result<PathBuf, Vec<String>> {
    let places = explicit.map_or_else(usual_places, |path| vec![("as configured", path.to_path_buf())]);
    let mut tried = Vec::new();
    for (why, path) in places {
        match path.canonicalize() {
            Ok(file) if file.is_file() => return Ok(file),
            Ok(_) => tried.push(format!("{} ({why}: not a file)", path.display())),
            Err(e) => tried.push(format!("{} ({why}: {e})", path.display())),
        }
    }
    Err(tried)
}

fn usual_places() -> Vec<(&'static str, PathBuf)> {
    let mut places = Vec::new();
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|p| !p.is_empty()) {
        places.push(("by ORT_DYLIB_PATH", PathBuf::from(path)));
    }
    if let Some(folder) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        places.push(("beside the program", folder.join(LIBRARY)));
        places.push(("beside the program", folder.join("../lib/lintel").join(LIBRARY)));
    }
    places.extend(["/usr/lib/lintel", "/usr/local/lib"].map(|f| ("installed", Path::new(f).join(LIBRARY))));
    places
}

fn start(library: PathBuf) -> Result<Runtime, ModelError> {
    let broken = |reason: String| ModelError::Runtime { path: library.clone(), reason };
    let environment = ort::init_from(&library)
        .map_err(|e| broken(e.to_string()))?
        .with_name("lintel")
        .with_logger(Arc::new(log))
        .build()
        .map_err(|e| broken(e.to_string()))?;
    environment.set_log_level(LogLevel::Warning);
    tracing::debug!(library = %library.display(), "loaded ONNX Runtime");
    Ok(Runtime { environment, library })
}

/// ONNX Runtime also returns its errors as results, and its warnings are about graphs. So both are logged as
/// debug.
fn log(level: LogLevel, _category: &str, _id: &str, _place: &str, message: &str) {
    match level {
        LogLevel::Warning | LogLevel::Error | LogLevel::Fatal => {
            tracing::debug!(target: "onnxruntime", "{message}")
        }
        LogLevel::Info | LogLevel::Verbose => tracing::trace!(target: "onnxruntime", "{message}"),
    }
}

fn is_available(provider: Provider) -> bool {
    let available = match provider {
        Provider::Cpu => return true,
        Provider::Xnnpack => ep::XNNPACK::is_available(),
        Provider::Acl => ep::ACL::is_available(),
        Provider::Rknn => ep::RKNPU::is_available(),
        Provider::Qnn => ep::QNN::is_available(),
        Provider::Cuda => ep::CUDA::is_available(),
        Provider::Tensorrt => ep::TensorRT::is_available(),
        Provider::Openvino => ep::OpenVINO::is_available(),
    };
    available.unwrap_or(false)
}

/// The provider to use before the processor, which runs all that the provider cannot. `None`: the processor
/// only.
fn dispatch(provider: Provider, threads: usize) -> Option<ExecutionProviderDispatch> {
    let dispatch = match provider {
        Provider::Cpu => return None,
        Provider::Xnnpack => {
            let own = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
            ep::XNNPACK::default().with_intra_op_num_threads(own).build()
        }
        Provider::Acl => ep::ACL::default().build(),
        Provider::Rknn => ep::RKNPU::default().build(),
        // Its other backends, processor and GPU, have better providers.
        Provider::Qnn => ep::QNN::default().with_backend_path("libQnnHtp.so").build(),
        Provider::Cuda => ep::CUDA::default().build(),
        Provider::Tensorrt => ep::TensorRT::default().build(),
        Provider::Openvino => ep::OpenVINO::default().build(),
    };
    Some(dispatch.error_on_failure())
}

fn session(runtime: &Runtime, file: &Path, threads: usize, provider: Provider) -> Result<Session, String> {
    // The builder's error contains the builder, so keep only its text.
    let mut builder = Session::builder(&runtime.environment)
        .map_err(|e| e.to_string())?
        .with_intra_threads(threads)
        .map_err(|e| e.to_string())?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(|e| e.to_string())?
        // Threads that spin between pictures would take the cores that the decoders need.
        .with_config_entry("session.intra_op.allow_spinning", "0")
        .map_err(|e| e.to_string())?
        .with_execution_providers(dispatch(provider, threads).as_slice())
        .map_err(|e| e.to_string())?;
    builder.commit_from_file(file).map_err(|e| e.to_string())
}
