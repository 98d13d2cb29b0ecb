CREATE TABLE clicks (
  page STRING,
  clicked_at TIMESTAMP(3),
  WATERMARK FOR clicked_at AS clicked_at - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'clicks', 'format' = 'json');

CREATE TABLE clicks_per_minute (
  page STRING,
  minute_start TIMESTAMP(3),
  clicks BIGINT,
  PRIMARY KEY (page, minute_start) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka', 'topic' = 'clicks-per-minute', 'key.format' = 'json', 'value.format' = 'json');

INSERT INTO clicks_per_minute
SELECT page, window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(clicked_at), INTERVAL '1' MINUTE))
GROUP BY page, window_start;
