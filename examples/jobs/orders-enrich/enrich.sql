CREATE TABLE orders (
  order_id STRING,
  customer_id STRING,
  amount DECIMAL(12, 2),
  ordered_at TIMESTAMP(3),
  WATERMARK FOR ordered_at AS ordered_at - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'orders-clean', 'format' = 'avro-confluent');

CREATE TABLE customers (
  customer_id STRING,
  country STRING,
  updated_at TIMESTAMP(3),
  WATERMARK FOR updated_at AS updated_at,
  PRIMARY KEY (customer_id) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka', 'topic' = 'customers', 'key.format' = 'raw', 'value.format' = 'avro-confluent');

CREATE TABLE orders_enriched (
  order_id STRING,
  country STRING,
  amount DECIMAL(12, 2),
  PRIMARY KEY (order_id) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka', 'topic' = 'orders-enriched', 'key.format' = 'raw', 'value.format' = 'avro-confluent');

INSERT INTO orders_enriched
SELECT orders.order_id, customers.country, orders.amount
FROM orders
LEFT JOIN customers FOR SYSTEM_TIME AS OF orders.ordered_at
  ON orders.customer_id = customers.customer_id;
