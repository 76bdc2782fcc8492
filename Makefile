# Everything a person or a CI server runs. `make` alone lists the targets.

STACK      ?= dev
SUITE      ?= local
SUITES     ?= local changes members resume onprem aws
# Suites that upgrade need both ends of their way.
KUBERNETES ?= $(if $(filter changes resume,$(SUITE)),1.36.4 1.37.1)
# Their own `make up` has to know. An empty value would keep the suites of `make test` from choosing theirs.
ifneq ($(KUBERNETES),)
export KUBERNETES
endif
UPSTREAM   ?=
PR         ?=
# The policies that judge a preview and a renewal: none with POLICIES=. LIMITS is a file with their settings.
POLICIES   ?= $(patsubst %/PulumiPolicy.yaml,%,$(wildcard policies/PulumiPolicy.yaml))
LIMITS     ?= $(firstword $(wildcard policies/config/$(STACK).json policies/config/prod.json))
PYTHON     ?= python3
TOOLS       = $(PYTHON) -m tools
PYTEST      = .venv/bin/python -m pytest -ra
JUDGED      = $(if $(POLICIES),$(addprefix --policy-pack ,$(POLICIES)) $(addprefix --policy-pack-config ,$(LIMITS)))
# What is missing is built before anything else; in the same process, since each costs a start of Python.
BUILT       = $(TOOLS) build $(BUILD) then
BUILD       = $(addprefix --kubernetes ,$(KUBERNETES)) $(if $(UPSTREAM),--upstream --stack $(STACK)) $(if $(filter aws,$(SUITE)),--aws)
ENV         = eval "$$($(TOOLS) env --stack $(STACK))" &&

.DEFAULT_GOAL := help
.PHONY: help up down preview comment renew tools venv env kubeconfig outputs host-keys lock unit e2e test bench lint clean clean-cache

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo '  STACK=$(STACK)  the stack   SUITE=$(SUITE)  the e2e suite   ARGS=  more for pulumi or pytest'
	@echo '  KUBERNETES="1.36.4 1.37.1"  versions to build   UPSTREAM=1  build nothing that upstream publishes'
	@echo '  ADD="kubernetes=1.37.1"  versions to add with make lock   HARDWAY_CACHE=  the shared cache'
	@echo '  HARDWAY_ENGINE=podman|docker  HARDWAY_DEBIAN_MIRROR=URL  for the image of local machines'
	@echo '  POLICIES=  LIMITS=policies/config/prod.json  the policies of previews, and their settings'

up: ## bring the stack up and write its kubeconfig
	@$(BUILT) up --stack $(STACK) $(ARGS)

down: ## remove the stack and everything it made
	@$(BUILT) destroy --stack $(STACK) $(ARGS)

.PHONY: replace
replace: ## make the machine of a node anew, dead or alive: make replace NODE=cp-1
	@$(BUILT) replace --stack $(STACK) --node $(or $(NODE),$(error say which node: make replace NODE=cp-1)) $(ARGS)

preview: ## show what `make up` would change, and write it as a report for a pull request
	@$(BUILT) preview --stack $(STACK) $(JUDGED) $(ARGS)

comment: ## put the report of the last preview into a pull request: make comment PR=12
	@$(TOOLS).report.comment --pr $(or $(PR),$(error say which pull request: make comment PR=12)) .state/$(STACK)/preview.md

renew: ## renew the certificates that are due; refuses when anything else would change
	@$(BUILT) renew --stack $(STACK) $(JUDGED) $(ARGS)

.PHONY: policy-check
policy-check: tools ## show what is left of each certificate; fails when it is too little
	@$(TOOLS).policy_check --stack $(STACK) $(addprefix --config ,$(LIMITS)) $(ARGS)

tools: ## build what is missing: programs, images, machine image, Python environment
	@$(TOOLS) build $(BUILD)

venv: ## make the Python environment only
	@$(TOOLS) venv

env: ## print the shell environment of a stack: eval "$(make -s env)"
	@$(TOOLS) env --stack $(STACK)

kubeconfig: ## write the stack's kubeconfig and print its path
	@$(TOOLS) kubeconfig --stack $(STACK)

outputs: ## print the stack's outputs
	@$(TOOLS) outputs --stack $(STACK) $(ARGS)

host-keys: venv ## print the SSH host keys of existing hosts, for review: make host-keys STACK=onprem
	@$(TOOLS) host-keys --stack $(STACK)

lock: ## fill the digests of upstream's downloads (on a connected machine)
	@$(TOOLS) lock $(addprefix --add ,$(ADD))

lint: venv ## check style and the workflows
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	@$(TOOLS).workflows

# Half of their time tests wait for processes; the files that take longest come first.
JOBS       ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
unit: lint ## check style, pure code, and the program against a fake engine
	$(PYTEST) -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS) tests/engine tests/policies tests/program tests/unit

# Two stacks of which each waits most of the time.
AT_ONCE     = $(if $(filter aws,$(SUITE)),-n 2)
e2e: tools ## run one suite on real machines: make e2e SUITE=local
	$(ENV) $(PYTEST) $(AT_ONCE) $(ARGS) tests/e2e/$(SUITE)

# A suite that fails does not keep the others from saying what they find.
test: tools unit ## run every check there is
	@failed=; for suite in $(SUITES); do $(MAKE) --no-print-directory e2e SUITE=$$suite || failed="$$failed $$suite"; done; \
	if [ "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

bench: tools ## measure what the README says
	$(ENV) .venv/bin/python -m bench $(ARGS)

clean: ## remove what was built for this clone; stacks and the shared cache stay
	rm -rf .cache .venv .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-cache: ## remove the cache that all clones of this user share
	@$(TOOLS) clean-cache
