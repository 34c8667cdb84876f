-- Sends :events made-up events to the topic. The whole hour is made first, so that the speed of what
-- follows is that of the pipeline.
CREATE UNLOGGED TABLE game.sent AS
SELECT * FROM game.messages(seed => 42, players => 5000, events => :events,
                            from_time => now() - interval '1 hour', to_time => now());

INSERT INTO game.player_events_raw (key, value)
SELECT key, value FROM game.sent ORDER BY message_number;
