# telemetry: built by PGXS. `make` builds, `make stage` installs into ./build,
# `make install` is for the DBA, `make test` and `make demo` need nothing else typed before.

EXTENSION  = telemetry
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" telemetry.control)

MODULE_big = telemetry
OBJS       = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
DATA_built = telemetry--$(EXTVERSION).sql
DATA       = $(sort $(wildcard sql/update/telemetry--*--*.sql))
SQL_PARTS  = $(sort $(wildcard sql/[0-9][0-9]_*.sql))

PG_CPPFLAGS = -Isrc $(shell pkg-config --cflags rdkafka libcjson)
# Only what SQL calls is exported: other extensions have a hll_add, too.
PG_CFLAGS   = -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers \
              -fvisibility=hidden '-DPGDLLEXPORT=__attribute__((visibility("default")))' $(WERROR)
SHLIB_LINK  = $(shell pkg-config --libs rdkafka libcjson)

REGRESS        = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
# From 16 on, pg_regress looks for expected/ apart from its input.
EXPECTED       = $(if $(filter-out 15,$(MAJORVERSION)),--expecteddir=test)
REGRESS_OPTS   = --load-extension=telemetry --inputdir=test --outputdir=$(or $(OUTPUTDIR),.) $(EXPECTED)
ISOLATION      = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --load-extension=telemetry --inputdir=test --outputdir=$(or $(OUTPUTDIR),.) $(EXPECTED)

EXTRA_CLEAN = telemetry--*.sql build results output_iso tmp_check
# Bitcode for JIT inlining would gain nothing here: our hot loops call no SQL functions.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifneq ($(wildcard $(PGXS)),)
include $(PGXS)
else
# test, demo and deps install what is missing themselves; nothing else can go on.
all install:
	@echo "PostgreSQL's server headers are missing: run tools/install_dependencies" >&2; exit 1
endif

# A product and a sum rounded once, where a processor can, would give other estimates there.
src/sketch/hll_estimate.o: override CFLAGS += -ffp-contract=off

$(DATA_built): $(SQL_PARTS) telemetry.control
	cat $(SQL_PARTS) > $@

# Header dependencies: without them a changed struct would link against old objects.
DEPFLAGS = -MMD -MP
override CPPFLAGS += $(DEPFLAGS)
-include $(OBJS:.o=.d)

STAGE = $(CURDIR)/build/stage
.PHONY: stage test demo bench lint format deps soak fuzz
stage: all
	$(MAKE) --no-print-directory install DESTDIR=$(STAGE) >/dev/null

deps:
	tools/install_dependencies

test:
	test/run

demo:
	examples/demo/run

# Thousands of kill -9; KILLS, POSTMASTER_KILLS, ROUNDS, SEED say how many.
soak:
	test/soak

# Each fuzzer for so many inputs, one line each at the end; NAME="hll types" for some. CI gives each a minute.
INPUTS = 10000000
fuzz:
	INPUTS=$(INPUTS) TEST_TIMEOUT=$(or $(TEST_TIMEOUT),86400) test/run fuzz $(NAME)

lint:
	test/lint/run

# docs/reference.md from the COMMENTs; on PostgreSQL 15.
.PHONY: reference
reference: stage
	tools/reference

format:
	clang-format -i $(shell git ls-files 'src/*.c' 'src/*.h' 'test/*.c' 'bench/*.c')

# Servers under valgrind: the regression tests and isolation specs, at the same time, for an hour and more; TESTS="views
# hll" for some of them.
TESTS =
.PHONY: test-valgrind
test-valgrind: stage
	tools/valgrind test/run regress,isolation $(TESTS)

# Servers of a build with AddressSanitizer and UndefinedBehaviorSanitizer; NAMES are of test/t.
NAMES = 030 031 032 033 037 042 043 044 046 081 082 083
.PHONY: test-sanitize
test-sanitize:
	tools/sanitize test/run regress,isolation
	tools/sanitize test/run tap $(NAMES)

# Servers that check themselves: PG_CONFIG is that of a PostgreSQL with assertions; TESTS as above, of test/t, too.
.PHONY: test-assertions
test-assertions:
	PG_CONFIG=$(PG_CONFIG) tools/assertions test/run regress,isolation,tap $(TESTS)

# Superset in a browser, dbt, and Microsoft's parser of Power BI's models: 1 GB into build/ at the first time.
.PHONY: test-bi
test-bi:
	test/bi/run

# Helpers of the tests: an embedded broker, and what administers a broker quickly.
TEST_TOOLS = $(patsubst test/brokers/%.c,build/test/%,$(wildcard test/brokers/*.c))
.PHONY: test-tools
test-tools: $(TEST_TOOLS)

build/test/%: test/brokers/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu99 -O2 -Wall -Wextra $(WERROR) $< -o $@ $(shell pkg-config --cflags --libs rdkafka)

# Needs root: another major version lives in a Debian of its own.
.PHONY: test-majors test-ubuntu deb test-deb image test-image test-big-endian
test-majors:
	tools/test_majors

# Ubuntu 24.04, PostgreSQL 16: what a newcomer types there, then regression and isolation tests.
test-ubuntu:
	tools/test_majors noble demo build regress isolation

test-big-endian:
	tools/big_endian

# Debian packages in build/deb, made in a Debian of a folder; SYSTEM=trixie for PostgreSQL 17.
SYSTEM = bookworm
deb:
	tools/make_deb build $(SYSTEM)

test-deb:
	tools/make_deb test $(SYSTEM)

# The container image, without a container engine.
image:
	tools/image build

test-image: image
	tools/image test

# ALTER EXTENSION telemetry UPDATE from a release (FROM=v0.1.0; the newest one) to what the tree holds.
.PHONY: test-update
test-update:
	tools/test_update $(FROM)

# Needs root: PostgreSQL 15 and 17 side by side, and pg_upgrade between them.
.PHONY: test-upgrade
test-upgrade:
	tools/test_upgrade
