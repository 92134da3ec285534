SELECT count(p.workspace_id) FROM drawn d, LATERAL plain.verify_api_key(d.key) p;
