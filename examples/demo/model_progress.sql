-- Messages read by the model's pipeline, its state, and why it does not run.
SELECT coalesce(stored, 0) + coalesce(dead, 0), state, replace(coalesce(reason, error, ''), E'\n', ' ')
FROM telemetry.stat_pipeline WHERE pipeline = 'model_player_events'
