UPDATE account_data.members m SET role = CASE m.role WHEN 'editor' THEN 'viewer' ELSE 'editor' END::account.role
  FROM people p WHERE p.id = m.user_id AND p.name = 'few' AND m.role < 'owner';
