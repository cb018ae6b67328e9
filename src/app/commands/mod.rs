//! Takes: commands from the broker. Gives: answers through the outbox, orders to the thread that decides.
//! When full: [`MAX_WAITING`] commands that wait for pictures; what comes then is refused with an answer that says so.
//! On failure: a broken command gets an answer with what is wrong. A command counts as taken only once its answer is
//! durable; one that was begun when the node stopped comes again from the broker.
//! Not here: what commands and answers look like on the wire (`publish::wire`), the rules, MQTT.

mod evidence;
mod feedback;
mod lead;
mod looks;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::rules_thread::ToRules;
use crate::base::error_chain;
use crate::base::{Shutdown, wall_now};
use crate::config::Config;
use crate::events::Recorder;
use crate::evidence::ClipService;
use crate::flights::Survey;
use crate::outbox::{Batch, OutMessage, Outbox};
use crate::publish::{Delivery, Subscriber, SubscriberError};
use crate::scene::Sites;
use crate::wire::{Command, MAX_COMMAND_BYTES, ReplyData, ReplyError, Topics, reply_message, reply_topic};
use looks::Waiting;

/// Commands between the connection and the thread.
const INBOX: usize = 16;
/// Commands that wait for pictures at a time.
const MAX_WAITING: usize = 16;
/// How often pictures are asked after.
const POLL: Duration = Duration::from_millis(200);
/// A broker that refuses the subscription is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// The connection that commands come by, and the thread that carries them out.
pub(super) struct CommandService {
    task: tokio::task::JoinHandle<()>,
    thread: JoinHandle<()>,
    stop: Shutdown,
}

/// What commands need of the node.
pub(super) struct Parts {
    pub config: Arc<Config>,
    pub outbox: Arc<Outbox>,
    pub recorder: Arc<Recorder>,
    pub clips: Arc<ClipService>,
    pub to_rules: ToRules,
    pub sites: Arc<Sites>,
    pub survey: Arc<Survey>,
}

impl CommandService {
    /// # Errors
    /// The system gives no thread.
    pub fn start(runtime: &Handle, parts: Parts) -> std::io::Result<Self> {
        let stop = Shutdown::new();
        let (sender, inbox) = mpsc::channel(INBOX);
        let topics = Topics::new(&parts.config.mqtt.topic_prefix, &parts.config.node.id);
        let commander = Commander { parts, topics: topics.clone(), waiting: Vec::new(), stop: stop.clone() };
        let (handle, config) = (runtime.clone(), Arc::clone(&commander.parts.config));
        let thread = std::thread::Builder::new()
            .name("commands".into())
            .spawn(move || commander.run(&handle, inbox))?;
        let task = runtime.spawn(listen(config, topics.commands(), sender, stop.clone()));
        Ok(Self { task, thread, stop })
    }

    /// Ends both; what was begun is left to the broker, which gives it again.
    pub fn stop(self, runtime: &tokio::runtime::Runtime) {
        self.stop.stop();
        if self.thread.join().is_err() {
            tracing::error!("the command thread panicked; commands that waited come again at the next start");
        }
        // It ends within two seconds by itself.
        if runtime.block_on(async { tokio::time::timeout(Duration::from_secs(3), self.task).await }).is_err()
        {
            tracing::warn!("the connection for commands did not end in time: cut");
        }
    }
}

/// Its own connection and session: events go out while a command waits, and the broker keeps commands while the node is
/// away.
async fn listen(config: Arc<Config>, filter: String, sink: mpsc::Sender<Delivery>, stop: Shutdown) {
    let mut settings = config.mqtt.clone();
    settings.client_id.push_str("-commands");
    let most = u32::try_from(MAX_COMMAND_BYTES).unwrap_or(u32::MAX).saturating_add(16 << 10);
    let mut told = false;
    while !stop.is_stopped() {
        let error = match Subscriber::new(settings.clone(), vec![filter.clone()], most) {
            Ok(subscriber) => match subscriber.run(sink.clone(), stop.clone()).await {
                Ok(()) | Err(SubscriberError::SinkClosed) => return,
                Err(error) => error,
            },
            Err(error) => error,
        };
        if !std::mem::replace(&mut told, true) {
            tracing::warn!("commands are not taken, events go out: {}", error_chain(&error));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ASK_AGAIN) => {}
        }
    }
}

struct Commander {
    parts: Parts,
    topics: Topics,
    waiting: Vec<Waiting>,
    stop: Shutdown,
}

/// Where the answer to a command goes.
struct Sender {
    delivery: Delivery,
    name: String,
    id: Option<String>,
}

impl Commander {
    fn run(mut self, runtime: &Handle, mut inbox: mpsc::Receiver<Delivery>) {
        while !self.stop.is_stopped() {
            let next = runtime.block_on(async { tokio::time::timeout(POLL, inbox.recv()).await });
            match next {
                Ok(Some(delivery)) => self.take(delivery),
                Ok(None) => return,
                Err(_) => {}
            }
            self.finish_looks();
        }
    }

    fn take(&mut self, delivery: Delivery) {
        let topic = delivery.topic();
        let Some(name) = self.topics.command_name(&topic).map(str::to_owned) else {
            tracing::warn!(topic, "a message that is no command");
            delivery.done();
            return;
        };
        let parsed = Command::parse(&name, delivery.payload());
        let id = parsed.as_ref().ok().and_then(|command| command.id().map(str::to_owned));
        let retained = delivery.is_retained();
        let sender = Sender { delivery, name, id };
        if retained {
            let help =
                "send commands without the retain flag, and delete this one by an empty retained message";
            return self.refuse(&sender, "the command was retained by the broker: it may be old", help);
        }
        match parsed {
            Err(error) => self.refuse(&sender, &error.reason, &error.help),
            Ok(Command::Feedback(verdict, command)) => self.feedback(sender, verdict, &command),
            Ok(Command::Lead(command)) => self.lead(sender, &command),
            Ok(Command::Calibration(command)) => self.confirm_calibration(&sender, &command),
        }
    }

    fn refuse(&self, sender: &Sender, reason: &str, help: &str) {
        tracing::warn!(command = sender.name, id = sender.id, "refused: {reason}");
        let error = ReplyError { reason: reason.to_owned(), help: help.to_owned() };
        self.answer(sender, ReplyData::refused(&sender.name, sender.id.as_deref(), error));
    }

    fn answer(&self, sender: &Sender, data: ReplyData) {
        let batch = Batch { messages: vec![self.reply(sender, data)], ..Batch::default() };
        if self.parts.recorder.journal.commit(&batch) {
            sender.delivery.done();
        }
    }

    fn reply(&self, sender: &Sender, data: ReplyData) -> OutMessage {
        let at = wall_now();
        let subject = new_id(&self.parts.config.node.id, &sender.name);
        let topic = reply_topic(&self.topics, sender.delivery.response_topic());
        let correlation = sender.delivery.correlation().map(|c| c.to_vec()).unwrap_or_default();
        reply_message(&self.parts.config.node.id, subject, at, topic, correlation, data)
    }
}

/// A UUIDv7 of now.
fn new_id(node: &str, what: &str) -> Uuid {
    let now = wall_now();
    let mut hash = Sha256::new();
    hash.update(node);
    hash.update(what);
    hash.update(now.0.to_be_bytes());
    hash.update(rand::random::<u64>().to_be_bytes());
    let mut bits = [0; 10];
    bits.copy_from_slice(&hash.finalize()[..10]);
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.0 / 1000).unwrap_or(0), &bits).into_uuid()
}
