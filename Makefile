# usher. `make help` lists the targets. Everything built goes under $(BUILD).
PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
VERSION := $(shell sed -n 's/^\#define USHER_VERSION "\(.*\)"/\1/p' include/usher/usher.h)

# -- What must be installed (Debian 12 names): one list for `make deps` ------------------------
DEPS_BUILD = gcc make pkg-config libc6-dev libncurses-dev libcurl4-openssl-dev libcjson-dev libmariadb-dev libinih-dev \
             libmicrohttpd-dev libuv1-dev libssl-dev zlib1g-dev
DEPS_TEST  = mariadb-server-core mariadb-client-core libcmocka-dev python3 python3-pytest python3-pymysql python3-aiosmtpd \
             python3-pyte python3-pexpect tmux curl jq mandoc
DEPS_LINT  = clang-format clang-tidy cppcheck clang libclang-rt-14-dev

# -- Flags ------------------------------------------------------------------------------------
PKGS      = libcurl libcjson libmariadb inih libmicrohttpd libuv libcrypto zlib
WARN      = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wno-format-nonliteral
OPT      ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -Isrc -Iinclude -I$(BUILD)/gen
CFLAGS   += -std=gnu11 $(OPT) $(WARN) $(WERROR) $(SANITIZE) -fPIC -fvisibility=hidden -pthread
LDFLAGS  += $(SANITIZE) -pthread
DEP_CFLAGS := $(shell pkg-config --cflags $(PKGS) ncursesw 2>/dev/null)
LIB_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm
UI_LIBS    := $(shell pkg-config --libs libcurl libcjson ncursesw zlib libcrypto 2>/dev/null) -lm

# -- What is built ------------------------------------------------------------------------------
LIB_SRC := $(filter-out src/usherd.c,$(wildcard src/*.c src/*/*.c))
UI_SRC  := $(wildcard ui/*.c ui/*/*.c)
UNIT    := $(wildcard tests/unit/*_test.c)
CONTRACT:= $(wildcard tests/contract/*_test.c)
obj      = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

all: $(BUILD)/usherd $(BUILD)/usher $(BUILD)/libusher.a $(BUILD)/libusher.so

$(BUILD)/libusher.a: $(call obj,$(LIB_SRC)) $(BUILD)/obj/schema.o
	@rm -f $@
	$(AR) rcs $@ $^
$(BUILD)/libusher.so: $(call obj,$(LIB_SRC)) $(BUILD)/obj/schema.o
	$(CC) -shared -Wl,-soname,libusher.so.0 $(LDFLAGS) -o $@ $^ $(LIB_LIBS)
$(BUILD)/usherd: $(call obj,src/usherd.c) $(BUILD)/libusher.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIB_LIBS)
$(BUILD)/usher: $(call obj,$(UI_SRC)) $(BUILD)/libusher.a
	$(CC) $(LDFLAGS) -o $@ $^ $(UI_LIBS)

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
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(DEP_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# -- Tests --------------------------------------------------------------------------------------
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(BUILD)/libusher.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LIB_LIBS) -lcmocka
.SECONDARY:
unit-bins: $(UNIT:%.c=$(BUILD)/%)
contract-bins: $(CONTRACT:%.c=$(BUILD)/%)
unit: unit-bins
	@for t in $(UNIT:%.c=$(BUILD)/%); do $$t || exit 1; done

clean:
	rm -rf build
.PHONY: all unit unit-bins contract-bins clean
