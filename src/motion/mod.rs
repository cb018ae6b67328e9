//! Takes: the pictures of one moving camera, in order. Gives: the [`Motion`] from each to the next.
//! When full: keeps one small grey picture and its features. On failure: `None`, what was known of places in the picture
//! then no longer holds.
//! Not here: what moves in the picture by itself, where it is on the ground.

mod homography;
mod registration;

pub use homography::Motion;
pub use registration::{MotionError, Registrar};
