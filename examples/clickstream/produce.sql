-- Sends the clicks of :visits made-up visits of the last week to the topic. All are made first, so that the speed of
-- what follows is that of the pipeline.
CREATE UNLOGGED TABLE shop.sent AS
SELECT * FROM shop.messages(seed => 42, visits => :visits, from_time => now() - interval '7 days', to_time => now());

INSERT INTO shop.click_raw (key, value)
SELECT key, value FROM shop.sent ORDER BY message_number;
