//! A real RTSP server in a process of its own.
