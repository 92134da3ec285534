UPDATE bench.jobs SET status = 'running', attempts = attempts + 1, locked_until = now() + interval '1 minute' WHERE id IN (SELECT id FROM bench.jobs WHERE status = 'queued' AND run_at <= now() ORDER BY run_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id \gset
UPDATE bench.jobs SET status = 'sent', finished_at = now() WHERE id = :id;
