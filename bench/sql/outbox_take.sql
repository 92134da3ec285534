SELECT coalesce(array_agg(id), '{}') AS ids FROM account.take_messages(100) \gset
SELECT count(account.mark_sent(id)) FROM unnest((:ids)::uuid[]) id;
