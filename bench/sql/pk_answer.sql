\set aid random(1, :keys)
SELECT user_id, service_account_id, workspace_id, role, proof, credential_id, scopes, region
  FROM answers WHERE aid = :aid;
