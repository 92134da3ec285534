SELECT id FROM account.take_messages(1) \gset
SELECT account.mark_sent(:id);
