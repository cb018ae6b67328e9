//! Which network there is, and what runs it.

use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq)]
pub struct DetectConfig {
    /// Folder with `model.toml`.
    pub model: PathBuf,
    pub workers: usize,
    /// `None`: the manifest's own number.
    pub threads: Option<usize>,
    pub provider: Provider,
}

/// An execution provider of ONNX Runtime. Which of them there are depends on how the library was built.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema, clap::ValueEnum,
)]
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

impl Provider {
    pub const ALL: [Provider; 8] = [
        Provider::Cpu,
        Provider::Xnnpack,
        Provider::Acl,
        Provider::Rknn,
        Provider::Qnn,
        Provider::Cuda,
        Provider::Tensorrt,
        Provider::Openvino,
    ];

    /// As it stands in the config.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Cpu => "cpu",
            Provider::Xnnpack => "xnnpack",
            Provider::Acl => "acl",
            Provider::Rknn => "rknn",
            Provider::Qnn => "qnn",
            Provider::Cuda => "cuda",
            Provider::Tensorrt => "tensorrt",
            Provider::Openvino => "openvino",
        }
    }
}
