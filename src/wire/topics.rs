//! The topic of each message. docs/mqtt.md has the table.

use uuid::Uuid;

use crate::base::CameraId;

/// Version of the topics and their messages.
pub const TOPIC_VERSION: &str = "v1";

/// Topics of one node: `<prefix>/v1/<node>/...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    root: String,
}

impl Topics {
    pub fn new(prefix: &str, node: &str) -> Self {
        Self { root: format!("{prefix}/{TOPIC_VERSION}/{node}") }
    }

    /// Retained: the node itself. Also the topic of the last will.
    pub fn node_state(&self) -> String {
        format!("{}/state", self.root)
    }

    /// Retained: whether the node does what its config promises.
    pub fn health(&self) -> String {
        format!("{}/health", self.root)
    }

    /// Retained: one camera.
    pub fn camera_state(&self, camera: &CameraId) -> String {
        format!("{}/camera/{camera}/state", self.root)
    }

    /// Transitions of suspected violations.
    pub fn event(&self, camera: &CameraId) -> String {
        format!("{}/camera/{camera}/event", self.root)
    }

    /// A camera that was covered, blinded or moved.
    pub fn tamper(&self, camera: &CameraId) -> String {
        format!("{}/camera/{camera}/tamper", self.root)
    }

    /// Available and lost evidence.
    pub fn evidence(&self, camera: &CameraId) -> String {
        format!("{}/camera/{camera}/evidence", self.root)
    }

    /// A file of an event that can no longer be sent. The outbox does not know the camera.
    pub fn lost(&self) -> String {
        format!("{}/lost", self.root)
    }

    /// What a platform has stored: it confirms events and files here.
    pub fn confirm(&self) -> String {
        format!("{}/confirm", self.root)
    }

    /// Commands to the node: `<root>/command/<name>`.
    pub fn commands(&self) -> String {
        format!("{}/command/+", self.root)
    }

    /// A command to the node.
    pub fn command(&self, name: &str) -> String {
        format!("{}/command/{name}", self.root)
    }

    /// `lead` of `<root>/command/lead`.
    pub fn command_name<'t>(&self, topic: &'t str) -> Option<&'t str> {
        topic.strip_prefix(&self.root)?.strip_prefix("/command/").filter(|name| !name.contains('/'))
    }

    /// Replies to commands without a response topic.
    pub fn reply(&self) -> String {
        format!("{}/reply", self.root)
    }

    /// Whether a reply may go to `topic`: the node's own and what is below it, and what begins with one of
    /// `prefixes`. Never a topic with another meaning for a platform.
    pub fn may_answer_on(&self, prefixes: &[String], topic: &str) -> bool {
        let own = self.reply();
        let others = self.root.rsplit_once('/').map_or(self.root.as_str(), |(all_nodes, _)| all_nodes);
        let below = |root: &str| {
            topic.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        (1..=512).contains(&topic.len())
            && !topic.starts_with('$')
            && !topic.contains(['+', '#'])
            && (below(&own)
                || (!below(others) && prefixes.iter().any(|prefix| topic.starts_with(prefix.as_str()))))
    }

    /// One piece of a file.
    pub fn media(&self, event: Uuid, kind: &str, index: u32) -> String {
        format!("{}/media/{event}/{kind}/{index}", self.root)
    }
}

/// A topic of a node, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub node: String,
    pub about: About,
}

/// What a node says on a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    Event { camera: String },
    Evidence { camera: String },
    Tamper { camera: String },
    CameraState { camera: String },
    Lost,
    Reply,
    State,
    Health,
    Piece { event: Uuid, kind: String, index: u32 },
}

impl Origin {
    /// `None` if the topic is none that a node publishes on. Read from the left: a node may choose what stands
    /// behind its own name, but not its name.
    pub fn of(prefix: &str, topic: &str) -> Option<Self> {
        let rest =
            topic.strip_prefix(prefix)?.strip_prefix('/')?.strip_prefix(TOPIC_VERSION)?.strip_prefix('/')?;
        let levels: Vec<&str> = rest.split('/').collect();
        let (node, levels) = levels.split_first()?;
        let about = match *levels {
            ["camera", camera, what] if is_id(camera) => {
                let camera = camera.to_owned();
                match what {
                    "event" => About::Event { camera },
                    "evidence" => About::Evidence { camera },
                    "tamper" => About::Tamper { camera },
                    "state" => About::CameraState { camera },
                    _ => return None,
                }
            }
            ["lost"] => About::Lost,
            ["reply"] => About::Reply,
            ["state"] => About::State,
            ["health"] => About::Health,
            ["media", event, kind, index] => About::Piece {
                event: Uuid::parse_str(event).ok()?,
                kind: kind.to_owned(),
                index: index.parse().ok()?,
            },
            _ => return None,
        };
        is_id(node).then(|| Self { node: (*node).to_owned(), about })
    }

    /// The `source` that a message on this topic must have.
    pub fn source(&self) -> String {
        match &self.about {
            About::Event { camera }
            | About::Evidence { camera }
            | About::Tamper { camera }
            | About::CameraState { camera } => format!("/lintel/{}/{camera}", self.node),
            _ => format!("/lintel/{}", self.node),
        }
    }
}

/// Ids of nodes and cameras.
fn is_id(word: &str) -> bool {
    (1..=64).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// The subscriptions of a platform for everything that the nodes under `prefix` say.
pub fn subscriptions(prefix: &str) -> [String; 9] {
    [
        "camera/+/event",
        "camera/+/evidence",
        "camera/+/tamper",
        "camera/+/state",
        "lost",
        "reply",
        "state",
        "health",
        "media/+/+/+",
    ]
    .map(|rest| format!("{prefix}/{TOPIC_VERSION}/+/{rest}"))
}
