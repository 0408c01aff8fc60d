# usher. `make help` lists the targets. Everything built goes under $(BUILD).
PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR    ?=
BUILD      ?= build
PYTHON     ?= /usr/bin/python3
JOBS       ?= $(shell nproc 2>/dev/null || echo 2)
VERSION    := $(shell sed -n 's/^\#define USHER_VERSION "\(.*\)"/\1/p' include/usher/usher.h)
MAKEFLAGS  += --no-print-directory
say         = $(if $(V),,@echo '  $(1)' &&) # what is being made, instead of the whole command; V=1 shows the command

# -- What must be installed (Debian 12 names): one list for `make deps` ------------------------
# mariadb-server-core is the server's program alone: no service is set up or started.
DEPS_BUILD = gcc make pkg-config libc6-dev libncurses-dev libcurl4-openssl-dev libcjson-dev libmariadb-dev libinih-dev \
             libmicrohttpd-dev libuv1-dev libssl-dev zlib1g-dev libexpat1-dev gettext
DEPS_TEST  = mariadb-server-core mariadb-client-core libcmocka-dev python3 python3-pytest python3-pymysql \
             python3-aiosmtpd python3-pyte python3-pexpect python3-botocore faketime tmux curl jq mandoc openssl npm systemd zsh fish
DEPS_LINT  = clang-format clang-tidy cppcheck clang libclang-rt-14-dev

# -- Flags ------------------------------------------------------------------------------------
# pkg-config is asked at the first use, which is after `make deps` has run, and once.
once      = $(eval $(1) := $$(shell $(2)))$($(1))
PKGS      = libcurl libcjson libmariadb inih libmicrohttpd libuv libcrypto zlib expat
DEP_CFLAGS = $(call once,DEP_CFLAGS,pkg-config --cflags $(PKGS) ncursesw)
LIB_LIBS   = $(call once,LIB_LIBS,pkg-config --libs $(PKGS); echo -lm)
UI_LIBS    = $(call once,UI_LIBS,pkg-config --libs libcurl libcjson ncursesw zlib libcrypto; echo -lm)
WARN      = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wno-format-nonliteral
OPT      ?= -O2 -g
DATADIR   = $(PREFIX)/share/usher
CPPFLAGS += -D_GNU_SOURCE -Isrc -Iinclude -I$(BUILD)/gen -DUSHER_DATADIR='"$(DATADIR)"' -DUSHER_SYSCONFDIR='"$(SYSCONFDIR)"'
CFLAGS   += -std=gnu11 $(OPT) $(WARN) $(WERROR) $(SANITIZE) -fPIC -fvisibility=hidden -pthread
LDFLAGS  += $(SANITIZE) -pthread

# -- What is built ------------------------------------------------------------------------------
LIB_SRC  := $(filter-out src/usherd.c,$(wildcard src/*.c src/*/*.c))
UI_SRC   := $(wildcard ui/*.c ui/*/*.c)
UNIT     := $(wildcard tests/unit/*_test.c)
CONTRACT := $(wildcard tests/contract/*_test.c)
SINKS    := $(wildcard tests/bench/*.c)
AWS_TOOLS := $(wildcard tests/aws/*.c)
FUZZ     := $(wildcard tests/fuzz/*_fuzz.c)
CATALOGUES := $(patsubst ui/po/%.po,$(BUILD)/locale/%/LC_MESSAGES/usher.mo,$(wildcard ui/po/*.po))
obj       = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
bin       = $(patsubst %.c,$(BUILD)/%,$(1))

all: $(BUILD)/usherd $(BUILD)/usher $(BUILD)/libusher.a $(BUILD)/libusher.so $(CATALOGUES) ## build the daemon, the console and the library

$(BUILD)/libusher.a: $(call obj,$(LIB_SRC)) $(BUILD)/obj/schema.o
	@rm -f $@
	$(call say,ar  $@) $(AR) rcs $@ $^
$(BUILD)/libusher.so: $(call obj,$(LIB_SRC)) $(BUILD)/obj/schema.o
	$(call say,ld  $@) $(CC) -shared -Wl,-soname,libusher.so.0 $(LDFLAGS) -o $@ $^ $(LIB_LIBS)
$(BUILD)/usherd: $(call obj,src/usherd.c) $(BUILD)/libusher.a
	$(call say,ld  $@) $(CC) $(LDFLAGS) -o $@ $^ $(LIB_LIBS)
$(BUILD)/usher: $(call obj,$(UI_SRC)) $(BUILD)/libusher.a
	$(call say,ld  $@) $(CC) $(LDFLAGS) -o $@ $^ $(UI_LIBS)

# The languages: what the code says in English (marked with _ and N_, or in a table named here), and ui/po/LANGUAGE.po.
$(BUILD)/locale/%/LC_MESSAGES/usher.mo: ui/po/%.po
	@mkdir -p $(@D)
	$(call say,mo  $@) msgfmt --check -o $@ $<
XGETTEXT = xgettext --language=C --from-code=UTF-8 --add-location=file --add-comments=TRANSLATORS: --no-wrap --package-name=usher
MESSAGES = _ N_ C_:1c,2 NC_:1c,2 ngettext:1,2 KEY:8 COMMAND:6 OPTION:5 GROUP:2 CLASS:7 METRIC:7 ALARM:9 error_set:3 error_prefix:3 error_add:3
MESSAGES += load_error:3 load_note:2 CHANNEL_KEYS:3 KEY:5,5t
MESSAGES_TOO = KEY:9 METRIC:8 OPTION:2c,4 # xgettext takes one text a call: the second is taken in a second round
MESSAGE_FILES = $(sort $(wildcard $(foreach d,ui src/admin src/engine src/store src/model src/notice src/config src/provision,$d/*.[ch] $d/*.def $d/*/*.[ch] $d/*/*.def))) src/usherd.c
$(BUILD)/usher.pot: $(MESSAGE_FILES) Makefile
	@mkdir -p $(@D)
	@{ $(XGETTEXT) $(MESSAGES:%=--keyword=%) -o $@.new $(MESSAGE_FILES) && \
	   $(XGETTEXT) $(MESSAGES_TOO:%=--keyword=%) --join-existing -o $@.new $(MESSAGE_FILES); } 2> $@.log || { cat $@.log; exit 1; }
	@mv $@.new $@
messages: $(BUILD)/usher.pot ## take new and changed texts into ui/po/*.po, for translators
	@for po in $(wildcard ui/po/*.po); do msgmerge --quiet --update --backup=none --no-fuzzy-matching --no-wrap --add-location=file $$po $< && \
	  sed -i "/^\"POT-Creation-Date/d" $$po && msgattrib --no-obsolete --no-wrap --add-location=file -o $$po $$po && echo "$$po: $$(msgfmt --statistics -o /dev/null $$po 2>&1)"; done

# sql/*.sql as one C table: { "0001_initial", "...text..." }
$(BUILD)/gen/schema.c: $(wildcard sql/*.sql) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "store/schema.h"'; echo 'const struct schema_file schema_files[] = {'; \
	   for f in $(sort $(wildcard sql/*.sql)); do \
	     printf '{ "%s", ' "$$(basename $$f .sql)"; \
	     sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' $$f; echo '},'; done; \
	   echo '};'; echo 'const unsigned schema_file_count = sizeof schema_files / sizeof *schema_files;'; } > $@
$(BUILD)/obj/schema.o: $(BUILD)/gen/schema.c
	@mkdir -p $(@D)
	$(call say,cc  $<) $(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Objects are made anew when they would be made otherwise: other compiler, sanitizer or prefix.
flags = printf '%s\n' 'CC=$(CC)' 'OPT=$(OPT)' 'SANITIZE=$(SANITIZE)' 'PREFIX=$(PREFIX)' 'SYSCONFDIR=$(SYSCONFDIR)'
$(BUILD)/flags: force
	@mkdir -p $(@D)
	@$(flags) | cmp -s - $@ || $(flags) > $@
$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,cc  $<) $(CC) $(CPPFLAGS) $(DEP_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# -- What must be there first ---------------------------------------------------------------------
# $(call need,PACKAGES): installs the missing ones; where there is no apt, says what is wanted and stops.
define need
	@if ! command -v apt-get >/dev/null 2>&1; then \
	   pkg-config --exists $(PKGS) ncursesw cmocka 2>/dev/null && PATH="$$PATH:/usr/sbin" command -v mariadbd $(PYTHON) >/dev/null && exit 0; \
	   echo "This system has no apt-get. Install what these Debian packages hold, then run make again:"; \
	   echo "  $(1)" | fold -s -w 100; exit 1; fi; \
	 missing=; for p in $(1); do \
	   [ $$p = npm ] && command -v npm >/dev/null && continue; \
   dpkg-query -W -f '$${db:Status-Status}\n' $$p 2>/dev/null | grep -qx installed || missing="$$missing $$p"; done; \
	 [ -z "$$missing" ] && exit 0; \
	 sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	 echo "Installing:$$missing"; \
	 $$sudo apt-get -q update && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $$missing
endef
deps: ## install the Debian packages that are missing
	$(call need,$(DEPS_BUILD) $(DEPS_TEST))
# SNS and SQS for the tests of the aws driver, and the node it needs: from the lock file, whatever registry npm uses.
AWS_SERVER = build/aws
deps-aws: $(AWS_SERVER)/installed
$(AWS_SERVER)/installed: $(wildcard tests/aws/*.json tests/aws/*.mjs)
	@command -v npm >/dev/null || { echo "deps-aws needs npm: run make deps, or install it"; exit 1; }
	@mkdir -p $(AWS_SERVER)
	@cp $^ $(AWS_SERVER)/
	$(call say,npm $(AWS_SERVER)) npm --prefix $(AWS_SERVER) --loglevel=error ci --ignore-scripts --no-audit --no-fund > $(AWS_SERVER)/npm.log 2>&1 || \
	  { cat $(AWS_SERVER)/npm.log; exit 1; }
	@touch $@
# promtool alone, out of Debian's package: installing that would start a Prometheus on this machine.
TOOLS = build/tools
deps-promtool: $(TOOLS)/promtool
$(TOOLS)/promtool:
	@mkdir -p $(TOOLS)/prometheus
	@if command -v promtool >/dev/null; then ln -sf "$$(command -v promtool)" $@; exit 0; fi; \
	 command -v apt-get >/dev/null || { echo "The tests need promtool: install it (it comes with Prometheus)"; exit 1; }; \
	 cd $(TOOLS)/prometheus && sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	 { apt-get -q download prometheus || { $$sudo apt-get -q update && apt-get -q download prometheus; }; } > apt.log 2>&1 || \
	   { cat apt.log; exit 1; }; \
	 echo '  deb  $@' && dpkg --fsys-tarfile prometheus_*.deb | tar -x --strip-components=3 -C .. ./usr/bin/promtool && \
	 rm prometheus_*.deb && touch ../promtool
deps-lint:
	$(call need,$(DEPS_BUILD) $(DEPS_TEST) $(DEPS_LINT))

# -- Tests: each target ends with "N passed, N failed" -------------------------------------------
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(BUILD)/libusher.a
	@mkdir -p $(@D)
	$(call say,ld  $@) $(CC) $(LDFLAGS) -o $@ $^ $(LIB_LIBS) -lssl -lcmocka
$(BUILD)/tests/contract/%: $(BUILD)/obj/tests/contract/%.o $(BUILD)/obj/tests/contract/fixture.o $(BUILD)/libusher.a
	@mkdir -p $(@D)
	$(call say,ld  $@) $(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIB_LIBS) -lssl -lcmocka
$(BUILD)/tests/contract/pipeline_test $(BUILD)/tests/contract/pipeline_control_test: $(BUILD)/obj/tests/contract/scripted.o
$(BUILD)/tests/contract/broker_test: $(addprefix $(BUILD)/obj/tests/contract/,broker_suite.o broker_party.o)
$(BUILD)/tests/contract/broker_aws_test: $(addprefix $(BUILD)/obj/tests/contract/,broker_suite.o broker_party.o aws_fixture.o)
# Parts of ui that need no terminal: their tests are named ui_*.
UI_PURE = $(call obj,ui/text.c ui/format.c ui/table.c ui/lines.c ui/facts.c ui/facts_fleet.c ui/facts_alarms.c ui/facts_redrive.c ui/facts_config.c)
$(BUILD)/tests/unit/ui_%: $(BUILD)/obj/tests/unit/ui_%.o $(UI_PURE) $(BUILD)/libusher.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIB_LIBS) -lcmocka
.SECONDARY:
unit-bins: $(call bin,$(UNIT))
contract-bins: $(call bin,$(CONTRACT))
aws-bins: $(call bin,$(AWS_TOOLS))
bench-bins: $(call bin,$(SINKS))
$(BUILD)/tests/bench/%: $(BUILD)/obj/tests/bench/%.o
	@mkdir -p $(@D)
	$(call say,ld  $@) $(CC) $(LDFLAGS) -o $@ $^ $(SINK_LIBS)
$(BUILD)/tests/bench/sqs_sink: SINK_LIBS = -lcjson -lcrypto
run = $(PYTHON) tests/run.py --build $(BUILD)
TEST_JOBS ?= 4# side by side; they mostly wait

BROKER ?= embedded# or aws
demo: deps $(if $(filter aws,$(BROKER)),deps-aws) ## show the whole of it at work: 200 sign-ups through planned faults, then the console
	@$(MAKE) -j$(JOBS) all
	@$(PYTHON) tests/demo/demo.py --build $(BUILD) --broker $(BROKER)
check: deps ## every test: unit, contract, system, console
	@$(MAKE) -j$(JOBS) all unit-bins contract-bins aws-bins deps-aws deps-promtool WERROR=-Werror
	@$(run) --jobs $(TEST_JOBS) $(call bin,$(UNIT) $(CONTRACT)) tests/system tests/console
unit: unit-bins ## tests of single parts, without outside services
	@$(run) $(call bin,$(UNIT))
contract: contract-bins deps-aws ## tests of broker and store on a private mariadbd
	@$(run) $(call bin,$(CONTRACT))
system: all aws-bins deps-aws deps-promtool ## tests of the running daemon against stand-ins for mail and coupon service; T=... picks
	@$(run) tests/system $(if $(T),-k '$(T)')
console: all ## tests of console and command line; T=... picks
	@$(run) tests/console $(if $(T),-k '$(T)')

ASAN = BUILD=build/asan OPT='-O1 -g' SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'
TSAN = BUILD=build/tsan OPT='-O1 -g' SANITIZE='-fsanitize=thread -fno-omit-frame-pointer'
asan: deps ## all but the console's tests under the address and undefined-behaviour sanitizers
	@$(MAKE) -j$(JOBS) $(ASAN) all unit-bins contract-bins aws-bins deps-aws deps-promtool
	@$(MAKE) $(ASAN) without-console
without-console:
	@$(run) --jobs $(TEST_JOBS) $(call bin,$(UNIT) $(CONTRACT)) tests/system
tsan: deps ## what has threads, under the thread sanitizer
	@$(MAKE) -j$(JOBS) $(TSAN) all unit-bins
	@$(MAKE) $(TSAN) unit
	@$(MAKE) $(TSAN) T='main or kill_one or reload' system
FUZZ_SECONDS ?= 20
fuzz: deps-lint ## libFuzzer on every decoder, FUZZ_SECONDS each
	@$(MAKE) -j$(JOBS) BUILD=build/fuzz CC=clang OPT='-O1 -g' SANITIZE=-fsanitize=address,undefined,fuzzer-no-link fuzz-bins
	@for f in $(patsubst tests/fuzz/%.c,%,$(FUZZ)); do mkdir -p build/fuzz/corpus/$$f; log=build/fuzz/$$f.log; \
	  build/fuzz/tests/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=1024 -max_len=70000 -verbosity=0 \
	    -print_final_stats=1 -artifact_prefix=build/fuzz/ build/fuzz/corpus/$$f tests/fuzz/corpus/$${f%_fuzz} > $$log 2>&1 || \
	    { tail -40 $$log; echo "fuzz: $$f found something: build/fuzz/"; exit 1; }; \
	  echo "fuzz: $$f: $$(sed -n 's/^stat::number_of_executed_units: *//p' $$log) inputs, nothing found"; done
fuzz-bins: $(call bin,$(FUZZ))
$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/libusher.a
	@mkdir -p $(@D)
	$(call say,ld  $@) $(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIB_LIBS)
bench: deps ## 40,000 deliveries against fast sinks; ends with the figures; BROKER=aws: over SNS and SQS
	@$(MAKE) -j$(JOBS) all bench-bins
	@$(PYTHON) tests/bench/run.py --build $(BUILD) --broker $(BROKER)
bench-finding: deps ## how long an operator waits in a table of 2,000,000 failed rows
	@$(MAKE) -j$(JOBS) all bench-bins
	@$(PYTHON) tests/bench/finding.py --build $(BUILD)
bench-console: deps ## how quick and light the console is, and what twenty operators cost
	@$(MAKE) -j$(JOBS) all bench-bins
	@$(PYTHON) tests/bench/console.py --build $(BUILD)

MINUTES ?= 15
soak: deps $(if $(filter aws,$(BROKER)),deps-aws) ## two daemons under load and random faults for MINUTES=15, from SEED=n; BROKER=aws: over SNS and SQS
	@$(MAKE) -j$(JOBS) all
	@$(PYTHON) tests/soak/soak.py --build $(BUILD) --broker $(BROKER) --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# -- Lint ---------------------------------------------------------------------------------------
C_FILES = $(wildcard src/*.c src/*/*.c ui/*.c ui/*/*.c)
# One file a run: clang-tidy 14 carries the state of va_lists from one file into the next.
ALL_C   = $(C_FILES) $(wildcard src/*/*.h ui/*.h ui/*/*.h include/usher/*.h tests/*/*.c tests/*/*.h)
lint: deps-lint $(BUILD)/gen/schema.c lint-includes lint-messages lint-manuals lint-format lint-tidy lint-cppcheck lint-analyzer ## style and static analysis
	@echo "lint: nothing found"
lint-includes:
	@$(PYTHON) tests/lint/includes.py
lint-messages: $(BUILD)/usher.pot
	@$(PYTHON) tests/lint/messages.py $(BUILD)
lint-manuals:
	@$(PYTHON) tests/lint/manuals.py
lint-format:
	@clang-format --dry-run -Werror $(ALL_C)
lint-tidy:
	@printf '%s\n' $(C_FILES) | xargs -P2 -n1 sh -c 'clang-tidy --quiet "$$1" -- $(CPPFLAGS_TIDY) 2>/dev/null' sh
CPPFLAGS_TIDY = -std=gnu11 -D_GNU_SOURCE -Isrc -Iinclude $(DEP_CFLAGS) -DUSHER_DATADIR=\"\" -DUSHER_SYSCONFDIR=\"\"
lint-cppcheck:
	@cppcheck --quiet --std=c11 --enable=warning,performance,portability --error-exitcode=1 -j2 --inline-suppr \
	  --library=tests/lint/cppcheck.cfg --suppressions-list=tests/lint/cppcheck.txt -D_GNU_SOURCE -DUSHER_DATADIR='""' -DUSHER_SYSCONFDIR='""' -Isrc -Iinclude $(C_FILES)
lint-analyzer:
	@printf '%s\n' $(filter src/%,$(C_FILES)) | xargs -P2 -n1 sh -c \
	  'gcc -O0 $(CPPFLAGS_TIDY) -fanalyzer $(ANALYZER_OFF) -Werror -c -o /dev/null "$$1"' sh

# -- Install --------------------------------------------------------------------------------------
D = $(DESTDIR)$(PREFIX)
COMPLETIONS = $(D)/share/bash-completion/completions $(D)/share/zsh/site-functions $(D)/share/fish/vendor_completions.d
install: all ## under PREFIX (/usr/local), staged in DESTDIR
	install -d $(D)/bin $(D)/sbin $(D)/lib/pkgconfig $(D)/include/usher $(DESTDIR)$(DATADIR)/templates $(DESTDIR)$(DATADIR)/iam \
	  $(DESTDIR)$(DATADIR)/grafana $(DESTDIR)$(DATADIR)/prometheus $(D)/lib/systemd/system $(DESTDIR)$(SYSCONFDIR)/usher
	install -m755 $(BUILD)/usher $(D)/bin/
	install -m755 $(BUILD)/usherd $(D)/sbin/
	install -m644 $(BUILD)/libusher.a $(D)/lib/
	install -m755 $(BUILD)/libusher.so $(D)/lib/libusher.so.$(VERSION)
	ln -sf libusher.so.$(VERSION) $(D)/lib/libusher.so.0
	ln -sf libusher.so.0 $(D)/lib/libusher.so
	install -m644 include/usher/*.h $(D)/include/usher/
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$${prefix}/lib' 'includedir=$${prefix}/include' '' 'Name: usher' \
	  'Description: welcomes new members: fanout worker and sign-ups' 'Version: $(VERSION)' 'Cflags: -I$${includedir}' \
	  'Libs: -L$${libdir} -lusher' 'Libs.private: $(LIB_LIBS) -pthread' > $(D)/lib/pkgconfig/usher.pc
	install -d $(COMPLETIONS)
	LC_ALL=C $(BUILD)/usher completion bash > $(D)/share/bash-completion/completions/usher
	LC_ALL=C $(BUILD)/usher completion zsh > $(D)/share/zsh/site-functions/_usher
	LC_ALL=C $(BUILD)/usher completion fish > $(D)/share/fish/vendor_completions.d/usher.fish
	install -m644 conf/templates/* $(DESTDIR)$(DATADIR)/templates/
	install -m644 conf/*.ini $(DESTDIR)$(DATADIR)/
	install -m644 conf/iam/*.json $(DESTDIR)$(DATADIR)/iam/
	install -m644 conf/grafana/*.json $(DESTDIR)$(DATADIR)/grafana/
	install -m644 conf/prometheus/*.yml $(DESTDIR)$(DATADIR)/prometheus/
	sed 's|/usr/local/|$(PREFIX)/|; s|/etc/usher|$(SYSCONFDIR)/usher|g' conf/systemd/usherd.service > $(D)/lib/systemd/system/usherd.service
	chmod 644 $(D)/lib/systemd/system/usherd.service
	@[ -e $(DESTDIR)$(SYSCONFDIR)/usher/usher.ini ] || install -m640 conf/usher.ini $(DESTDIR)$(SYSCONFDIR)/usher/
	set -e; for m in man/*.[1-8] man/*/*.[1-8]; do l=$${m%/*}; d=$(D)/share/$$l/man$${m##*.}; install -d $$d; install -m644 $$m $$d/; done
	set -e; for c in $(CATALOGUES:$(BUILD)/%=%); do install -d $(D)/share/$${c%/*}; install -m644 $(BUILD)/$$c $(D)/share/$$c; done

clean: ## remove everything built
	rm -rf build
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22
.PHONY: all deps deps-aws deps-promtool deps-lint demo check unit contract system console asan without-console tsan fuzz bench bench-finding bench-console soak lint install clean help force \
        unit-bins contract-bins aws-bins bench-bins fuzz-bins lint-includes lint-messages lint-manuals lint-format lint-tidy lint-cppcheck lint-analyzer
