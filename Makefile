# weir: `make help` lists the targets.
SHELL := /bin/sh
CC ?= cc
BUILD ?= build
PREFIX ?= /usr/local
VERSION := 0.1.0
.DEFAULT_GOAL := all

FLOORS := base format edge etl bench cli
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
        -Wwrite-strings -Wundef -Wvla -Wold-style-definition -Wno-missing-field-initializers
CSTD := -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
# Inlining across files makes weir run 7 % faster; fat objects, so that what links without it can.
LTO := $(shell echo 'int x;' | $(CC) -flto=auto -ffat-lto-objects -Werror -x c -c -o /dev/null - 2>/dev/null && echo -flto=auto -ffat-lto-objects)
OPT ?= -O3 -g $(LTO)
# libpq's headers have a folder of their own in Debian.
PG_INCLUDE ?= /usr/include/postgresql
CFLAGS_ALL := $(CSTD) $(WARN) $(OPT) -pthread -fno-strict-aliasing -Isrc -isystem $(PG_INCLUDE) -DWEIR_VERSION='"$(VERSION)"' $(CFLAGS)
LIBS := -lcurl -lcrypto -l:libzstd.a -lz -lsnappy -llz4 -lxxhash -lmaxminddb -lsqlite3 -lpq -ljansson -lyaml -lm -lpthread

SRCS := $(filter-out %_test.c,$(wildcard $(FLOORS:%=src/%/*.c)))
OBJS := $(SRCS:src/%.c=$(BUILD)/obj/%.o)
TEST_SRCS := $(wildcard $(FLOORS:%=src/%/*_test.c))
TEST_BINS := $(TEST_SRCS:src/%.c=$(BUILD)/test/%)
floor_lib = $(BUILD)/lib/lib$(1).a

# A floor's tests link with that floor and those below it only.
BELOW_base   := base
BELOW_format := format base
BELOW_edge   := edge format base
BELOW_etl    := etl edge format base
BELOW_bench  := bench edge format base
BELOW_cli    := cli bench etl edge format base

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-21s %s\n", $$1, $$2 }'

.PHONY: all
all: $(BUILD)/weir ## build build/weir

$(BUILD)/obj/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# Tests: cmocka's asserts do not tell the compiler that they end the test.
define FLOOR_RULE
$(call floor_lib,$(1)): $(filter $(BUILD)/obj/$(1)/%,$(filter-out %/main.o,$(OBJS)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(AR) rcs $$@ $$^
$(BUILD)/test/$(1)/%: src/$(1)/%.c $(foreach f,$(BELOW_$(1)),$(call floor_lib,$(f)))
	@mkdir -p $$(@D)
	$$(CC) $$(CFLAGS_ALL) -Wno-maybe-uninitialized -MMD -MP -MF $$@.d -o $$@ $$< $(foreach f,$(BELOW_$(1)),$(call floor_lib,$(f))) $$(LIBS) -lcmocka
endef
$(foreach f,$(FLOORS),$(eval $(call FLOOR_RULE,$(f))))

$(BUILD)/weir: $(BUILD)/obj/cli/main.o $(foreach f,$(BELOW_cli),$(call floor_lib,$(f)))
	$(CC) $(CFLAGS_ALL) -o $@ $^ $(LIBS) $(LDFLAGS)

-include $(OBJS:.o=.d) $(TEST_BINS:=.d)

.PHONY: units unit-binaries print-cflags print-units
unit-binaries: $(TEST_BINS)
units: $(TEST_BINS) ## build and run the unit tests of this build
	@set -e; for t in $(TEST_BINS); do $$t; done
print-cflags: ; $(info $(CFLAGS_ALL))
	@:
print-units: ; $(info $(TEST_BINS))
	@:

.PHONY: install-deps install run stacks check format test test-fast test-full conformance mutants clean
install-deps: ## install what is missing on Debian or Ubuntu (scripts/setup)
	@scripts/setup

run: ## set up, build, make data, run the pipeline, show what came out
	@scripts/setup
	@$(MAKE) -s all
	@scripts/demo

stacks: ## set up and build all that weir bench compares: the stacks pythonic and spark too
	@scripts/setup --stacks
	@$(MAKE) -s all

test: ## all tests: fast tier, then full tier
	@scripts/setup --spark
	@tests/run_all fast full
test-fast: ## units and command line under sanitizers
	@tests/run_all fast
test-full: ## end to end: conformance, other readers and writers, crashes
	@tests/run_all full

conformance: all ## docs/conformance.md anew: the kit over all stacks that are set up
	@scripts/conformance

check: ## format, floors, headers, warnings, static analysis, linters
	@scripts/check
format: ## lay out C and Python
	git ls-files 'src/*.[ch]' 'tests/*.[ch]' | xargs clang-format -i
	git ls-files '*.py' | xargs $(wildcard .venv/bin/)black --quiet

install: $(BUILD)/weir ## install under PREFIX (/usr/local)
	scripts/install $(BUILD)/weir "$(DESTDIR)$(PREFIX)"

clean: ## remove what was built
	rm -rf build build-*

-include $(wildcard tests/*/*.mk docker/*.mk)
