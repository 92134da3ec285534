# Builds and installs the extension with PGXS:  make && make install
#   WERROR=1   warnings are errors          (./dev test sets both)
#   ASSERTS=1  the code's Assert()s are on

EXTENSION = account
EXTVERSION = 1.0
MODULE_big = account
PG_CONFIG ?= pg_config

# The install script is these files, in this order; a file that is not listed stops the build.
SQL_FILES = \
	sql/guard.sql \
	sql/base/schema.sql \
	sql/base/types.sql \
	sql/people/username.sql \
	sql/people/user.sql \
	sql/workspace/workspace.sql \
	sql/access/principal.sql \
	sql/access/event.sql \
	sql/access/use.sql \
	sql/access/session.sql \
	sql/access/seal.sql \
	sql/access/attempt.sql \
	sql/access/outbox.sql \
	sql/people/email.sql \
	sql/people/profile.sql \
	sql/access/service_account.sql \
	sql/access/api_key.sql \
	sql/access/api_key_doors.sql \
	sql/workspace/member.sql \
	sql/workspace/invite.sql \
	sql/workspace/seat.sql \
	sql/workspace/plan.sql \
	sql/workspace/subscription.sql \
	sql/workspace/limit.sql \
	sql/workspace/team.sql \
	sql/workspace/views.sql \
	sql/credit/ledger.sql \
	sql/credit/ledger_doors.sql \
	sql/credit/payment.sql \
	sql/credit/auto_top_up.sql \
	sql/credit/payment_method.sql \
	sql/credit/promotion.sql \
	sql/resource/resource.sql \
	sql/resource/trash.sql \
	sql/resource/activity.sql \
	sql/ops/ops.sql \
	sql/ops/grant.sql

SQL_UNLISTED = $(filter-out $(SQL_FILES) sql/upgrade/%,$(sort $(wildcard sql/*.sql sql/*/*.sql)))
ifneq ($(SQL_UNLISTED),)
$(error not in SQL_FILES of the Makefile: $(SQL_UNLISTED))
endif

OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
DEPS = $(OBJS:.o=.d)
INSTALL_SQL = $(EXTENSION)--$(EXTVERSION).sql
DATA_built = $(INSTALL_SQL)
DATA = $(wildcard sql/upgrade/account--*--*.sql)
EXTRA_CLEAN = $(DEPS)

# The fmgr interface has unused parameters everywhere; declarations stand where their value is known.
PG_CPPFLAGS = -I$(srcdir)/src -DACCOUNT_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-declaration-after-statement -MMD -MP
ifdef WERROR
PG_CFLAGS += -Werror
endif
ifdef ASSERTS
PG_CPPFLAGS += -DUSE_ASSERT_CHECKING=1
endif

SHLIB_LINK = -lcrypto -Wl,--version-script=$(srcdir)/src/account.map

# No function here is small enough for the JIT to inline, so no bitcode, and no clang to make it.
override with_llvm = no

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(OBJS): Makefile
$(shlib): src/account.map

$(INSTALL_SQL): $(SQL_FILES) Makefile
	cat $(SQL_FILES) > $@.tmp
	mv $@.tmp $@

-include $(DEPS)
