//! How many bytes a camera may send until a picture comes out. Whatever an RTSP library buffers, it is no more.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of one connection between two access units. The largest key frames have a few MB.
const CONNECTION_BYTES: usize = 16 << 20;
/// Bytes of all connections together. Beyond it, a connection with more than its share is cut.
const NODE_BYTES: usize = 256 << 20;

/// All connections of the node.
static NODE: Node = Node::new(NODE_BYTES);

#[derive(Debug)]
struct Node {
    limit: usize,
    held: AtomicUsize,
    connections: AtomicUsize,
}

/// Of one connection. Gives back what it holds when dropped.
#[derive(Debug)]
pub(super) struct Budget {
    node: &'static Node,
    held: AtomicUsize,
}

/// More bytes than allowed, and no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    pub bytes: usize,
}

impl Node {
    const fn new(limit: usize) -> Self {
        Self { limit, held: AtomicUsize::new(0), connections: AtomicUsize::new(0) }
    }
}

impl Budget {
    pub fn new() -> Self {
        Self::of(&NODE)
    }

    fn of(node: &'static Node) -> Self {
        node.connections.fetch_add(1, Ordering::Relaxed);
        Self { node, held: AtomicUsize::new(0) }
    }

    /// Counts bytes from the camera.
    ///
    /// # Errors
    /// They are too many. Among connections that exceed the node's limit together, one with less than the mean is
    /// never blamed.
    pub fn charge(&self, bytes: usize) -> Result<(), Exceeded> {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let all = self.node.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let share = self.node.limit / self.node.connections.load(Ordering::Relaxed).max(1);
        if held > CONNECTION_BYTES || (all > self.node.limit && held > share) {
            return Err(Exceeded { bytes: held });
        }
        Ok(())
    }

    /// An access unit came out, so the library holds nothing that is older.
    pub fn settle(&self) {
        let held = self.held.swap(0, Ordering::Relaxed);
        self.node.held.fetch_sub(held, Ordering::Relaxed);
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.settle();
        self.node.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(limit: usize) -> &'static Node {
        Box::leak(Box::new(Node::new(limit)))
    }

    #[test]
    fn a_connection_is_bounded_between_two_pictures() {
        let budget = Budget::of(node(usize::MAX));
        for _ in 0..3 {
            assert_eq!(budget.charge(CONNECTION_BYTES), Ok(()));
            assert_eq!(budget.charge(1), Err(Exceeded { bytes: CONNECTION_BYTES + 1 }));
            budget.settle();
        }
    }

    #[test]
    fn beyond_the_limit_of_the_node_only_the_greedy_are_cut() {
        let node = node(1_000);
        let all: Vec<Budget> = (0..4).map(|_| Budget::of(node)).collect();
        assert!(all[..3].iter().all(|greedy| greedy.charge(300).is_ok()));
        assert_eq!(all[3].charge(200), Ok(()), "it has less than its share");
        assert_eq!(all[0].charge(1), Err(Exceeded { bytes: 301 }));
        drop(all);
        assert_eq!(node.held.load(Ordering::Relaxed), 0);
        assert_eq!(Budget::of(node).charge(1_000), Ok(()));
    }
}
