//! The network that classifies crops.

use std::sync::Arc;

use super::{CropAnswer, CropQuestion, SecondLookManifest};
use crate::config::Provider;
use crate::detect::{Data, DetectError, ModelError, Network, OutputError, Runtime};

/// The output of the network that is read. It may have others.
const PROBABILITIES: &str = "probabilities";

pub struct Classifier {
    network: Network,
    manifest: Arc<SecondLookManifest>,
}

impl Classifier {
    /// Opens the network and tries it once. `threads`: instead of the manifest's.
    ///
    /// # Errors
    /// ONNX Runtime refuses it, or it does not match its manifest.
    pub fn open(
        runtime: &Runtime,
        manifest: Arc<SecondLookManifest>,
        provider: Provider,
    ) -> Result<Self, ModelError> {
        let network = Network::open(runtime, &manifest.network(), manifest.threads, provider)?;
        let mut classifier = Self { network, manifest };
        let input = &classifier.manifest.input;
        let blank = vec![0.0; (input.width * input.height * 3) as usize];
        match classifier.run(&blank) {
            Ok(_) => Ok(classifier),
            Err(DetectError::Output(wrong)) => Err(classifier.manifest.wrong("classes", wrong.to_string())),
            Err(source) => Err(ModelError::Trial { path: classifier.manifest.network().manifest, source }),
        }
    }

    /// # Errors
    /// ONNX Runtime fails.
    pub fn answer(&mut self, question: &CropQuestion) -> Result<CropAnswer, DetectError> {
        let CropQuestion { track, rect, at, input } = question;
        let probabilities = self.run(input)?;
        if let Some((class, probability)) = self.manifest.likeliest(&probabilities) {
            tracing::debug!(track = track.0, %at, ?rect, "second look: {class} {probability:.2}");
        }
        Ok(CropAnswer { track: *track, rect: *rect, at: *at, probabilities })
    }

    fn run(&mut self, input: &[f32]) -> Result<Vec<f32>, DetectError> {
        let classes = self.manifest.class_names().len();
        self.network.run(input, |outputs| {
            let output = outputs.iter().find(|output| output.name == PROBABILITIES);
            let given = |text: String| OutputError::Shape {
                kind: "classifier",
                classes,
                needed: format!("an output `{PROBABILITIES}` of [1, {classes}] float32"),
                given: text,
                advice: "list one [[classes]] for each output".into(),
            };
            match output.map(|output| (&output.data, &output.dims)) {
                Some((Data::F32(values), _)) if values.len() == classes => {
                    let sane = |v: &f32| if v.is_finite() { v.clamp(0.0, 1.0) } else { 0.0 };
                    Ok(values.iter().map(sane).collect())
                }
                Some((_, dims)) => Err(given(format!("`{PROBABILITIES}` of {dims:?}")).into()),
                None => {
                    let names: Vec<&str> = outputs.iter().map(|output| output.name).collect();
                    Err(given(format!("{names:?}")).into())
                }
            }
        })
    }
}
