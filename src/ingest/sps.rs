//! The picture size in a sequence parameter set (ITU-T H.264 7.3.2.1.1 and 7.4.2.1.1, H.265 7.3.2.2 and 7.3.3). Sets
//! are given from the NAL unit's header on; what cannot be read is `None`.

use super::bits::Bits;

type Size = Option<(u32, u32)>;

/// What an H.264 sequence parameter set begins with.
pub(crate) struct SequenceHead {
    /// `chroma_format_idc`.
    chroma: u32,
    pub separate_planes: bool,
}

/// `profile_idc` of the profiles that say more about chroma (H.264 7.3.2.1.1).
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// Width and height in pixels, cropped as shown.
pub(super) fn h264_size(set: &[u8]) -> Size {
    let mut bits = Bits::new(set.get(1..)?);
    let SequenceHead { chroma, separate_planes: separate } = sequence_head(&mut bits)?;
    bits.unsigned()?;
    match bits.unsigned()? {
        0 => drop(bits.unsigned()?),
        1 => {
            bits.skip(1)?;
            bits.signed()?;
            bits.signed()?;
            for _ in 0..bits.unsigned()?.min(255) {
                bits.signed()?;
            }
        }
        _ => {}
    }
    bits.unsigned()?;
    bits.skip(1)?;
    let width = bits.unsigned()?.checked_add(1)?.checked_mul(16)?;
    let rows = bits.unsigned()?.checked_add(1)?;
    let frames_only = bits.bit()?;
    if !frames_only {
        bits.skip(1)?;
    }
    let field = 2 - u32::from(frames_only);
    let height = rows.checked_mul(16 * field)?;
    bits.skip(1)?;
    let (across, down) = if separate { (1, 1) } else { sub_sampling(chroma)? };
    cropped(&mut bits, (width, height), (across, down * field))
}

/// Reads an H.264 sequence parameter set from behind its NAL unit's header to before `log2_max_frame_num`.
pub(crate) fn sequence_head(bits: &mut Bits<'_>) -> Option<SequenceHead> {
    let profile = bits.bits(8)?;
    bits.skip(16)?;
    bits.unsigned()?;
    let mut head = SequenceHead { chroma: 1, separate_planes: false };
    if HIGH_PROFILES.contains(&profile) {
        head.chroma = bits.unsigned()?;
        if head.chroma == 3 {
            head.separate_planes = bits.bit()?;
        }
        bits.unsigned()?;
        bits.unsigned()?;
        bits.skip(1)?;
        if bits.bit()? {
            for list in 0..if head.chroma == 3 { 12 } else { 8 } {
                if bits.bit()? {
                    scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    Some(head)
}

/// Width and height in pixels, in the conformance window.
pub(super) fn h265_size(set: &[u8]) -> Size {
    let mut bits = Bits::new(set.get(2..)?);
    h265_tier(&mut bits)?;
    bits.unsigned()?;
    let chroma = bits.unsigned()?;
    let separate = chroma == 3 && bits.bit()?;
    let size = (bits.unsigned()?, bits.unsigned()?);
    cropped(&mut bits, size, if separate { (1, 1) } else { sub_sampling(chroma)? })
}

/// The set's id.
pub(super) fn h265_id(set: &[u8]) -> Option<u32> {
    let mut bits = Bits::new(set.get(2..)?);
    h265_tier(&mut bits)?;
    bits.unsigned()
}

/// Reads to the end of `profile_tier_level`.
fn h265_tier(bits: &mut Bits<'_>) -> Option<()> {
    bits.skip(4)?;
    let sub_layers = bits.bits(3)?;
    bits.skip(1 + 96)?;
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((bits.bit()?, bits.bit()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Some(())
}

/// Samples of luma for one of chroma, across and down.
fn sub_sampling(chroma: u32) -> Option<(u32, u32)> {
    match chroma {
        0 | 3 => Some((1, 1)),
        1 => Some((2, 2)),
        2 => Some((2, 1)),
        _ => None,
    }
}

fn scaling_list(bits: &mut Bits<'_>, length: u32) -> Option<()> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..length {
        if next != 0 {
            next = (last + bits.signed()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// Takes the cropping window, in these units, off the coded size.
fn cropped(bits: &mut Bits<'_>, (width, height): (u32, u32), (across, down): (u32, u32)) -> Size {
    let mut window = [0; 4];
    if bits.bit()? {
        for side in &mut window {
            *side = bits.unsigned()?;
        }
    }
    let [left, right, top, bottom] = window;
    let width = width.checked_sub(left.checked_add(right)?.checked_mul(across)?)?;
    let height = height.checked_sub(top.checked_add(bottom)?.checked_mul(down)?)?;
    (width > 0 && height > 0).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex")).collect()
    }

    #[test]
    fn sizes_of_real_sets() {
        // x264: main and high profile, and baseline with both sides cropped; x265, with and without sub-layers.
        for (set, size) in [
            ("674d401feca06009342000000300200000030281e30632c0", (768, 576)),
            ("6764001facb3018024d080000003008000000a078c1934", (768, 576)),
            ("6742c015da06025a1000000300100000030140f162ea", (384, 288)),
        ] {
            assert_eq!(h264_size(&bytes(set)), Some(size), "{set}");
        }
        for set in [
            "42010101600000030090000003000003005aa006020090596e92930b9a7080000003008000000504",
            "42010201600000030090000003000003005a0000a0060200905965652b2a5261734e10000003001000000300a080",
        ] {
            assert_eq!((h265_size(&bytes(set)), h265_id(&bytes(set))), (Some((768, 576)), Some(0)), "{set}");
        }
    }

    #[test]
    fn what_is_cut_off_has_no_size() {
        let set = bytes("6764001facb3018024d080000003008000000a078c1934");
        for end in 0..10 {
            assert_eq!(h264_size(&set[..end]), None);
            assert_eq!(h265_size(&set[..end]), None);
        }
    }
}
