# make demo    set up, then train, invert and measure on real digits
# make test    ruff, pyright, and all tests but the faults
# make faults  break clusters of several nodes and hosts on purpose
# make crash-points  crash tiny jobs at every operation of a simulated storage
# make bench   all benchmarks, as one table
# make docs    the documentation site, into build/site; make docs-serve serves it while you write
# make ledger  docs/reproduction.md, from the papers' claims and the recorded runs

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: setup demo test faults crash-points check lint types started bench docs docs-serve ledger schema constraints clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/preimage run demo
	@echo 'first, in each new shell: . .venv/bin/activate'

check: lint types

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/pyright

# Tests that start a cluster, a server or a browser run one after another; they leave room for pyright.
test: lint
	$(BIN)/pytest -m "not (ray or mlflow or browser or faults)" --numprocesses 2 --dist loadfile
	$(MAKE) --jobs 2 types started

started: $(READY)
	$(BIN)/pytest -m "(ray or mlflow or browser) and not faults"

# Minutes each: nodes, drivers, servers and disks fail on purpose. Then what readers make of damaged files.
faults: export PREIMAGE_TEST_BUDGET ?= whole
faults: $(READY)
	$(BIN)/pytest -m faults --timeout 900
	test $$PREIMAGE_TEST_BUDGET = small || \
		$(BIN)/pytest tests/security -m 'not ray' --numprocesses 2 --dist loadfile --timeout 900

# Every operation of a simulated disk and bucket, in every mode. A point that fails says how to try it alone.
crash-points: export PREIMAGE_CRASH_POINTS := all
crash-points: $(READY)
	$(BIN)/pytest tests/simulation -k crash_points --numprocesses 2

bench: $(READY)
	$(BIN)/python -m benchmarks

# A broken link or reference is an error. The theme's notice about another program's future is not shown.
docs docs-serve: export NO_MKDOCS_2_WARNING := 1
docs: $(READY)
	$(BIN)/python -m mkdocs build --quiet --strict

docs-serve: $(READY)
	$(BIN)/python -m mkdocs serve --dev-addr 127.0.0.1:8000

ledger: $(READY)
	$(BIN)/python -m reproduction build

schema: $(READY)
	$(BIN)/preimage schema > jobs/schema.json

# Write constraints.txt, the tested versions, from the current environment.
constraints: $(READY)
	$(BIN)/python -m pip freeze --all --exclude pip --exclude-editable | grep -v '^-e\|@' > constraints.txt

clean:
	rm -rf .venv build results
