//! What came and stayed: a fixed camera's picture against how the place has looked.
//!
//! Takes: pictures of one camera, each with its time of day and the boxes of moving things. Gives: an
//! [`Inspection`] with the lasting [`ChangeRegion`]s, and whether the camera still looks where it did
//! ([`Alignment`]).
//! When full: a camera holds at most 64 regions. More set `Inspection::crowded`.
//! On failure: a picture of another size starts the reference again. A picture that shows nothing (fog, snow,
//! smear, cover) does not vote and is not judged.
//! Not here: clocks, IO, threads, zones and dwell times. Rules decide what a region means. Pure: the same
//! pictures give the same regions, also across a restart from [`ChangeWatcher::to_bytes`].
//!
//! From a pixel to a region:
//!
//! 1. The picture is reduced to about 480 columns. A *cell* is 2 x 2 of these pixels.
//! 2. Structure counts, not brightness. Gradients are divided by the local mean gradient, which cancels gain,
//!    gamma, haze and shade. An edge whose contrast is inverted is the same edge. Colour is compared along
//!    green to magenta, on which daylight and shadow move least (Finlayson et al., "On the removal of shadows
//!    from images", 2006). Blue to yellow counts less. The muting of colours by haze is removed by bands of
//!    rows.
//! 3. A *bank* holds the reference for one light: eight times of day, and infrared. A cell has changed when
//!    it differs from the bank of the hour and from the neighbouring one by more than usual in that light.
//!    One of the three measures can be enough, or several that come close. Cells of known regions need less.
//! 4. There are two rates. Banks learn over days; the vote of a cell rises and falls within a few inspections
//!    (the idea of dual backgrounds, Porikli et al., 2007). Cells behind moving things do not vote. Neither
//!    do whole bands hidden by haze or snow.
//! 5. Neighbouring cells that agree form a region. Its cells are frozen in the banks until it is gone or
//!    accepted. A daylight picture that clearly does not show it is recorded as a denial. Infrared that never
//!    showed it does not count against it.

mod alignment;
mod bank;
mod bytes;
mod cells;
mod change_region;
mod clusters;
mod colour;
mod difference;
mod extent;
mod follow;
mod grid;
mod memory;
mod outline;
mod region;
mod register;
mod shape;
mod structure;
mod vote;
mod watcher;
mod workbench;

pub use alignment::Alignment;
pub use bytes::StateError;
pub use change_region::{ChangeRegion, Seen};
pub use watcher::{ChangeInput, ChangeWatcher, Inspection, Settings};
pub use workbench::Workbench;

#[cfg(test)]
mod tests;
