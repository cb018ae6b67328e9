//! A real mosquitto in a process of its own.
