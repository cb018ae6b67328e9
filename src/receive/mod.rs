//! The platform side.
