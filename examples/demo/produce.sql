-- Sends :events made-up events to the topic. All are made first, so that the speed of what follows is that of the
-- pipeline.
CREATE UNLOGGED TABLE game.sent AS
SELECT * FROM game.messages(seed => 42, players => :events / 70 + 10, events => :events,
                            from_time => date_trunc('day', now()) - interval '35 days', to_time => now());

INSERT INTO game.player_events_raw (key, value)
SELECT key, value FROM game.sent ORDER BY message_number;
