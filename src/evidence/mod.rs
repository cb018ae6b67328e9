//! (see the contracts)
