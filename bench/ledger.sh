#!/usr/bin/env bash
# What a charge costs on many wallets, against pgbench's own simple-update, and one of a thousand in
# one call. One wallet that everybody uses is in ledger_hot.sh.
# shellcheck source=bench/wallets.sh
. bench/wallets.sh

title "charges on $wallets wallets"
interleave "$rounds" "$seconds" 8 "pgbench -N=$bench_work/simple_update.sql" \
	"balance and entry by hand=$bench_work/by_hand.sql" "charge=$bench_work/charge.sql"
goal "charge / pgbench -N" "${ratio_of[charge]}" '>=' 1.0

# A thousand charges in one call; each entry is compared with a single charge.
{
	pick "$wallets"
	echo "SELECT count(c) FROM account.act_as(md5('u' || :w)::uuid) p, account.charge_many((SELECT array_agg((5, 'training', :k1 || '-' || :k2 || '-' || n, NULL, NULL, NULL)::account.charge_request) FROM generate_series(1, 1000) n)) c WHERE p.role >= 'editor';"
} >"$bench_work/charge_many.sql"
title "a thousand charges in one call"
interleave "$rounds" "$seconds" 8 "charge=$bench_work/charge.sql" "charge_many=$bench_work/charge_many.sql"
goal "charge_many an entry / charge" "$(awk -v r="${ratio_of[charge_many]}" 'BEGIN { printf "%.1f", r * 1000 }')" '>=' 10
