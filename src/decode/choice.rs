//! Chooses among the decoders that the box has.
//!
//! Hardware first, the most board-specific before the others; a decoder counts only if it opens on this box.
//! The elements come from GStreamer's v4l2codecs and video4linux2, gstreamer-rockchip, NVIDIA's
//! gst-nvvideo4linux2 and nvcodec, va and vaapi.

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::config::DecodeConfig;
use crate::ingest::Codec;

use super::DecodeError;
use super::error::name;

struct Candidate {
    element: &'static str,
    /// Element that copies pictures out of device memory, for a decoder that does not.
    download: Option<&'static str>,
    kind: &'static str,
}

const fn candidate(element: &'static str, kind: &'static str) -> Candidate {
    Candidate { element, download: None, kind }
}

/// Jetson's decoder outputs NVMM memory only.
const JETSON: Candidate =
    Candidate { element: "nvv4l2decoder", download: Some("nvvidconv"), kind: "NVIDIA Jetson hardware" };

/// openh264dec is left out: in GStreamer 1.22 it never outputs a single key frame, not even at the end of the
/// stream.
const H264: [Candidate; 9] = [
    candidate("v4l2slh264dec", "V4L2 stateless hardware"),
    candidate("v4l2h264dec", "V4L2 hardware"),
    candidate("mppvideodec", "Rockchip MPP hardware"),
    JETSON,
    candidate("nvh264dec", "NVIDIA hardware"),
    candidate("nvh264sldec", "NVIDIA hardware"),
    candidate("vah264dec", "VA-API hardware"),
    candidate("vaapih264dec", "VA-API hardware"),
    candidate("avdec_h264", "software"),
];

const H265: [Candidate; 10] = [
    candidate("v4l2slh265dec", "V4L2 stateless hardware"),
    candidate("v4l2h265dec", "V4L2 hardware"),
    candidate("mppvideodec", "Rockchip MPP hardware"),
    JETSON,
    candidate("nvh265dec", "NVIDIA hardware"),
    candidate("nvh265sldec", "NVIDIA hardware"),
    candidate("vah265dec", "VA-API hardware"),
    candidate("vaapih265dec", "VA-API hardware"),
    candidate("avdec_h265", "software"),
    candidate("libde265dec", "software"),
];

/// The decoder for each codec, chosen once at start.
#[derive(Clone, Debug)]
pub struct DecoderChoice {
    h264: Option<Chosen>,
    h265: Option<Chosen>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub element: String,
    pub download: Option<&'static str>,
}

impl DecoderChoice {
    /// Tries the box's decoders and logs the choice, one line a codec. If a codec has no decoder and the
    /// config names none, that becomes an error only when a camera sends the codec.
    ///
    /// # Errors
    /// GStreamer does not start, or a decoder named in the config is missing, decodes another codec, or does
    /// not open.
    pub fn new(config: &DecodeConfig) -> Result<Self, DecodeError> {
        gst::init().map_err(|e| DecodeError::Gstreamer(e.to_string()))?;
        let named = |key, codec, asked: &Option<String>| match asked {
            Some(asked) => named(key, codec, asked).map(Some),
            None => Ok(best(codec)),
        };
        Ok(Self {
            h264: named("decode.h264_decoder", Codec::H264, &config.h264_decoder)?,
            h265: named("decode.h265_decoder", Codec::H265, &config.h265_decoder)?,
        })
    }

    /// Name of the GStreamer element, for reports.
    pub fn element(&self, codec: Codec) -> Option<&str> {
        self.chosen(codec).ok().map(|chosen| chosen.element.as_str())
    }

    pub(super) fn chosen(&self, codec: Codec) -> Result<&Chosen, DecodeError> {
        let chosen = match codec {
            Codec::H264 => &self.h264,
            Codec::H265 => &self.h265,
        };
        chosen.as_ref().ok_or(DecodeError::NoDecoder(codec))
    }
}

fn candidates(codec: Codec) -> &'static [Candidate] {
    match codec {
        Codec::H264 => &H264,
        Codec::H265 => &H265,
    }
}

fn best(codec: Codec) -> Option<Chosen> {
    let list = candidates(codec);
    let Some(found) = list.iter().find(|c| decodes(c.element, codec) && opens(c.element, c.download)) else {
        tracing::warn!(
            codec = name(codec),
            "this box has no decoder for {}: cameras that send it are recorded but not analysed; install the package \
             gstreamer1.0-libav",
            name(codec)
        );
        return None;
    };
    let why =
        if found.kind == "software" { "no hardware decoder opens on this box" } else { "first that opens" };
    tracing::info!(codec = name(codec), element = found.element, "decoder chosen: {} ({why})", found.kind);
    Some(Chosen { element: found.element.into(), download: found.download })
}

fn named(key: &'static str, codec: Codec, asked: &str) -> Result<Chosen, DecodeError> {
    let refuse = |why| Err(DecodeError::Named { key, name: asked.into(), why, has: all(codec) });
    if gst::ElementFactory::find(asked).is_none() {
        return refuse("GStreamer has no such element here");
    }
    if !decodes(asked, codec) {
        return refuse("it is no decoder of this codec");
    }
    let download = candidates(codec).iter().find(|c| c.element == asked).and_then(|c| c.download);
    if !opens(asked, download) {
        return refuse("it does not open: is the device there, and may this user use it?");
    }
    tracing::info!(codec = name(codec), element = asked, "decoder chosen: named by {key}");
    Ok(Chosen { element: asked.into(), download })
}

/// Every video decoder of the box for this codec.
fn all(codec: Codec) -> Vec<String> {
    let kind = gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_VIDEO;
    let factories = gst::ElementFactory::factories_with_type(kind, gst::Rank::NONE);
    let caps = gst::Caps::new_empty_simple(codec.media_type());
    factories.iter().filter(|f| f.can_sink_any_caps(&caps)).map(|f| f.name().to_string()).collect()
}

fn decodes(element: &str, codec: Codec) -> bool {
    gst::ElementFactory::find(element).is_some_and(|factory| {
        factory.has_type(gst::ElementFactoryType::DECODER)
            && factory.can_sink_any_caps(&gst::Caps::new_empty_simple(codec.media_type()))
    })
}

/// Hardware elements open their device when they change to state READY.
fn opens(decoder: &str, download: Option<&str>) -> bool {
    [Some(decoder), download].into_iter().flatten().all(|element| {
        let Ok(element) = gst::ElementFactory::make(element).build() else { return false };
        let opened = element.set_state(gst::State::Ready).is_ok();
        // An element must not be dropped in state READY, even if the change failed half-way.
        element.set_state(gst::State::Null).is_ok() && opened
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(h264: Option<&str>) -> DecodeConfig {
        DecodeConfig { workers: 1, h264_decoder: h264.map(Into::into), h265_decoder: None }
    }

    #[test]
    fn a_named_decoder_is_used_and_the_other_codec_keeps_its_best() {
        let choice = DecoderChoice::new(&config(Some("avdec_h264"))).expect("gstreamer1.0-libav");
        assert_eq!(choice.element(Codec::H264), Some("avdec_h264"));
        assert!(choice.element(Codec::H265).is_some());
    }

    #[test]
    fn a_missing_decoder_is_refused_with_a_list_of_the_box_s_decoders() {
        let error =
            DecoderChoice::new(&config(Some("mppvideodec9"))).expect_err("no such element").to_string();
        assert!(error.contains("decode.h264_decoder names `mppvideodec9`"), "{error}");
        assert!(error.contains("avdec_h264"), "{error}");
    }

    #[test]
    fn an_element_that_decodes_something_else_is_refused() {
        for wrong in ["avdec_h265", "videoconvert", "h264parse"] {
            let error = DecoderChoice::new(&config(Some(wrong))).expect_err(wrong).to_string();
            assert!(error.contains("no decoder of this codec"), "{error}");
        }
    }
}
