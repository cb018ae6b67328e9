#!/usr/bin/env python3
"""Cameras, a node, a broker and a platform, while all of them are killed, stopped and filled up.

At the end every event of the node is at the platform exactly once with all its files, or what is
missing is named in its manifest or in a lost record. Counts come last; exit status 1 if anything is
lost or doubled.

Needs mosquitto, and the right to mount a tmpfs for the full disk (root, or user namespaces). With
libfaketime the node's clock is stepped too.
"""

import argparse
import asyncio
import collections
import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
DISK_MB, MIN_FREE_MB = 384, 24
LINE_BYTES_S = 1 << 20
RTSP, BROKER, LINE, HTTP = 48554, 48830, 48831, 49469

CONFIG = """
[node]
id = "torture"
data_dir = "{data}"
time_zone = "UTC"
[detect]
model = "{root}/models/lintel-nano"
workers = 1
[second_look]
enabled = false
[evidence]
pre_roll = "2s"
post_roll = "2s"
min_free_mb = {free}
[mqtt]
url = "mqtt://127.0.0.1:{line}"
keep_alive = "5s"
[http]
listen = "127.0.0.1:{http}"
[camera_defaults]
max_events_per_hour = 100000
sampling = "keyframes"
rtsp = {{ backoff_first = "200ms", backoff_max = "2s", stall_timeout = "10s" }}
"""
CAMERA = """
[[camera]]
id = "gate{n}"
url = "rtsp://127.0.0.1:{rtsp}/gate-{n}"
interval = "2s"
[[camera.rule]]
class = "motor_vehicle_parking"
kind = "presence"
objects = ["person"]
still = false
dwell = "2s"
hysteresis = [1, 1]
cool_down = "5s"
update_every = "5s"
expire_after = "20s"
present_at_start = "tell"
"""
MOSQUITTO = """
user root
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {dir}/
max_queued_messages 0
log_dest stderr
"""


class Line:
    """A TCP line to the broker that passes so many bytes a second towards it."""

    def __init__(self):
        threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True).start()

    async def serve(self):
        server = await asyncio.start_server(self.connection, "127.0.0.1", LINE)
        await server.serve_forever()

    async def connection(self, reader, writer):
        try:
            there, back = await asyncio.open_connection("127.0.0.1", BROKER)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self.send(reader, back, LINE_BYTES_S), self.send(there, writer, None))

    async def send(self, reader, writer, bytes_s):
        try:
            while data := await reader.read(16384):
                writer.write(data)
                await writer.drain()
                if bytes_s:
                    await asyncio.sleep(len(data) / bytes_s)
        except OSError:
            pass
        writer.close()


class Torture:
    def __init__(self, args):
        self.args = args
        self.random = random.Random(args.seed)
        self.dir = Path(tempfile.mkdtemp(prefix="lintel-torture-"))
        self.disk = self.dir / "disk"
        self.data = self.disk / "data"
        self.out = self.dir / "out"
        self.processes = {}
        self.done = collections.Counter()
        self.seen = {}
        self.offset = 0

    def run(self):
        self.disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "torture", self.disk]
        subprocess.run(mount, check=True)
        config = CONFIG.format(data=self.data, root=ROOT, free=MIN_FREE_MB, line=LINE, http=HTTP)
        config += "".join(CAMERA.format(n=n, rtsp=RTSP) for n in range(1, self.args.cameras + 1))
        (self.dir / "lintel.toml").write_text(config)
        (self.dir / "broker").mkdir()
        broker = MOSQUITTO.format(port=BROKER, dir=self.dir / "broker")
        (self.dir / "mosquitto.conf").write_text(broker)
        (self.dir / "clock").write_text("+0\n")
        print(
            f"torture: seed {self.args.seed}, {self.args.minutes:g} minutes, {self.dir}", flush=True
        )
        try:
            Line()
            for name in ["cameras", "broker", "receive", "node"]:
                self.start(name)
                time.sleep(1)
            self.torment()
            drained = self.drain()
            return self.count(drained)
        finally:
            for name in list(self.processes):
                self.end(name, signal.SIGKILL)
            subprocess.run(["umount", "-l", self.disk], check=False)
            if not self.args.keep:
                shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, name):
        bin_dir = self.args.bin
        server = f"{bin_dir}/lintel-rtsp-server --packed --listen 127.0.0.1:{RTSP}"
        lintel = f"{bin_dir}/lintel"
        broker = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
        clip = f"{ROOT}/testdata/clips/street.mp4"
        commands = {
            "cameras": f"{server} --stream gate={clip} --copies {self.args.cameras}",
            "broker": f"{broker} -c mosquitto.conf",
            "receive": f"{lintel} receive --broker mqtt://127.0.0.1:{BROKER} --out {self.out}",
            "node": f"{lintel} run --config lintel.toml",
        }
        env = dict(os.environ)
        if name == "node" and FAKETIME.exists():
            env |= {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.dir / "clock")}
            env |= {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        with (self.dir / f"{name}.log").open("a") as log:
            self.processes[name] = subprocess.Popen(
                commands[name].split(),
                cwd=self.dir,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def end(self, name, how):
        process = self.processes.pop(name)
        if process.poll() not in (None, 0):
            print(f"torture: {name} had ended by itself with {process.returncode}", flush=True)
            self.done[f"{name} ended by itself"] += 1
        process.send_signal(how)
        process.wait()

    def kill(self, name):
        self.end(name, signal.SIGKILL)
        self.start(name)

    def stop_broker(self):
        self.processes["broker"].send_signal(signal.SIGSTOP)
        self.wait(self.random.uniform(5, 20))
        self.processes["broker"].send_signal(signal.SIGCONT)

    def fill(self, leave_mb, seconds):
        filler = self.disk / "filler"
        try:
            with filler.open("wb") as out:
                while shutil.disk_usage(self.disk).free > leave_mb << 20:
                    out.write(b"x" * (1 << 16))
                    out.flush()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        self.wait(seconds)
        filler.unlink()

    def step_clock(self):
        self.offset += self.random.choice([-7200, -90, 90, 7200])
        (self.dir / "clock").write_text(f"{self.offset:+d}\n")

    def torment(self):
        full_s = min(60, self.args.minutes * 8)
        faults = {
            "kill -9 of the node": (6, lambda: self.kill("node")),
            "kill -9 of the receiver": (5, lambda: self.kill("receive")),
            "kill -9 of the broker": (3, lambda: self.kill("broker")),
            "SIGSTOP of the broker": (3, self.stop_broker),
            "disk full": (1, lambda: self.fill(0, full_s)),
            "disk at the limit": (1, lambda: self.fill(MIN_FREE_MB + 2, full_s)),
        }
        if FAKETIME.exists():
            faults["step of the node's clock"] = (1, self.step_clock)
        else:
            print("torture: no libfaketime, so no steps of the clock", flush=True)
        end = time.monotonic() + self.args.minutes * 60
        self.wait(15)
        # Each once, then by chance.
        order = self.random.sample(list(faults), len(faults))
        while time.monotonic() < end:
            names, weights = list(faults), [weight for weight, _ in faults.values()]
            name = order.pop() if order else self.random.choices(names, weights)[0]
            self.done[name] += 1
            print(f"torture: {name}", flush=True)
            faults[name][1]()
            self.wait(self.random.uniform(4, 12))

    def wait(self, seconds):
        """Notes meanwhile what the node has recorded: it may delete it after its delivery."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for log in self.data.glob("evidence/*/*/events.jsonl"):
                self.seen[log.parent.name] = log.parent
            time.sleep(0.5)

    def drain(self):
        """From now on everything works, and no camera sends any more."""
        self.end("cameras", signal.SIGTERM)
        for name in ["broker", "receive", "node"]:
            if self.processes[name].poll() is not None:
                self.done[f"{name} ended by itself"] += 1
                self.start(name)
        end = time.monotonic() + self.args.drain
        still = 0
        while time.monotonic() < end and still < 3:
            self.wait(5)
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{HTTP}/health", timeout=5) as answer:
                    node = json.load(answer)
            except urllib.error.HTTPError as answer:
                node = json.load(answer)
            except OSError:
                continue
            outbox = node["publish"]["outbox"]
            still = still + 1 if outbox["messages"] == 0 and outbox["media"] == 0 else 0
        self.end("node", signal.SIGTERM)
        time.sleep(2)
        self.end("receive", signal.SIGTERM)
        return still >= 3

    def count(self, drained):
        bad = collections.Counter()
        found = collections.Counter()
        received = {log.parent.name: log.parent for log in self.out.glob("2*/*/events.jsonl")}
        for event in sorted(self.seen.keys() | received.keys()):
            if event not in received:
                bad["events not at the platform"] += 1
                print(f"torture: {event} is not at the platform", flush=True)
                continue
            self.check(received[event], found, bad)
        found["events"] = len(received)
        if not drained:
            bad["records still wait on the node"] += 1
        quarantined = [path for path in self.out.glob("quarantine/*/*/*/*") if path.is_file()]
        if quarantined:
            bad["in quarantine"] = len(quarantined)
        if not received:
            bad["no events at all"] = 1
        for title, counts in [("done", self.done), ("at the platform", found), ("WRONG", bad)]:
            told = ", ".join(f"{n} {what}" for what, n in sorted(counts.items()))
            print(f"torture: {title}: {told or 'nothing'}")
        return 1 if bad else 0

    def check(self, folder, found, bad):
        def wrong(what):
            bad[what] += 1
            print(f"torture: {folder.name}: {what}", flush=True)

        messages = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        ids = [message["id"] for message in messages]
        if len(ids) != len(set(ids)):
            wrong("messages twice")
        steps = sorted(m["data"]["revision"] for m in messages if "violation" in m["type"])
        found["messages"] += len(messages)
        if steps != list(range(len(steps))):
            wrong("revisions missing")
        lost = {m["data"]["file"] for m in messages if m["type"].endswith("evidence.lost")}
        found["files named as lost"] += len(lost)
        evidence = [m["data"] for m in messages if m["type"].endswith("evidence.ready")]
        if not evidence:
            wrong("without a manifest")
            return
        found["parts named as missing"] += len(evidence[-1]["manifest"]["missing"])
        for file in evidence[-1]["media"]:
            path = folder / file["file"]
            if not path.exists():
                if file["file"] not in lost:
                    wrong("files missing that nobody names")
            elif hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
                wrong("files with another hash")
            else:
                found["files"] += 1


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--minutes", type=float, default=6, help="of faults")
    parser.add_argument("--drain", type=float, default=240, help="seconds for the rest after them")
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000))
    parser.add_argument("--bin", type=Path, default=ROOT / "target/release")
    parser.add_argument("--keep", action="store_true", help="keep logs and folders")
    args = parser.parse_args()
    args.bin = args.bin.resolve()
    if os.geteuid() != 0 and "TORTURE_INSIDE" not in os.environ:
        os.environ["TORTURE_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "-rm", sys.executable, *sys.argv])
    return Torture(args).run()


if __name__ == "__main__":
    sys.exit(main())
