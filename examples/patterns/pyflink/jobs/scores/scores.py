from pyflink.table import EnvironmentSettings, TableEnvironment

table_env = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
table_env.execute_sql("""
    CREATE TABLE plays (player STRING, points BIGINT) WITH ('connector' = 'kafka', 'topic' = 'plays', 'format' = 'json')
""")
table_env.execute_sql("""
    CREATE TABLE scores (player STRING, total BIGINT, PRIMARY KEY (player) NOT ENFORCED)
    WITH ('connector' = 'upsert-kafka', 'topic' = 'scores', 'key.format' = 'json', 'value.format' = 'json')
""")
table_env.execute_sql("INSERT INTO scores SELECT player, SUM(points) FROM plays GROUP BY player")
