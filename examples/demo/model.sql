-- The whole star schema by one call, from the same topic: a pipeline and KPIs of its own.
SELECT telemetry.create_game_model('game_kafka', 'player-events', 'model', fields => '{"device": "context.device"}') \g /dev/null
