"""Processor time and memory per camera: Lintel beside the usual ways to watch one.

All read the same 1080p25 H.264 footage over RTSP (TCP) from the project's own server, one way after
the other:

  ffmpeg    decodes every frame and outputs 5 a second at the detector's size, one process per
            camera, as Frigate does without hardware decoders; analysing them would cost extra
  opencv    one Python process: cv2.VideoCapture reads every frame on one thread per camera,
            onnxruntime runs Lintel's own model on one thread, as often as Lintel does
  rtspsrc   one GStreamer process: rtspsrc ! rtph264depay ! h264parse ! avdec_h264 per camera,
            nothing after it
  lintel    all of it: ring, decoding, detection, rules, evidence, outbox

Processor time is what the kernel accounts to the processes between two moments, without the server.
Memory is their resident set at the end. A way that did not keep up with the frames is marked.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / "target/release"
FOOTAGE = ROOT / ".cache/footage"
MODEL = ROOT / "models/lintel-nano/model.onnx"
WIDTH, HEIGHT = 640, 384  # the model's input
TICK = os.sysconf("SC_CLK_TCK")


class Server:
    """The packetised RTSP server with `cameras` paths cam-1, cam-2, ..."""

    def __init__(self, cameras, footage):
        command = [BIN / "lintel-rtsp-server", "--packed", "--control", "--listen", "127.0.0.1:0"]
        for i in range(cameras):
            command += ["--stream", f"cam-{i + 1}={footage[i % len(footage)]}"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.urls = []
        for line in self.process.stdout:
            if line.startswith("ready"):
                return
            self.urls.append(line.strip())
        sys.exit("peers: the RTSP server did not start; `make build` builds it")

    def stats(self):
        self.process.stdin.write("stats\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def cpu_seconds(pids):
    """User and system time of the processes, ended threads included (proc_pid_stat(5))."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def resident_mb(pids):
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return total * 1024 / 1e6


def threads(pids):
    return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids)


def ffmpeg(urls, _interval):
    command = (
        "ffmpeg -nostdin -v error -rtsp_transport tcp -i URL -an -vf fps=5,scale=640:360 "
        "-pix_fmt yuv420p -f rawvideo -y /dev/null"
    )
    return [
        subprocess.Popen([url if word == "URL" else word for word in command.split()])
        for url in urls
    ]


def opencv(urls, interval):
    command = [sys.executable, __file__, "--as-opencv", str(interval), *urls]
    return [
        subprocess.Popen(
            command, env={**os.environ, "OPENCV_FFMPEG_CAPTURE_OPTIONS": "rtsp_transport;tcp"}
        )
    ]


def rtspsrc(urls, _interval):
    command = ["gst-launch-1.0", "-q"]
    for url in urls:
        branch = (
            f"rtspsrc location={url} protocols=tcp latency=200 ! rtph264depay ! h264parse "
            "! avdec_h264 ! fakesink sync=false"
        )
        command += branch.split()
    return [subprocess.Popen(command, stdout=subprocess.DEVNULL)]


PEERS = {"ffmpeg": ffmpeg, "opencv": opencv, "rtspsrc": rtspsrc}


def measure_peer(start, cameras, footage, args):
    server = Server(cameras, footage)
    processes = start(server.urls, args.interval)
    pids = [process.pid for process in processes]
    try:
        time.sleep(args.warm_up)
        before, cpu, began = server.stats(), cpu_seconds(pids), time.monotonic()
        time.sleep(args.seconds)
        after, used, wall = server.stats(), cpu_seconds(pids) - cpu, time.monotonic() - began
        sent = [after[path]["sent"] - before[path]["sent"] for path in after]
        dropped = sum(after[path]["dropped"] for path in after)
        return {
            "cores": used / wall,
            "rss_mb": resident_mb(pids),
            "threads": threads(pids),
            "kept_up": dropped == 0 and min(sent) > 0.97 * 25 * wall,
        }
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
        server.stop()


def measure_lintel(cameras, footage, args):
    out = ROOT / ".cache/bench/peers.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [BIN / "lintel-bench", "--cameras", str(cameras), "--seconds", str(args.seconds)]
    command += [
        "--warm-up",
        str(args.warm_up),
        "--interval",
        f"{args.interval}s",
        "--json",
        out,
        "--footage",
        *footage,
    ]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    run = json.loads(out.read_text())["runs"][0]
    return {
        "cores": run["node_cores"],
        "rss_mb": run["rss_mb"],
        "ring_mb": run["ring_mb"],
        "threads": run["threads"],
        "kept_up": run["kept_up"] == cameras,
    }


def as_opencv(interval, urls):
    """The opencv peer, which runs as its own process."""
    import cv2
    import numpy
    import onnxruntime

    cv2.setNumThreads(1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])
    name, lock = session.get_inputs()[0].name, threading.Lock()

    def detect(picture):
        scale = min(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
        small = cv2.resize(
            picture, (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
        )
        tensor = numpy.full((HEIGHT, WIDTH, 3), 114, numpy.float32)
        tensor[: small.shape[0], : small.shape[1]] = small
        with lock:
            session.run(None, {name: tensor.transpose(2, 0, 1)[None]})

    def watch(url, first):
        capture, due = cv2.VideoCapture(url, cv2.CAP_FFMPEG), time.monotonic() + first
        while True:
            there, picture = capture.read()
            if not there:
                capture, there = cv2.VideoCapture(url, cv2.CAP_FFMPEG), False
            elif time.monotonic() >= due:
                due += interval
                detect(picture)

    for i, url in enumerate(urls):
        threading.Thread(target=watch, args=(url, i * interval / len(urls)), daemon=True).start()
    threading.Event().wait()


def table(results):
    rows = [
        "| | cameras | % of a core a camera | MB a camera | threads | kept up |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for result in results:
        n = result["cameras"]
        rows.append(
            f"| {result['way']} | {n} | {100 * result['cores'] / n:.2f} "
            f"| {result['rss_mb'] / n:.1f} | {result['threads']} "
            f"| {'yes' if result['kept_up'] else 'NO'} |"
        )
    return "\n".join(rows)


def per_more(results, way, key):
    """The cost of one more camera, from the runs with the fewest and the most cameras; the mean if
    there is one run.
    """
    runs = sorted((r for r in results if r["way"] == way), key=lambda r: r["cameras"])
    if len(runs) == 1:
        return runs[0][key] / runs[0]["cameras"]
    return (runs[-1][key] - runs[0][key]) / (runs[-1]["cameras"] - runs[0]["cameras"])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cameras", default="1,4", help="of each peer, separated by commas")
    parser.add_argument("--lintel-cameras", default="1,4,32", help="of lintel")
    parser.add_argument("--only", default="lintel,ffmpeg,opencv,rtspsrc")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--warm-up", type=int, default=8)
    parser.add_argument(
        "--interval",
        type=int,
        default=4,
        help="seconds between two detections of a camera",
    )
    parser.add_argument(
        "--footage", nargs="+", default=[str(FOOTAGE / "busy.mp4"), str(FOOTAGE / "quiet.mp4")]
    )
    parser.add_argument("--json", help="file to add the figures to")
    parser.add_argument("--as-opencv", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.as_opencv:
        as_opencv(float(args.as_opencv[0]), args.as_opencv[1:])
    kept = Path(args.json) if args.json else None
    results = json.loads(kept.read_text()) if kept and kept.exists() else []
    for way in filter(None, args.only.split(",")):
        for n in map(int, (args.lintel_cameras if way == "lintel" else args.cameras).split(",")):
            print(f"peers: {way}, {n} cameras", file=sys.stderr)
            if way == "lintel":
                measured = measure_lintel(n, args.footage, args)
            else:
                measured = measure_peer(PEERS[way], n, args.footage, args)
            results = [r for r in results if (r["way"], r["cameras"]) != (way, n)]
            results.append({"way": way, "cameras": n, **measured})
            if kept:
                kept.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results), "\n")
    if not any(r["way"] == "lintel" for r in results):
        return
    print("| against lintel, each further camera | processor time | memory |\n|---|---:|---:|")
    for way in PEERS:
        if any(r["way"] == way for r in results):
            cpu, memory = (
                per_more(results, way, key) / per_more(results, "lintel", key)
                for key in ("cores", "rss_mb")
            )
            print(f"| {way} | {cpu:.1f} times | {memory:.1f} times |")


if __name__ == "__main__":
    main()
