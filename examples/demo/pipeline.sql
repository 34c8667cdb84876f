SELECT telemetry.create_pipeline('player_events',
    source            => 'game.player_events_topic',
    target            => 'game.fact_player_events',
    event_time_column => 'event_time',
    create_partitions => 'day') \g /dev/null
