SELECT count(p.workspace_id) FROM drawn d, LATERAL account.verify_api_key(d.key) p;
