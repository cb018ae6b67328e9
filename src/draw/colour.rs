//! The colours of boxes, zones and captions.

use crate::base::ClassName;

/// Red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    pub r: u8,
    pub g: u8,
    pub b: u8,
}

impl Colour {
    pub const ZONE: Colour = Colour::new(255, 200, 0);
    pub const OBJECT: Colour = Colour::new(226, 32, 44);
    /// The former position of an object that has gone.
    pub const GONE: Colour = Colour::new(40, 190, 90);
    pub(crate) const CAPTION: Colour = Colour::new(18, 20, 24);
    pub(crate) const TITLE: Colour = Colour::new(255, 214, 64);
    pub(crate) const WHITE: Colour = Colour::new(255, 255, 255);
    pub(crate) const BLACK: Colour = Colour::new(0, 0, 0);

    pub const fn new(r: u8, g: u8, b: u8) -> Self {
        Self { r, g, b }
    }

    /// A class has the same colour in every picture and every run.
    pub fn of_class(class: &ClassName) -> Self {
        const WHEEL: [Colour; 10] = [
            Colour::new(230, 25, 75),
            Colour::new(0, 130, 200),
            Colour::new(60, 180, 75),
            Colour::new(245, 130, 48),
            Colour::new(145, 30, 180),
            Colour::new(70, 240, 240),
            Colour::new(240, 50, 230),
            Colour::new(210, 245, 60),
            Colour::new(0, 128, 128),
            Colour::new(255, 225, 25),
        ];
        // FNV-1a; the standard library's hasher may change between releases.
        let hash =
            class.as_str().bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
        WHEEL[(hash % WHEEL.len() as u32) as usize]
    }

    /// Black or white, whichever has more contrast (luma of ITU-R BT.601).
    pub(crate) fn ink(self) -> Self {
        let luma = 299 * u32::from(self.r) + 587 * u32::from(self.g) + 114 * u32::from(self.b);
        if luma > 140_000 { Self::BLACK } else { Self::WHITE }
    }
}
