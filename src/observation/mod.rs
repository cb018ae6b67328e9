//! What one look of a camera shows, and how well.
//!
//! Takes: pictures with their [`Detections`](crate::detect::Detections). Gives: one [`Observation`] a
//! picture: which parts were looked at, how well the place could be seen, what was found, and how much time
//! was watched since the last one. Also the [`Backdrop`]: how the place looks without the things in it.
//! When full: does not queue.
//! On failure: a picture that cannot be judged is an observation of poor visibility; nothing follows from it.
//! Not here: what the findings mean. Pure; time comes with the pictures.

mod backdrop;
mod gray_copy;
mod newcomers;
mod observer;
mod visibility;

pub use backdrop::{Backdrop, Before};
pub use gray_copy::GrayCopy;
pub use newcomers::Newcomers;
pub use observer::{AS_CLOSE, Observation, Observer};
pub use visibility::{Poor, Visibility};
