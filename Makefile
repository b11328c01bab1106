# demo: convert the bundled model to all three formats in int8 and print the table.   test: everything README promises.
# test-android: fetch the Kotlin tools into .tools/android and test android_demo on the JVM (android_demo/README.md).
# test-ios: put Debian's Swift 6 into SWIFT_ROOT (root, debootstrap) where none is on PATH, and test ios_demo on Linux (ios_demo/README.md).
# test-web: install LiteRT.js and playwright-core into web_demo and test the browser demo in Chromium (web_demo/README.md).
# test-upstream: put MIT's own code, from a pinned wheel, into .tools/upstream and compare with it.
# test-runtimes: put other releases of the runtimes, and MediaPipe, into .tools/runtimes and hand them files (docs/runtimes.md, executorch.md, app-libraries.md).
# test-gpu: put Mesa's software Vulkan driver into .tools/gpu, Arm's VGF tools into .tools/vgf, and run files on LiteRT's GPU accelerator and ExecuTorch's
#   VGF delegate (docs/gpu.md).
# test-coreai: put Apple's Core AI wheels into .tools/coreai, and convert, run and damage .aimodel files (docs/coreai.md).
# test-ray: put Ray, s3fs and a server that speaks S3 into .tools/ray and sweep on three nodes of this machine (docs/sweeps.md).
# dist: build the source archive and the wheel into dist/ and check them.   test-install: put the wheel into empty environments, an extra at a time.
# test-qualcomm: put Qualcomm's compiler and emulator (their licence: docs/qualcomm.md), and ONNX Runtime, into .tools/qualcomm and run files (Linux, x86-64).
# docs: build the documentation site into site/, with warnings as errors.
# bench: measure ours against the stock routes and other runtimes; options in BENCH, e.g. BENCH='--model efficientvit_l1'.
PYTHON ?= python3
BIN := .venv/bin
SWIFT_ROOT ?= /opt/evit-mobile-swift
# Processes that share the tests, a file at a time; each takes up to 10 GB, with the largest variants.
WORKERS ?= 2
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Python keeps what it compiled: without that, tests are collected in 8 s in place of 4, and each process that converts starts in 4 s in place of 1.7.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-fast test-android test-ios test-web test-upstream test-runtimes test-gpu test-ray test-coreai test-install test-qualcomm lint bench dist docs clean

demo: .venv/demo.stamp
	$(BIN)/evit-mobile convert --format all --int8 --out out/demo

test: .venv/test.stamp lint
	$(BIN)/python -m pytest $(PARALLEL) -m "slow or not slow" -rs --durations=10

test-fast: .venv/test.stamp
	$(BIN)/python -m pytest $(PARALLEL)

test-android: .venv/test.stamp
	PYTHON=$(BIN)/python scripts/android/prepare.sh .tools/android
	$(BIN)/python -m pytest -m "slow or not slow" -rs tests/android_demo tests/examples/test_manifest_in_apps.py

test-ios: .venv/test.stamp
	command -v swift || scripts/ios/prepare.sh $(SWIFT_ROOT)
	EVIT_MOBILE_SWIFT_ROOT=$(SWIFT_ROOT) $(BIN)/python -m pytest -m "slow or not slow" -rs tests/ios_demo tests/examples/test_manifest_in_apps.py

test-web: .venv/test.stamp
	npm ci --prefix web_demo
	$(BIN)/python -m pytest -m "slow or not slow" -rs tests/web_demo

test-upstream: .venv/test.stamp
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --upgrade --target .tools/upstream/efficientvit \
		--requirement scripts/upstream/requirements.txt
	EVIT_MOBILE_UPSTREAM=$(CURDIR)/.tools/upstream $(BIN)/python -m pytest -m "slow or not slow" -rs \
		tests/evit_mobile/models/test_weights_real_upstream.py tests/evit_mobile/models/test_weights_convert.py

test-runtimes: .venv/test.stamp
	PYTHON=$(BIN)/python scripts/runtimes/prepare.sh .tools/runtimes
	EVIT_MOBILE_RUNTIMES=$(CURDIR)/.tools/runtimes $(BIN)/python -m pytest -m "slow or not slow" -rs tests/runtimes

test-gpu: .venv/test.stamp
	scripts/gpu/prepare.sh .tools/gpu
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target .tools/vgf --requirement scripts/gpu/requirements.txt
	EVIT_MOBILE_GPU=$(CURDIR)/.tools/gpu PYTHONPATH=$(CURDIR)/.tools/vgf $(BIN)/python -m pytest -n $(WORKERS) -m "slow or not slow" -rs tests/gpu

test-ray: .venv/test.stamp
	$(BIN)/python -m pip install --quiet --upgrade --target .tools/ray --requirement scripts/ray/requirements.txt
	PYTHONPATH=$(CURDIR):$(CURDIR)/.tools/ray $(BIN)/python -m pytest -m "slow or not slow" -rs tests/cluster

test-install: .venv/test.stamp dist
	EVIT_MOBILE_DIST=$(CURDIR)/dist $(BIN)/python -m pytest -m "slow or not slow" -rs tests/install

dist: .tools/dist/stamp
	rm -rf build dist
	.tools/dist/bin/python -m build --outdir dist .
	.tools/dist/bin/python -m twine check --strict dist/*

.tools/dist/stamp:
	$(PYTHON) -m venv .tools/dist
	.tools/dist/bin/python -m pip install --quiet build==1.6.1 twine==7.0.0
	touch $@

test-qualcomm: .venv/test.stamp
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target .tools/qualcomm --requirement scripts/qualcomm/requirements.txt
	PYTHONPATH=$(CURDIR)/.tools/qualcomm $(BIN)/python -m pytest -m "slow or not slow" -rs tests/qualcomm tests/converters/qualcomm tests/converters/onnx

test-coreai: .venv/test.stamp
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target .tools/coreai --requirement scripts/coreai/requirements.txt
	PYTHONPATH=$(CURDIR)/.tools/coreai $(BIN)/python -m pytest -m "slow or not slow" -rs tests/converters/coreai

docs: .tools/docs/stamp
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=$(CURDIR) .tools/docs/bin/mkdocs build --strict --quiet

.tools/docs/stamp: scripts/site_requirements.txt
	$(PYTHON) -m venv .tools/docs
	.tools/docs/bin/python -m pip install --quiet --requirement scripts/site_requirements.txt
	touch $@

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/demo.stamp: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[all]'
	touch $@

.venv/test.stamp: .venv/demo.stamp
	$(BIN)/python -m pip install --quiet --editable '.[all,test]'
	touch $@

bench: .venv/bench.stamp
	$(BIN)/python -m benchmarks $(BENCH)

.venv/bench.stamp: .venv/demo.stamp
	$(BIN)/python -m pip install --quiet --editable '.[all,bench]'
	touch $@

clean:
	rm -rf .venv .tools web_demo/node_modules build dist site out *.egg-info .pytest_cache .mypy_cache .ruff_cache
