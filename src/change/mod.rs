//! What came and stayed: a fixed camera's picture against how the place has looked.
//!
//! Takes: pictures of one camera with their time of day and the boxes of what moves. Gives: [`Inspection`]: the lasting
//! [`ChangeRegion`]s, and whether the camera still looks where it did ([`Alignment`]).
//! When full: a camera holds at most 64 regions; more is a scene that nobody can judge, counted in `Inspection::crowded`.
//! On failure: a picture of another size begins the reference anew; one that shows nothing (fog, snow, smear, cover)
//! is left out of the vote, and says so.
//! Not here: clocks, IO, threads, zones, dwell times: rules decide what a region means. Pure: the same pictures give
//! the same regions, also across a restart from [`ChangeWatcher::to_bytes`].
//!
//! How it decides, from a pixel to a region:
//!
//! 1. The picture is reduced to about 480 columns; a *cell* is 2 x 2 of these pixels.
//! 2. Structure, not brightness: gradients divided by the local mean gradient, so that gain, gamma, haze and shade
//!    cancel; an edge whose contrast turned is the same edge. Colour is judged along green to magenta, on which daylight
//!    and shadow move least (Finlayson et al., "On the removal of shadows from images", 2006), and with more patience
//!    along blue to yellow; how much haze mutes colours is taken out by bands of rows.
//! 3. A *bank* of references per light: eight times of day, and infrared night. A cell has changed when it differs
//!    from the bank of the hour and from the neighbouring one by more than it usually does in that light, in one of the
//!    three measures or by less in several. Less is enough where there is a region already.
//! 4. Two rates: banks learn over days; a cell's vote rises and falls within a few looks (the idea of dual backgrounds,
//!    Porikli et al., 2007). Cells behind moving things, and whole bands that haze or snow hides, do not vote.
//! 5. Cells that agree are a region. It is frozen out of the banks until it is gone again or is accepted. A look by day
//!    that clearly does not show it is noted; an infrared look that never showed it does not count against it.

mod bank;
mod bytes;
mod cells;
mod clusters;
mod colour;
mod difference;
mod extent;
mod follow;
mod memory;
mod outline;
mod alignment;
mod region;
mod register;
mod shape;
mod grid;
mod structure;
mod change_region;
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
