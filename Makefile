# Every command that a person or a CI server runs. `make` alone lists the targets.

STACK      ?= dev
SUITE      ?= local
# What `make test` runs in half an hour, and with LONG=yes. Suites that are joined by + share their cluster.
SUITES     ?= $(if $(filter no,$(LONG)),local changes members onprem,local+people changes+rotation members resume onprem aws)
NAMES       = $(subst +, ,$(SUITE))
# Suites that upgrade need the version before and the version after the upgrade.
KUBERNETES ?= $(if $(filter changes rotation resume,$(NAMES)),1.36.4 1.37.1)
# The `make up` of a suite needs this variable. An empty value is not exported: it would keep the suites of `make test`
# from setting their own value.
ifneq ($(KUBERNETES),)
export KUBERNETES
endif
PR         ?=
# The policies that judge a plan: none with POLICIES=, and then `make up` says that nothing judges the run. LIMITS is a
# file with their settings. A stack without a file of its own has the defaults of the policies.
POLICIES   ?= $(patsubst %/PulumiPolicy.yaml,%,$(wildcard policies/PulumiPolicy.yaml))
# An empty variable of the environment, as workflows have it, counts as not set.
LIMITS     := $(or $(LIMITS),$(wildcard policies/config/$(STACK).json))
# The Python of the virtual environment if there is one: then no second Python has to start.
PYTHON     ?= $(or $(wildcard .venv/bin/python),python3)
TOOLS       = $(PYTHON) -m tools.prepare
PYTEST      = .venv/bin/python -m pytest -ra
JUDGED      = $(if $(POLICIES),$(addprefix --policy-pack ,$(POLICIES)) $(addprefix --policy-pack-config ,$(LIMITS)))
# Builds what is missing and then runs the command, in one process, because each start of Python takes time.
BUILT       = $(TOOLS) build $(BUILD) then
BUILD       = --stack $(STACK) $(addprefix --kubernetes ,$(KUBERNETES))
# What suites and measurements need, whatever a stack has: everything, from source.
SOURCES     = $(addprefix --kubernetes ,$(KUBERNETES)) $(if $(filter aws,$(NAMES)),--aws) $(if $(filter rotation,$(NAMES)),--metrics-server) $(if $(filter restore,$(NAMES)),--s3-server) $(JUDGES)
# The suite `local` runs `make cis` and `make conformance`.
JUDGES      = $(if $(filter local,$(NAMES)),--judges)
ENV         = eval "$$($(TOOLS) env --stack $(STACK))" &&

ifneq ($(UPSTREAM),)
$(shell echo 'UPSTREAM is not used any more: artifacts.source on the page says what nodes get, and auto, its default, decides' >&2)
endif

.DEFAULT_GOAL := help
.PHONY: help up down preview comment renew tools venv env kubeconfig outputs host-keys lock unit e2e test bench lint clean clean-cache

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  STACK=$(STACK)  the stack   SUITE=$(SUITE)  the e2e suite   ARGS=  more arguments for pulumi or pytest'
	@echo '  KUBERNETES="1.36.4 1.37.1"  versions to build'
	@echo '  DIR=FOLDER  ARCHITECTURES="amd64 arm64"  for make mirror'
	@echo '  ADD="kubernetes=1.37.1"  SIGNATURES=no  for make lock   HARDWAY_CACHE=  the shared cache'
	@echo '  HARDWAY_SHOW=progress|quiet|all  what a run prints (quiet in CI)'
	@echo '  HARDWAY_ENGINE=podman|docker  HARDWAY_DEBIAN_MIRROR=URL  for the image of local machines'
	@echo '  POLICIES=  LIMITS=policies/config/prod.json  the policies that judge a plan, and their settings'

up: ## create or change the stack if the policies allow the plan, and write its kubeconfig
	@$(BUILT) up --stack $(STACK) $(JUDGED) $(ARGS)

down: ## remove the stack and everything that the stack made
	@$(BUILT) destroy --stack $(STACK) $(ARGS)

.PHONY: replace
replace: ## replace the machine of a node, dead or alive: make replace NODE=cp-1
	@$(BUILT) replace --stack $(STACK) --node $(or $(NODE),$(error say which node: make replace NODE=cp-1)) $(JUDGED) $(ARGS)

preview: ## show what `make up` would change, and write a report for a pull request
	@$(BUILT) preview --stack $(STACK) $(JUDGED) $(ARGS)

comment: ## add the report of the last preview to a pull request as a comment: make comment PR=12
	@$(TOOLS) comment --pr $(or $(PR),$(error say which pull request: make comment PR=12)) .state/$(STACK)/preview.md

renew: ## renew the certificates that are due; fails if anything else would change
	@$(BUILT) renew --stack $(STACK) $(JUDGED) $(ARGS)

.PHONY: rotate
rotate: ## propose the next step of a key's rotation: make rotate WHAT=etcd-ca; APPLY=next or all takes steps
	@$(BUILT) rotate --stack $(STACK) --what $(or $(WHAT),$(error say what: make rotate WHAT=kubernetes-ca, etcd-ca, front-proxy-ca, service-account, encryption, ssh-key or all)) \
	    $(addprefix --apply ,$(APPLY)) $(addprefix --pods ,$(PODS)) $(JUDGED) $(ARGS)

.PHONY: backup backups restore
backup: ## take a snapshot of etcd now, read it back, and print it
	@$(TOOLS) backup --stack $(STACK)

backups: ## list the snapshots of etcd
	@$(TOOLS) backup --stack $(STACK) --what list

restore: ## replace the data of etcd: make restore SNAPSHOT=latest|ID|TIME; MACHINES=cp-1,cp-2|all makes machines anew
	@$(BUILT) restore --stack $(STACK) --snapshot $(or $(SNAPSHOT),$(error say which snapshot: make restore SNAPSHOT=latest)) \
	    $(addprefix --machines ,$(MACHINES)) $(addprefix --confirm ,$(CONFIRM))

.PHONY: status
status: ## show the health of a stack; fails if somebody has to act; QUICK=1: not the next up; JSON=1: for programs
	@$(BUILT) status --stack $(STACK) $(if $(QUICK),--quick) $(if $(JSON),--json)

.PHONY: access
access: ## show who may do what, from the page and from the cluster; fails if the two differ; JSON=1: for programs
	@$(TOOLS) access --stack $(STACK) $(if $(JSON),--json)

.PHONY: cis
cis: ## let kube-bench judge every machine; fails if a control neither passes nor is answered; JSON=1: for programs
	@$(TOOLS) cis --stack $(STACK) $(if $(JSON),--json) $(addprefix --kube-bench ,$(KUBE_BENCH)) $(addprefix --answers ,$(ANSWERS))

.PHONY: conformance
conformance: ## run upstream's conformance tests: a few of each SIG; ALL=1: all; FOCUS=REGEX: those whose name matches
	@$(TOOLS) conformance --stack $(STACK) $(if $(ALL),--all) $(if $(FOCUS),--focus '$(FOCUS)') \
	    $(addprefix --at-once ,$(PROCS)) $(addprefix --e2e ,$(E2E)) $(addprefix --answers ,$(ANSWERS))

.PHONY: defrag
defrag: ## give back space that etcd does not use, member by member; disarms the alarm of a full etcd
	@$(TOOLS) defrag --stack $(STACK)

.PHONY: policy-check
policy-check: tools ## show how many days each certificate has left; fails if too few; SNAPSHOTS=1: also how old the newest snapshot is
	@$(TOOLS) policy-check --stack $(STACK) $(addprefix --config ,$(LIMITS)) $(if $(SNAPSHOTS),--snapshots) $(ARGS)

.PHONY: certificates
certificates: ## list every certificate and key, the next renewal first; SVG=FILE draws them as well
	@$(TOOLS) certificates --stack $(STACK) $(if $(SVG),--svg '$(SVG)')

tools: ## build or fetch what a stack needs and what is missing: programs, images, machine image, Python environment
	@$(TOOLS) build $(BUILD)

.PHONY: from-source
from-source: ## build everything from source, also what the stack does not need
	@$(TOOLS) build $(SOURCES)

.PHONY: mirror
mirror: ## fill a folder for an air gap with all that nodes of STACK need: make mirror STACK=onprem DIR=FOLDER
	@$(TOOLS) mirror --stack $(STACK) $(addprefix --architecture ,$(ARCHITECTURES)) \
	    $(or $(DIR),$(error say which folder: make mirror DIR=FOLDER))

.PHONY: doctor
doctor: ## say what this machine can do for STACK, and how to mend what is missing
	@$(TOOLS) doctor --stack $(STACK)

venv: ## make the Python environment only
	@$(TOOLS) venv

env: ## print the shell environment of a stack: eval "$(make -s env)"
	@$(TOOLS) env --stack $(STACK)

kubeconfig: ## write the stack's kubeconfig and print its path
	@$(TOOLS) kubeconfig --stack $(STACK)

outputs: ## print the stack's outputs
	@$(TOOLS) outputs --stack $(STACK) $(ARGS)

host-keys: ## print the SSH host keys of existing hosts, for review: make host-keys STACK=onprem
	@$(TOOLS) host-keys --stack $(STACK)

lock: ## add missing digests of upstream's release files to the lock; CHECK=1 compares all (on a connected machine)
	@$(TOOLS) lock $(addprefix --add ,$(ADD)) $(if $(CHECK),--check) $(if $(filter no,$(SIGNATURES)),--no-signatures)

# Copies, because Sphinx needs one folder in which the links of README.md, docs/ and examples/ work as in a clone.
PAGES       = README.md CONTRIBUTING.md CHANGELOG.md SECURITY.md LICENSE docs docs/site/index.md examples
.PHONY: docs
docs: venv ## write the documentation pages to .cache/site; a broken link is an error
	@rm -rf .cache/docs && mkdir -p .cache/docs && cp -rp $(PAGES) .cache/docs
	.venv/bin/sphinx-build --quiet --fail-on-warning --keep-going --builder dirhtml --conf-dir docs/site \
	  --doctree-dir .cache/doctrees .cache/docs .cache/site
	@echo ".cache/site/index.html"

# ARGS=--upgrade chooses the newest allowed versions. The files do not name the package index of this host.
COMPILE     = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
              --no-strip-extras --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock-python' $(ARGS)
.PHONY: lock-python
lock-python: venv ## write the locked Python packages, requirements*.txt, from requirements*.in
	$(COMPILE) --output-file requirements.txt requirements.in
	$(COMPILE) --output-file requirements-dev.txt requirements-dev.in

lint: venv ## check style, types, import directions and the workflows
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	@$(TOOLS) lint-workflows

# Tests wait for processes half of their time, so there are two workers for each core. The folders with the slowest
# files come first.
JOBS       ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
# LONG=no leaves out tests with the marker `long`, and `make test` does.
test: LONG  = no
BRIEF       = $(if $(filter no,$(LONG)),-m 'not long')
PARALLEL    = $(PYTEST) -n $(JOBS) --dist loadfile --no-loadscope-reorder $(BRIEF) $(ARGS)
unit: lint ## run lint, and the tests of single parts
	$(PARALLEL) tests/policies tests/unit

.PHONY: integration
integration: venv ## run the tests of the whole program, and of real programs without machines
	$(PARALLEL) tests/integration tests/program

# The suite has two stacks, each of which waits most of the time.
AT_ONCE     = $(if $(filter aws,$(NAMES)),-n 2)
e2e: from-source ## run one suite on real machines: make e2e SUITE=local
	$(ENV) $(PYTEST) $(AT_ONCE) $(BRIEF) $(ARGS) $(addprefix tests/e2e/,$(NAMES))

# If a suite fails, then the other suites still run. The last lines name the failures of all suites.
FAILURES    = $(CURDIR)/.cache/e2e-failures.txt
.PHONY: test-programs
test-programs: venv
	@$(TOOLS) test-programs

test: from-source test-programs unit integration docs ## run the checks of half an hour; LONG=yes: also what takes long (docs/testing.md)
	@rm -f $(FAILURES); failed=; export HARDWAY_E2E_FAILURES=$(FAILURES); \
	for suite in $(SUITES); do $(MAKE) --no-print-directory e2e SUITE=$$suite LONG=$(LONG) || failed="$$failed $$suite"; done; \
	if [ "$$failed" ]; then cat $(FAILURES) >&2 || true; echo "failed:$$failed" >&2; exit 1; fi

bench: JUDGES =
bench: from-source ## measure the times that README.md lists
	$(ENV) .venv/bin/python -m bench $(ARGS)

clean: ## remove what was built for this clone, but not stacks and the shared cache
	rm -rf .cache .venv .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-cache: ## remove the cache that all clones of this user share
	@$(TOOLS) clean-cache
