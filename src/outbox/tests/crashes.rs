//! A node, a broker that forgets and a platform, with crashes of the node at any write: nothing is lost, nothing
//! counts as delivered that no platform has, and what waits goes in its order.

use std::collections::VecDeque;
use std::path::PathBuf;

use super::*;

const FILES: [&str; 2] = ["outbox.db", "outbox.db-wal"];

#[derive(Clone, Debug)]
enum Step {
    /// So many messages, and files of an event with so many bytes.
    Append {
        messages: usize,
        files: Vec<(u8, usize)>,
    },
    /// Hands the next record to the broker.
    Send {
        media: bool,
    },
    /// The broker answers one of those on the way: it has it, or nobody wants it.
    Answer {
        which: prop::sample::Index,
        has_it: bool,
    },
    BrokerForgets,
    /// The platform takes so many records from the broker.
    Take(usize),
    /// So many of the platform's words arrive.
    Word(usize),
    WordsAreLost,
    Look,
    /// The connection ends.
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    let files = prop::collection::vec((0u8..3, 0usize..50), 0..2);
    prop_oneof![
        4 => (0usize..3, files).prop_map(|(messages, files)| Step::Append { messages, files }),
        12 => any::<bool>().prop_map(|media| Step::Send { media }),
        8 => (any::<prop::sample::Index>(), prop::bool::weighted(0.9))
            .prop_map(|(which, has_it)| Step::Answer { which, has_it }),
        1 => Just(Step::BrokerForgets),
        4 => (1usize..8).prop_map(Step::Take),
        4 => (1usize..8).prop_map(Step::Word),
        1 => Just(Step::WordsAreLost),
        3 => Just(Step::Look),
        1 => Just(Step::Release),
    ]
}

/// What goes over the wire.
#[derive(Clone, Debug)]
enum Sent {
    Message(usize),
    Piece { file: usize, index: u32, count: u32 },
}

/// Some messages are of no event.
fn of_event(number: usize) -> Option<Uuid> {
    u8::try_from(number % 4).ok().filter(|n| *n < 3).map(event)
}

struct World {
    dir: TempDir,
    /// The folder of the database; another one after each crash.
    life: usize,
    outbox: Option<Outbox>,
    /// Records whose append was durable, by number.
    messages: BTreeSet<usize>,
    files: BTreeMap<usize, OutMedia>,
    /// Of these, what a platform's word has reached the outbox for.
    told: BTreeSet<usize>,
    count: usize,
    /// The newest message of each event, and the newest file, that were ever handed out.
    newest: BTreeMap<Option<Uuid>, usize>,
    newest_file: usize,
    handed: BTreeSet<usize>,
    on_the_way: Vec<(RecordId, Sent)>,
    broker: VecDeque<(RecordId, Sent)>,
    platform: BTreeSet<usize>,
    pieces: BTreeMap<usize, BTreeSet<u32>>,
    words: VecDeque<usize>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            dir: TempDir::new().expect("temp dir"),
            life: 0,
            outbox: None,
            messages: BTreeSet::new(),
            files: BTreeMap::new(),
            told: BTreeSet::new(),
            count: 0,
            newest: BTreeMap::new(),
            newest_file: 0,
            handed: BTreeSet::new(),
            on_the_way: Vec::new(),
            broker: VecDeque::new(),
            platform: BTreeSet::new(),
            pieces: BTreeMap::new(),
            words: VecDeque::new(),
        };
        world.open();
        world
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join(format!("life-{}", self.life))
    }

    fn event_dir(&self, n: u8) -> PathBuf {
        self.dir.path().join(format!("event-{n}"))
    }

    fn open(&mut self) {
        let outbox = Outbox::open(&self.home(), &config()).expect("open");
        assert!(!outbox.stats().damaged, "a crash is no damage");
        // So that a few records cause checkpoints, and the log begins anew.
        outbox.lock().connection().pragma_update(None, "wal_autocheckpoint", 8).expect("pragma");
        // The crash is of what was written, not of what the disk has: waiting for it would only take time.
        outbox.lock().connection().pragma_update(None, "synchronous", "OFF").expect("pragma");
        self.outbox = Some(outbox);
    }

    fn outbox(&self) -> &Outbox {
        self.outbox.as_ref().expect("open")
    }

    /// Numbers in the database, read past the outbox.
    fn stored(&self) -> BTreeSet<usize> {
        let store = self.outbox().lock();
        let mut found = BTreeSet::new();
        for sql in ["SELECT CAST(payload AS TEXT) FROM message", "SELECT kind FROM media"] {
            let mut statement = store.connection().prepare(sql).expect("prepared");
            let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows");
            for row in rows {
                let number = row.expect("a row").trim_start_matches('k').parse().expect("a number");
                assert!(found.insert(number), "{number} is there twice");
            }
        }
        found
    }

    fn waiting(&self) -> BTreeSet<usize> {
        let all = self.messages.iter().chain(self.files.keys());
        all.filter(|number| !self.told.contains(number)).copied().collect()
    }

    /// Does the step, and keeps books as if it was done to its end. Returns what it appended and confirmed.
    fn take(&mut self, step: &Step) -> (BTreeSet<usize>, BTreeSet<usize>) {
        let mut new = BTreeSet::new();
        let mut told = BTreeSet::new();
        match step {
            Step::Append { messages, files } => {
                let mut batch = Batch::default();
                for _ in 0..*messages {
                    self.count += 1;
                    let event = of_event(self.count);
                    batch.messages.push(OutMessage { event, ..message(&self.count.to_string()) });
                    self.messages.insert(self.count);
                    new.insert(self.count);
                }
                for (n, bytes) in files {
                    self.count += 1;
                    let dir = self.event_dir(*n);
                    fs::create_dir_all(&dir).expect("a folder");
                    let media = file(&dir, *n, &format!("k{}", self.count), &vec![*n; *bytes]);
                    batch.media.push(media.clone());
                    self.files.insert(self.count, media);
                    new.insert(self.count);
                }
                self.outbox().append(&batch).expect("append");
            }
            Step::Send { media } => self.send(*media),
            Step::Answer { which, has_it } => {
                if !self.on_the_way.is_empty() {
                    let (id, _) = self.on_the_way.swap_remove(which.index(self.on_the_way.len()));
                    if *has_it {
                        self.outbox().sent(&[id]).expect("sent");
                    } else {
                        // It has nobody to hand it on to.
                        let last = self.broker.iter().rposition(|(at_broker, _)| *at_broker == id);
                        last.map(|at| self.broker.remove(at));
                        self.outbox().nobody(&[id]).expect("nobody");
                    }
                }
            }
            Step::BrokerForgets => self.broker.clear(),
            Step::Take(records) => {
                for (_, sent) in self.broker.drain(..self.broker.len().min(*records)) {
                    match sent {
                        Sent::Message(number) => {
                            self.platform.insert(number);
                            self.words.push_back(number);
                        }
                        Sent::Piece { file, index, count } => {
                            let here = self.pieces.entry(file).or_default();
                            here.insert(index);
                            if here.len() == count as usize {
                                self.platform.insert(file);
                                self.words.push_back(file);
                            }
                        }
                    }
                }
            }
            Step::Word(words) => {
                told.extend(self.words.drain(..self.words.len().min(*words)));
                let confirmed: Vec<_> = told.iter().map(|number| self.word(*number)).collect();
                self.outbox().confirm(&confirmed).expect("confirm");
                told.retain(|number| self.told.insert(*number));
            }
            Step::WordsAreLost => self.words.clear(),
            Step::Look => drop(self.outbox().look_again().expect("look")),
            Step::Release => {
                self.on_the_way.clear();
                self.outbox().release();
            }
        }
        (new, told)
    }

    fn word(&self, number: usize) -> Confirmed {
        match self.files.get(&number) {
            Some(media) => Confirmed {
                sha256: media.sha256.clone(),
                file: Some((media.event, media.kind.clone())),
                refused: false,
            },
            None => Confirmed {
                sha256: format!("{:x}", Sha256::digest(number.to_string())),
                file: None,
                refused: false,
            },
        }
    }

    fn send(&mut self, media: bool) {
        let (id, sent) = match self.outbox().next(media, CHUNK).expect("next") {
            None => return,
            Some(Next::Lost(lost)) => panic!("no file was touched: {lost:?}"),
            Some(Next::Message { id, message }) => {
                let number = String::from_utf8(message.payload).expect("text").parse().expect("a number");
                if self.handed.insert(number) {
                    let before = self.newest.insert(of_event(number), number);
                    assert!(before < Some(number), "message {number} came after {before:?}");
                }
                (id, Sent::Message(number))
            }
            Some(Next::Chunk { id, chunk }) => {
                let file = chunk.kind.trim_start_matches('k').parse().expect("a number");
                if self.handed.insert(file) {
                    assert!(file > self.newest_file, "file {file} came after {}", self.newest_file);
                    self.newest_file = file;
                }
                (id, Sent::Piece { file, index: chunk.index, count: chunk.count })
            }
        };
        self.on_the_way.push((id, sent.clone()));
        self.broker.push_back((id, sent));
    }

    /// Does the step, with a crash of the node after `share` of the bytes that it writes.
    fn crash(&mut self, step: &Step, share: f64) {
        let before = self.contents();
        let (new, told) = self.take(step);
        let after = self.contents();
        drop(self.outbox.take());
        self.life += 1;
        fs::create_dir_all(self.home()).expect("a folder");
        // SQLite writes the log first and the database itself afterwards, both from their beginning to their end.
        let [db, log] = [0, 1].map(|i| (&before[i], &after[i]));
        let changes = |(before, after): (&Vec<u8>, &Vec<u8>)| if before == after { 0 } else { after.len() };
        let written = ((changes(log) + changes(db)) as f64 * share) as usize;
        let cut = |(before, after): (&Vec<u8>, &Vec<u8>), at: usize| -> Vec<u8> {
            let at = at.min(after.len());
            after[..at].iter().chain(before.iter().skip(at)).copied().collect()
        };
        let in_log = written.min(changes(log));
        let mixed =
            [cut(db, written - in_log), if changes(log) == 0 { log.0.clone() } else { cut(log, in_log) }];
        for (name, content) in FILES.iter().zip(mixed) {
            fs::write(self.home().join(name), content).expect("written");
        }
        self.on_the_way.clear();
        self.open();
        // A step is done or not done, never a part of it.
        let stored = self.stored();
        let there: BTreeSet<_> = new.intersection(&stored).copied().collect();
        assert!(there.is_empty() || there == new, "half of a batch: {there:?} of {new:?}");
        if there.is_empty() {
            self.messages.retain(|number| !new.contains(number));
            self.files.retain(|number, _| !new.contains(number));
        }
        let back: BTreeSet<_> = told.intersection(&stored).copied().collect();
        assert!(back.is_empty() || back == told, "half of a word: {back:?} of {told:?}");
        self.told.retain(|number| !back.contains(number));
        // The mark is written after the word, so not before this crash.
        for media in back.iter().filter_map(|number| self.files.get(number)) {
            drop(fs::remove_file(media.path.with_file_name(DELIVERED_MARK)));
        }
    }

    fn contents(&self) -> [Vec<u8>; 2] {
        FILES.map(|name| fs::read(self.home().join(name)).unwrap_or_default())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.stored(), self.waiting(), "nothing is lost, and nothing stays for ever");
        prop_assert!(self.told.is_subset(&self.platform));
        for n in 0..3 {
            let waits =
                self.files.iter().any(|(number, m)| m.event == event(n) && !self.told.contains(number));
            let delivered = self.outbox().is_delivered(event(n)).expect("outbox");
            prop_assert!(!(waits && delivered), "event {} has files that no platform has", n);
            let mark = self.event_dir(n).join(DELIVERED_MARK).exists();
            prop_assert!(!(waits && mark), "the folder of event {} says delivered", n);
        }
        Ok(())
    }

    /// From now on everything works. Each round one more message shows the outbox what was lost before it.
    fn finish(&mut self) {
        self.take(&Step::Release);
        for _ in 0..6 {
            self.take(&Step::Append { messages: 1, files: Vec::new() });
            loop {
                let before = self.broker.len();
                self.send(true);
                if self.broker.len() == before {
                    break;
                }
            }
            let ids: Vec<_> = self.on_the_way.drain(..).map(|(id, _)| id).collect();
            self.outbox().sent(&ids).expect("sent");
            self.take(&Step::Take(usize::MAX));
            self.take(&Step::Word(usize::MAX));
            self.take(&Step::Look);
        }
    }
}

/// A few cases in an ordinary run; `PROPTEST_CASES` sets more.
fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_some() { usual } else { ProptestConfig { cases: 40, ..usual } }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn nothing_is_lost_by_a_crash_at_any_write(
        steps in prop::collection::vec((step(), prop::option::weighted(0.15, 0.0..1.0f64)), 1..80),
    ) {
        let mut world = World::new();
        for (step, crash) in &steps {
            match crash {
                Some(share) => world.crash(step, *share),
                None => drop(world.take(step)),
            }
            world.check()?;
        }
        world.finish();
        world.check()?;
        let all: BTreeSet<_> = world.messages.iter().chain(world.files.keys()).copied().collect();
        prop_assert!(all.is_subset(&world.platform), "{:?} never came", all.difference(&world.platform));
        prop_assert!(world.waiting().is_empty(), "{:?} wait for ever", world.waiting());
    }
}
