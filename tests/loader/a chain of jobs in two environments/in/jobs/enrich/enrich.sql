INSERT INTO enriched SELECT * FROM orders;
