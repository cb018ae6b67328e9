# Lintel's whole vocabulary; CI calls the same targets. `make help` lists them.
SHELL := /bin/bash
export ORT_DYLIB_PATH ?= $(CURDIR)/.cache/onnxruntime/libonnxruntime.so
export LINTEL_PYTHON ?= $(CURDIR)/.cache/python/bin/python
export LINTEL_SHARED ?= $(abspath $(CURDIR)/../shared)

.PHONY: help setup build demo test lint lint-quick lint-words lint-prose lint-shell lint-python lint-format \
  lint-deps lint-clippy doc configs train-smoke systemd-check ci accuracy bench bench-parts bench-peers soak torture \
  fuzz scenes change-report cross cross-check cross-ci deb deb-check release clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## install missing Debian packages and ONNX Runtime
	@scripts/setup.sh

build: setup ## release build of lintel and its test servers
	cargo build --release --workspace
	@cp -u .cache/onnxruntime/libonnxruntime.so target/release/

demo: ## a camera, a broker, a node and the platform's side on this machine: events, clips, a picture
	@scripts/demo.sh

test: setup ## all tests: real RTSP server, real mosquitto, the real program
	cargo build --workspace
	@cp -u .cache/onnxruntime/libonnxruntime.so target/debug/
	@scripts/test.sh

# Quick checks first; every check is a target of its own that says what it does.
lint: lint-quick lint-clippy ## every check of the sources, warnings denied

lint-quick: lint-words lint-prose lint-shell lint-python lint-format lint-deps ## the checks that need no build: a few seconds

lint-words: setup
	@echo "lint: spelling (typos; exceptions in _typos.toml)"
	@.cache/python/bin/typos

lint-prose:
	@echo "lint: sentences and lines of the pages (scripts/prose.py)"
	@scripts/prose.py

lint-shell: setup
	@echo "lint: shell scripts (shellcheck)"
	@shellcheck -x -P SCRIPTDIR $$(git grep -lE '^#!/(usr/bin/env bash|bin/sh)$$' -- scripts tools packaging .ci)

lint-python: setup
	@echo "lint: Python (ruff check, ruff format)"
	@.cache/python/bin/ruff check --quiet
	@.cache/python/bin/ruff format --check --quiet

lint-format: setup
	@echo "lint: format of Rust (cargo fmt)"
	@cargo fmt --all --check

lint-deps: setup
	@echo "lint: dependencies (cargo deny; rules in deny.toml)"
	@scripts/deny.sh

lint-clippy: setup
	@echo "lint: Rust (clippy)"
	cargo clippy --workspace --all-targets -- -D warnings

doc: setup ## API documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

configs: setup ## check the example configs with the program itself
	@scripts/check-configs.sh

train-smoke: setup ## a tiny training run, from data to `lintel detect`; PyTorch goes to ~/.cache/lintel, once
	@scripts/train-smoke.sh

systemd-check: ## the unit is clean and its exposure below 2.0
	@scripts/systemd-check.sh

ci: lint test doc configs systemd-check train-smoke cross-ci ## what .ci/run runs

accuracy: setup ## errors of positions on synthetic scenes: writes docs/accuracy.md and its plots
	cargo run --release -p lintel-accuracy

bench: build ## whole pipeline on recorded footage: CPU by stage, memory, latencies; CAMERAS=32 SECONDS=60
	@scripts/footage.sh
	MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=262144 target/release/lintel-bench --cameras $(or $(CAMERAS),32) --seconds $(or $(SECONDS),60) \
		--footage .cache/footage/quiet.mp4 .cache/footage/busy.mp4 $(BENCH)

bench-parts: setup ## criterion benches of the parts
	cargo bench --workspace

bench-peers: build ## beside ffmpeg, OpenCV in Python and rtspsrc, on the same footage; PEERS="--seconds 20"
	@scripts/bench-peers.sh $(PEERS)

soak: build ## MINUTES=60 with CAMERAS=32 that restart at random: memory, threads, reconnects
	@scripts/soak.sh

torture: build ## MINUTES=6 of kills, full disks and slow lines between cameras and platform; counts at the end
	@scripts/torture.py --minutes $(or $(MINUTES),6) $(TORTURE)

scenes: ## generated weeks of a fixed camera with planted changes and their truth, into .cache/scenes
	@tools/scenes/make.sh

change-report: build scenes ## lasting change and flights: scores on scenes and pairs into docs/change.md; SEEDS="101 102"
	@tools/scenes/change-report.sh

fuzz: ## fuzz everything that reads foreign bytes, each of 8 readers for 5 minutes; SECONDS=60
	@scripts/fuzz.sh $(or $(SECONDS),300)

cross: ## release build for aarch64, without Docker; the sysroot is kept in ~/.cache/lintel
	@scripts/cross/build.sh

cross-check: build cross ## the arm64 program under qemu: the same boxes and events as here, MQTT over TLS
	@scripts/cross/check.sh

cross-ci: setup ## the same with the debug build that the tests made; skips with a message if arm64 is not available
	@scripts/cross/ci.sh

deb: setup ## Debian packages for amd64 and arm64, into target/deb
	@scripts/deb-build.sh amd64
	@scripts/deb-build.sh arm64

deb-check: ## install, run, remove and purge both packages on a bare Debian 12 (root)
	@scripts/deb-check.sh amd64
	@scripts/deb-check.sh arm64

release: setup ## a release: Debian packages, notes from the changelog and checksums, into target/release-VERSION
	@scripts/release.sh

clean: ## remove what was built and fetched
	cargo clean
	rm -rf .cache demo-out
