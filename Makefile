# Needs Python 3.11 to 3.14, its pip and make; every target builds what it needs in .venv by itself.
# Options go through ARGS: make demo ARGS="--sessions 60", make test ARGS="-k coverage".

VENV := .venv
BIN := $(VENV)/bin
# Peers have an environment of their own: what is measured keeps the versions that users have.
BENCH_VENV := .venv-bench
# Candidates; the first one that will do builds .venv. Or: make test PYTHON=/path/to/python3.12
PYTHON ?= python3 python3.14 python3.13 python3.12 python3.11
# The upper end is Dagster's; --python, with which pip fills an environment that has none, is 22.3's.
USABLE := import pip, sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 14) \
	and tuple(map(int, pip.__version__.split(".")[:2])) >= (22, 3)))
# Never the Python of an activated .venv, which is about to be removed.
FIND_PYTHON = PATH="$${PATH\#"$(CURDIR)/$(BIN):"}"; \
	for python in $(PYTHON); do $$python -c '$(USABLE)' 2>/dev/null && break; python=; done; \
	test -n "$$python" || { echo "No Python 3.11 to 3.14 with pip 22.3 or newer among: $(PYTHON)." \
	"Install one (Debian: python3 and python3-pip), or name one: make PYTHON=/path/to/python3" >&2; exit 1; }

UV := .cache/lock/bin/uv
GET_UV = $$python -m venv --without-pip .cache/lock && $$python -m pip --python .cache/lock/bin/python $(INSTALL) uv
LOWEST := .cache/lowest

INSTALL := install -qq --no-deps --disable-pip-version-check --no-warn-script-location
POSTGRES_15 := /usr/lib/postgresql/15/bin
PGBOUNCER := /usr/sbin/pgbouncer

# Without bytecode every start of Dagster takes three times as long.
unexport PYTHONDONTWRITEBYTECODE
# The version is locked: pyright need not ask the network for a newer one.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/.project ## what it needs to run, in .venv; after a pull, what that needs

.PHONY: wheels
wheels: install ## in dist/: the wheel of everything, and that of the reader, which needs no Dagster
	@$(BIN)/python -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w dist . ./reader

.PHONY: demo
demo: install ## discover, load and verify against a simulated vendor; no key needed
	@$(BIN)/universe demo $(ARGS)

.PHONY: test
test: dev ## the tests, on the embedded PostgreSQL; pip packages are all they need
	@$(BIN)/python -m pytest -n 2 -m "not system and not faults" $(ARGS)

.PHONY: test-system
test-system: dev ## what uses a database on an ordinary PostgreSQL 15, and what needs Chromium or PgBouncer
	@missing=; \
	test -x $(POSTGRES_15)/initdb || missing="$$missing postgresql-15"; \
	command -v faketime >/dev/null || missing="$$missing faketime"; \
	command -v systemd-analyze >/dev/null || missing="$$missing systemd"; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	command -v chromedriver >/dev/null || missing="$$missing chromium-driver"; \
	test -x $(PGBOUNCER) || missing="$$missing pgbouncer"; \
	test -z "$$missing" || { echo "make test-system needs Debian packages that are not here:$$missing" >&2; exit 1; }
	@$(BIN)/python -m pytest -n 2 --postgres-bin=$(POSTGRES_15) -m "not faults" universe_pipeline_tests $(ARGS)

.PHONY: faults
faults: dev ## every fault, from a spoilt answer to a full disk, and what was lost by it; as root
	@missing=; \
	command -v ip >/dev/null || missing="$$missing iproute2"; \
	command -v nginx >/dev/null || missing="$$missing nginx-light"; \
	command -v caddy >/dev/null || missing="$$missing caddy"; \
	command -v redis-server >/dev/null || missing="$$missing redis-server"; \
	test -z "$$missing" || { echo "make faults needs Debian packages that are not here:$$missing" >&2; exit 1; }; \
	test "$$(id -u)" = 0 || { echo "make faults makes network namespaces: run it as root" >&2; exit 1; }
	@$(BIN)/python -m pytest -n 2 universe_pipeline_tests/faults universe_pipeline_tests/services \
		universe_pipeline_tests/deploy $(ARGS)

# Minutes, and the Debian packages buildah and debootstrap, as root. ARGS go to `buildah build`.
.PHONY: image
image: ## build deploy/Dockerfile without a daemon, and run a demo in it
	@.ci/image $(ARGS)

HELM ?= helm

.PHONY: chart
chart: dev ## render Dagster's chart with our values, and validate it: CHART=archive-or-folder; needs helm
	@$(HELM) template universe $(CHART) --skip-schema-validation -f deploy/kubernetes/values.yaml | \
		$(BIN)/kubernetes-validate --strict --quiet -k 1.34 -

.PHONY: bench
bench: install $(BENCH_VENV)/.peers ## what it costs, compared with floor and peers: benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: check
check: lint types imports secrets test ## lint, types, import contracts, secrets and tests

# --strict: a link or an anchor that leads nowhere is an error. A search needs a server: docs-serve.
.PHONY: docs
docs: dev ## the documentation as a site in site/; a broken link is an error
	@rm -rf site && $(BIN)/zensical build --strict $(ARGS)

.PHONY: docs-serve
docs-serve: dev ## the documentation in a browser, rebuilt as you write
	@$(BIN)/zensical serve $(ARGS)

.PHONY: lint
lint: dev docs words ## ruff: rules and format; deptry: what is imported is declared; zizmor: the workflow; links and words of the docs
	@$(BIN)/ruff check .
	@$(BIN)/zizmor --offline --quiet --no-progress .github
	@$(BIN)/ruff format --check .
	@$(BIN)/deptry . --extend-exclude 'docs|universe_pipeline_tests|benchmarks|\.c(i|ache)'
	@$(BIN)/deptry .ci docs universe_pipeline_tests benchmarks --ignore DEP002,DEP004

.PHONY: words
words: dev ## no words in prose that make it hard to read
	@files=$$(git -c safe.directory='$(CURDIR)' ls-files '*.py' '*.md') && $(BIN)/python .ci/words.py $$files

.PHONY: types
types: dev ## pyright, strict
	@$(BIN)/pyright

.PHONY: imports
imports: dev ## the import contracts of pyproject.toml
	@$(BIN)/lint-imports

# A stand-in of the docs and tests ends in one of these words; others say so on their line.
STAND_INS := (secret|cret|word|sesame|-of-tests|right|-leak)$$

.PHONY: secrets
secrets: dev ## no key, password or token in the repository's files
	@files=$$(git -c safe.directory='$(CURDIR)' ls-files) && \
	$(BIN)/detect-secrets-hook --no-verify --plugin .ci/vendor_key.py \
		--disable-filter detect_secrets.filters.heuristic.is_indirect_reference \
		--exclude-secrets '$(STAND_INS)' $$files

# Asks a service on the network, and fails where that cannot be asked. For a CI of your own.
.PHONY: audit
audit: ## known weaknesses of the locked packages; needs the index's own vulnerability service
	@$(FIND_PYTHON); $$python -m venv --without-pip .cache/audit && \
	$$python -m pip --python .cache/audit/bin/python install -qq --disable-pip-version-check pip-audit==2.10.1
	@.cache/audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off \
		-r requirements-build.txt -r requirements.txt -r requirements-deploy.txt -r requirements-dev.txt $(ARGS)

.PHONY: sbom
sbom: ## in dist/: what an installation consists of, as CycloneDX, from the locked versions
	@$(FIND_PYTHON); $$python -m venv --without-pip .cache/sbom && \
	$$python -m pip --python .cache/sbom/bin/python install -qq --disable-pip-version-check cyclonedx-bom==7.5.0
	@mkdir -p dist && .cache/sbom/bin/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml \
		--output-reproducible --of JSON -o dist/sbom.json requirements.txt

.PHONY: notice
notice: dev ## write NOTICE again: the licences of what an installation brings along
	@$(BIN)/python .ci/notice.py

.PHONY: release-check
release-check: dev ## does the wheel, in an empty environment outside the clone, demo, serve and read?
	@$(BIN)/python -m pytest universe_pipeline_tests/faults/test_release.py $(ARGS)

.PHONY: format
format: dev ## let ruff format and fix what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: calendar
calendar: dev ## write the NYSE's closures again from the locked exchange_calendars
	@$(BIN)/python -m universe_pipeline_tests.domain.write_nyse && $(BIN)/ruff format -q universe_pipeline/domain/nyse.py

.PHONY: tables
tables: dev ## write the tables of docs/data.md, session-states.md and metrics.md from the code
	@$(BIN)/python -m universe_pipeline_tests.write_tables
	@$(BIN)/python -m universe_pipeline_tests.write_states
	@$(BIN)/python -m universe_pipeline_tests.write_metrics

.PHONY: screenshots
screenshots: dev ## take the README's pictures of Dagster again, from a demo; needs Chromium
	@$(BIN)/python -m universe_pipeline_tests.browser.screenshots

.PHONY: lock
lock: ## resolve the requirements files again; ARGS=--upgrade moves every version
	@$(FIND_PYTHON); $(GET_UV)
	@compile() { $(UV) pip compile --no-config --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' "$$@"; }; \
	printf '%s\n' pip setuptools | compile - -o requirements-build.txt $(ARGS) && \
	compile pyproject.toml -o requirements.txt $(ARGS) && \
	compile pyproject.toml --extra celery --extra kubernetes -c requirements-build.txt -c requirements.txt \
		-o requirements-deploy.txt $(ARGS) && \
	compile pyproject.toml --extra dev -c requirements-build.txt -c requirements.txt -c requirements-deploy.txt \
		-o requirements-dev.txt $(ARGS) && \
	compile benchmarks/requirements.in -c requirements.txt -o benchmarks/requirements.txt $(ARGS)
	@more() { cat "$$@" | awk 'FNR == NR {locked[$$1]; next} /==/ {more = !($$1 in locked)} /^#/ || more' \
		- $$file >.cache/lock/more && mv .cache/lock/more $$file; }; \
	file=requirements-deploy.txt && more requirements-build.txt requirements.txt && \
	file=requirements-dev.txt && more requirements-build.txt requirements.txt requirements-deploy.txt

# A demo, since it uses every dependency; as root its server needs a folder that it can enter.
.PHONY: lowest
lowest: ## the oldest versions that pyproject.toml allows: do they install, and load a demo?
	@$(FIND_PYTHON); $(GET_UV) && $$python -m venv --clear --without-pip $(LOWEST)
	@$(UV) pip compile --no-config --quiet --resolution lowest-direct --python $(LOWEST)/bin/python \
		--no-emit-index-url pyproject.toml -o $(LOWEST)/requirements.txt
	@fill() { $(UV) pip install --no-config --quiet --python $(LOWEST)/bin/python "$$@"; }; \
	fill -r $(LOWEST)/requirements.txt && fill --no-deps --editable . && \
	$(UV) pip check --quiet --python $(LOWEST)/bin/python
	@$(LOWEST)/bin/python -c 'import universe_pipeline.definitions'
	@home=$$(mktemp -d) && chmod 755 "$$home" && trap 'rm -rf "$$home"' EXIT && \
	UNIVERSE_HOME=$$home $(LOWEST)/bin/universe demo --sessions 3

.PHONY: clean
clean: ## remove everything that make and the tools left here
	rm -rf $(VENV) $(BENCH_VENV) .cache .hypothesis .import_linter_cache .pytest_cache .ruff_cache build dist docs/__marimo__ site *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

.PHONY: dev
dev: install $(VENV)/.dev ## the tools of development, in .venv

# A stamp is written last: a build that was interrupted starts over. Programs in .venv name its
# folder: where the clone has moved, or the Python it was built with is gone, it is built again.
ifneq ($(shell test -x $(BIN)/python && cat $(VENV)/.runtime 2>/dev/null),$(CURDIR))
.PHONY: $(VENV)/.runtime
endif

# The lock goes in by two halves at a time: pip alone keeps one core busy and waits for the network.
$(VENV)/.runtime: requirements-build.txt requirements.txt
	@$(FIND_PYTHON); \
	echo "Building $(VENV) with $$python: once, about half a minute and 180 MB of downloads ..." >&2; \
	rm -rf $(VENV) && $$python -m venv --without-pip $(VENV) && \
	$$python -m pip --python $(BIN)/python $(INSTALL) --require-hashes -r requirements-build.txt
	@awk '/==/ {half = !half} /^[^#]/ {print > ("$(VENV)/.half" half)}' requirements.txt
	@printf '%s\n' $(VENV)/.half0 $(VENV)/.half1 | \
		xargs -n 1 -P 2 $(BIN)/python -m pip $(INSTALL) --require-hashes -r
	@pwd -P >$@

$(VENV)/.project: pyproject.toml setup.py $(VENV)/.runtime
	@$(BIN)/python -m pip $(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements-deploy.txt $(VENV)/.runtime
	@$(BIN)/python -m pip $(INSTALL) --require-hashes -r requirements-dev.txt -r requirements-deploy.txt
	@touch $@

$(BENCH_VENV)/.peers: benchmarks/requirements.txt $(VENV)/.runtime
	@echo "Building $(BENCH_VENV): once, with what the benchmarks compare with ..." >&2; \
	rm -rf $(BENCH_VENV) && $(BIN)/python -m venv --without-pip $(BENCH_VENV) && \
	$(BIN)/python -m pip --python $(BENCH_VENV)/bin/python $(INSTALL) --require-hashes -r $<
	@touch $@
