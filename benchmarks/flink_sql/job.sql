-- One topic of API requests to Parquet by day: the same statement as DuckDB's, in Flink's words.
CREATE TEMPORARY TABLE requests (
    occurred_at TIMESTAMP_LTZ(3),
    account_id STRING,
    client_ip STRING,
    `method` STRING,
    path STRING,
    status SMALLINT,
    latency_ms DOUBLE,
    queue_ms DOUBLE,
    bytes_in BIGINT,
    bytes_out BIGINT,
    error_code STRING,
    model STRING,
    region STRING,
    sdk_name STRING,
    sdk_version STRING,
    plan STRING
) WITH (
    'connector' = 'kafka',
    'topic' = '$topic',
    'properties.bootstrap.servers' = '$servers',
    'scan.startup.mode' = 'earliest-offset',
    'scan.bounded.mode' = 'latest-offset',
    'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601',
    'json.ignore-parse-errors' = 'true'
);

CREATE TEMPORARY TABLE lake (
    event_hour TINYINT,
    subject STRING,
    ip_prefix STRING,
    `method` STRING,
    route STRING,
    status SMALLINT,
    latency_ms DOUBLE,
    queue_ms DOUBLE,
    bytes_in BIGINT,
    bytes_out BIGINT,
    error_code STRING,
    model STRING,
    region STRING,
    sdk_name STRING,
    sdk_version STRING,
    plan STRING,
    event_date STRING
) PARTITIONED BY (event_date) WITH (
    'connector' = 'filesystem',
    'path' = '$output',
    'format' = 'parquet',
    'parquet.compression' = 'ZSTD'
);

INSERT INTO lake
SELECT
    CAST(EXTRACT(HOUR FROM occurred_at) AS TINYINT),
    token(account_id),
    network(client_ip),
    `method`,
    route(path),
    status, latency_ms, queue_ms, bytes_in, bytes_out,
    error_code, model, region, sdk_name, sdk_version, plan,
    DATE_FORMAT(occurred_at, 'yyyy-MM-dd')
FROM requests
WHERE NOT opted_out(account_id)
