//! Takes: the pictures of one moving camera, in order. Gives: the [`Motion`] from each to the next.
//! When full: keeps the features of one picture.
//! On failure: `None`; positions in the picture are then no longer valid.
//! Not here: the motion of objects, and positions on the ground.

mod homography;
mod registration;

pub use homography::Motion;
pub use registration::{MotionError, Registrar};
