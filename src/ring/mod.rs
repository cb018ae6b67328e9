//! Takes: a camera's [`EncodedFrame`](crate::ingest::EncodedFrame)s. Gives: the last seconds of them, from a key frame on.
//! When full: drops the oldest GOP, never the last whole one. Slow readers learn how many frames they lost.
