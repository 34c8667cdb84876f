SELECT telemetry.create_pipeline('clicks', source => 'shop.click_topic', target => 'shop.click',
    event_time_column => 'event_time', create_partitions => 'day', on_conflict => 'ignore') \g /dev/null
