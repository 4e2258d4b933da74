# make demo   set up, then the whole road on real digits
# make test   every test but the faults, after ruff and pyright
# make faults clusters of several nodes and hosts, broken on purpose
# make bench  every figure in benchmarks/, as one table

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: setup demo test faults check bench schema constraints clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/preimage run jobs/demo.yaml
	@echo 'before these, once: . .venv/bin/activate'

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# What starts a cluster, a server or a browser has the machine to itself.
test: check
	$(BIN)/pytest -m "not (ray or mlflow or browser or faults)" --numprocesses 2 --dist loadfile
	$(BIN)/pytest -m "(ray or mlflow or browser) and not faults"

# Minutes for each: nodes, drivers, servers and disks that fail on purpose.
faults: $(READY)
	$(BIN)/pytest -m faults --timeout 900

bench: $(READY)
	$(BIN)/python -m benchmarks

schema: $(READY)
	$(BIN)/preimage schema > jobs/schema.json

# The versions that everything was tested with, from the environment as it is now.
constraints: $(READY)
	$(BIN)/python -m pip freeze --all --exclude pip --exclude-editable | grep -v '^-e\|@' > constraints.txt

clean:
	rm -rf .venv build results
