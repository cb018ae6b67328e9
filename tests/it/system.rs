//! Tests of system.
