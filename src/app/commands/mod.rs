//! Takes: commands from the broker. Gives: answers through the outbox, orders to the thread that decides.
//! When full: [`MAX_WAITING`](waiting::MAX_WAITING) commands that wait for pictures; what comes then is refused with an answer that says so.
//! On failure: a broken command gets an answer with what is wrong. A command counts as taken only once its answer is
//! durable; one that was begun when the node stopped comes again from the broker.
//! Not here: what commands and answers look like on the wire (`wire`), the rules, MQTT.

mod commander;
mod evidence;
mod feedback;
mod lead;
mod looks;
mod sender;
mod waiting;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::base::Shutdown;
use crate::base::error_chain;
use crate::config::Config;
use crate::publish::{Delivery, Subscriber, SubscriberError};
use crate::wire::{Command, MAX_COMMAND_BYTES, Topics};
use commander::Commander;
use sender::Sender;

pub(super) use commander::Parts;

/// Commands between the connection and the thread.
const INBOX: usize = 16;
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
}
