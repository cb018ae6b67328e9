//! Which network there is, and what runs it.

use std::path::PathBuf;

use clap::ValueEnum;

#[derive(Clone, Debug, PartialEq)]
pub struct DetectConfig {
    /// Folder with `model.toml`.
    pub model: PathBuf,
    pub workers: usize,
    /// `None`: the manifest's own number.
    pub threads: Option<usize>,
    pub provider: Provider,
}

/// The network that looks at things a second time.
#[derive(Clone, Debug, PartialEq)]
pub struct SecondLookConfig {
    /// Folder with `model.toml`; `None`: there are no second looks.
    pub model: Option<PathBuf>,
    /// The most that they take, in processor cores.
    pub cores: f64,
}

/// An execution provider of ONNX Runtime. Which of them there are depends on how the library was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Provider {
    /// The processor, by ONNX Runtime's own kernels: in every build.
    #[default]
    Cpu,
    /// The processor, by Google's kernels.
    Xnnpack,
    /// ARM processors and GPUs, by the Arm Compute Library.
    Acl,
    /// NPUs of Rockchip.
    Rknn,
    /// NPUs of Qualcomm.
    Qnn,
    /// GPUs of NVIDIA.
    Cuda,
    /// GPUs of NVIDIA, the network compiled for them at the start.
    Tensorrt,
    /// Processors, GPUs and NPUs of Intel.
    Openvino,
}

/// The name in the config.
impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.to_possible_value().expect("no variant is skipped").get_name())
    }
}
