//! Takes: commands from the broker. Gives: answers through the outbox, requests to the rules thread.
//! When full: [`MAX_WAITING`](waiting::MAX_WAITING) commands wait for pictures; further ones are refused with
//! an answer.
//! A command whose sender is not known, that is too old, or that was answered already, does nothing.
//! On failure: a broken command is answered with what is wrong. A command is acknowledged once its answer is
//! durable, so the broker sends it again after a stop in between.
//! Not here: the wire format of commands and answers (`wire`), the rules, MQTT.

mod answered;
mod authority;
mod commander;
mod evidence;
mod feedback;
mod ignored;
mod lead;
mod picture_answers;
mod resend;
mod sender;
mod waiting;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::base::{Shutdown, error_chain, monotonic, wall_now};
use crate::config::Config;
use crate::publish::{Delivery, Subscriber, SubscriberError};
use crate::wire::{Command, MAX_COMMAND_BYTES, ReplyError, Topics};
use answered::{Answered, CommandKey, Known};
use authority::Claim;
use commander::Commander;
use sender::Sender;

pub(super) use commander::Parts;

/// Commands between the connection and the thread.
const INBOX: usize = 16;
/// How often the thread checks for pictures.
const POLL: Duration = Duration::from_millis(200);
/// How long a stop waits for the command in progress, which may wait for the rules or for a flight.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How long to wait after the broker refused the subscription.
const RETRY: Duration = Duration::from_secs(60);

/// The connection that receives commands, and the thread that carries them out.
pub(super) struct CommandService {
    task: tokio::task::JoinHandle<()>,
    thread: JoinHandle<()>,
    stop: Shutdown,
}

impl CommandService {
    /// # Errors
    /// The thread cannot be started.
    pub fn start(runtime: &Handle, parts: Parts) -> std::io::Result<Self> {
        let stop = Shutdown::new();
        let (sender, inbox) = mpsc::channel(INBOX);
        let topics = Topics::new(&parts.config.mqtt.topic_prefix, &parts.config.node.id);
        let answered = Answered::load(&parts.outbox).unwrap_or_else(|error| {
            tracing::error!("old answers to commands are not forgotten: {}", error_chain(&error));
            Answered::default()
        });
        let commander = Commander {
            parts,
            topics: topics.clone(),
            waiting: Vec::new(),
            answered: Mutex::new(answered),
            stop: stop.clone(),
        };
        let (handle, config) = (runtime.clone(), Arc::clone(&commander.parts.config));
        let thread = std::thread::Builder::new()
            .name("commands".into())
            .spawn(move || commander.run(&handle, inbox))?;
        let task = runtime.spawn(listen(config, topics.commands(), sender, stop.clone()));
        Ok(Self { task, thread, stop })
    }

    /// Stops both. The broker sends unfinished commands again. A command that does not end within
    /// [`STOP_LIMIT`] is left alone: its thread ends after it.
    pub fn stop(self, runtime: &tokio::runtime::Runtime) {
        self.stop.stop();
        let began = monotonic();
        while !self.thread.is_finished() && began.elapsed() < STOP_LIMIT {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !self.thread.is_finished() {
            tracing::error!("a command does not end and is not waited for; is the disk full?");
        } else if self.thread.join().is_err() {
            tracing::error!("the command thread panicked; commands that waited come again at the next start");
        }
        // It ends by itself within two seconds.
        if runtime.block_on(async { tokio::time::timeout(Duration::from_secs(3), self.task).await }).is_err()
        {
            tracing::warn!("the connection for commands did not end in time: cut");
        }
    }
}

/// Uses a connection and session of its own: events go out while a command waits, and the broker keeps
/// commands while the node is away.
async fn listen(config: Arc<Config>, filter: String, sink: mpsc::Sender<Delivery>, stop: Shutdown) {
    let mut settings = config.mqtt.clone();
    settings.client_id.push_str("-commands");
    let most = u32::try_from(MAX_COMMAND_BYTES).unwrap_or(u32::MAX).saturating_add(16 << 10);
    let mut warned = false;
    while !stop.is_stopped() {
        let error = match Subscriber::new(settings.clone(), vec![filter.clone()], most) {
            Ok(subscriber) => match subscriber.run(sink.clone(), stop.clone()).await {
                Ok(()) | Err(SubscriberError::SinkClosed) => return,
                Err(error) => error,
            },
            Err(error) => error,
        };
        if !std::mem::replace(&mut warned, true) {
            tracing::warn!("commands are not received, events still go out: {}", error_chain(&error));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

impl Commander {
    fn run(mut self, runtime: &Handle, mut inbox: mpsc::Receiver<Delivery>) {
        while !self.stop.is_stopped() {
            let next = runtime.block_on(async { tokio::time::timeout(POLL, inbox.recv()).await });
            match next {
                Ok(Some(delivery)) => self.handle(delivery),
                Ok(None) => return,
                Err(_) => {}
            }
            self.finish_waiting();
        }
    }

    fn handle(&mut self, delivery: Delivery) {
        let topic = delivery.topic();
        let Some(name) = self.topics.command_name(&topic).map(str::to_owned) else {
            tracing::warn!(topic, "ignored a message that is no command");
            delivery.done();
            return;
        };
        let parsed = Command::parse(&name, delivery.payload());
        let id = parsed.as_ref().ok().and_then(|command| command.id().map(str::to_owned));
        let retained = delivery.is_retained();
        let mut sender = Sender { delivery, name, id, issuer: None, key: None, came: wall_now() };
        if retained {
            let help =
                "send commands without the retain flag, and delete this one by an empty retained message";
            return self.refuse(&sender, "the command was retained by the broker: it may be old", help);
        }
        if let Err(error) = self.admit(&mut sender, &topic, parsed.as_ref().ok()) {
            return self.refuse(&sender, &error.reason, &error.help);
        }
        if let Some(key) = &sender.key {
            let known = key.look_up(&self.parts.outbox);
            match known {
                Ok(Known::No) => {}
                Ok(Known::Answered(payload, content_type)) => {
                    tracing::info!(command = sender.name, id = sender.id, "a repeat: answered as before");
                    return self.answer_again(&sender, payload, content_type);
                }
                Ok(Known::OtherContent) => {
                    let help = "each command needs an id of its own; the same one is for a repeat only";
                    sender.key = None;
                    return self.refuse(&sender, "the id was used for another command", help);
                }
                Err(error) => {
                    let reason = format!("the outbox cannot be read: {}", error_chain(&error));
                    sender.key = None;
                    return self.refuse(&sender, &reason, "send it again later");
                }
            }
            if let Some(same) = self.waiting.iter_mut().find(|waiting| waiting.sender.key == sender.key) {
                // It is being carried out; its answer is for this delivery as well.
                std::mem::replace(&mut same.sender.delivery, sender.delivery).done();
                return;
            }
        }
        match parsed {
            Err(error) => self.refuse(&sender, &error.reason, &error.help),
            Ok(Command::Ignored(command)) => self.list_ignored(&sender, &command),
            Ok(Command::Feedback(verdict, command)) => self.feedback(sender, verdict, &command),
            Ok(Command::Lead(command)) => self.lead(sender, &command),
            Ok(Command::Calibration(command)) => self.confirm_calibration(&sender, &command),
            Ok(Command::Resend(command)) => self.resend(&sender, &command),
        }
    }

    /// Checks where the answer should go, who sends the command, and how old it is. Notes both in `sender`.
    fn admit(&self, sender: &mut Sender, topic: &str, command: Option<&Command>) -> Result<(), ReplyError> {
        let (config, delivery) = (&self.parts.config.commands, &sender.delivery);
        let asked = delivery.response_topic();
        if let Some(asked) = asked.filter(|asked| !self.topics.may_answer_on(&config.reply_prefixes, asked)) {
            let asked: String = asked.chars().take(128).collect();
            return Err(ReplyError {
                reason: format!("answers may not go to `{asked}`"),
                help: "ask for the node's own `reply` topic, or add a beginning to `commands.reply_prefixes`"
                    .into(),
            });
        }
        let claim = Claim {
            topic,
            name: &sender.name,
            payload: delivery.payload(),
            issuer: delivery.property("issuer"),
            proof: delivery.property("proof"),
        };
        let issuer = authority::check_sender(config, &claim)?;
        if let Some(command) = command {
            authority::check_age(config, command, issuer.is_some(), sender.came)?;
            sender.key = CommandKey::of(issuer.as_deref(), &sender.name, command.id(), delivery.payload());
        }
        sender.issuer = issuer;
        Ok(())
    }
}
