-- What an analyst would write who read the page's definitions: views of the rows for test_figures.py.
CREATE MACRO monday(day) AS day - (isodow(day)::INT - 1);
CREATE MACRO key_period(day) AS DATE '2024-01-01' + 28 * ((day - DATE '2024-01-01') // 28)::INT;

CREATE TABLE asked AS FROM api_request WHERE route <> '/healthz' AND coalesce(device_class, '') <> 'bot';
CREATE VIEW answered AS FROM asked WHERE status >= 200 AND status < 400;
CREATE VIEW refused AS FROM asked WHERE status >= 400;
CREATE VIEW ended AS FROM session WHERE NOT (end_reason IS NULL AND duration_s IS NULL);
CREATE VIEW used AS FROM feature_use WHERE action <> 'viewed';
CREATE VIEW failed AS FROM error_log WHERE severity <> 'warning';
CREATE VIEW hourly AS SELECT s.*, lpad(h::VARCHAR, 2, '0') AS hour FROM session s, range(24) AS t(h)
    WHERE h >= event_hour AND h <= event_hour + coalesce(duration_s, 0) // 3600;
CREATE VIEW here AS SELECT DISTINCT event_date, subject, account_age, plan FROM (
    SELECT event_date, subject, account_age, plan FROM asked
    UNION ALL SELECT event_date, subject, account_age, plan FROM session
    UNION ALL SELECT event_date, subject, account_age, plan FROM feature_use) WHERE subject IS NOT NULL;
CREATE TABLE person_days AS SELECT event_date, subject, min(account_age) AS account_age, min(plan) AS plan
    FROM here GROUP BY event_date, subject;
CREATE TABLE person_weeks AS SELECT monday(event_date) AS event_date, subject, min(account_age) AS account_age
    FROM person_days GROUP BY ALL;
CREATE TABLE person_periods AS SELECT key_period(event_date) AS event_date, subject, count(*) AS n, CASE
    WHEN n = 1 THEN '1 day' WHEN n < 4 THEN '2-3 days' WHEN n < 8 THEN '4-7 days'
    WHEN n < 15 THEN '8-14 days' ELSE '15-28 days' END AS active_days FROM person_days GROUP BY ALL;
CREATE TABLE moves AS
    SELECT w.event_date, subject, w.account_age, b.account_age AS age_before, 1 AS came, b.subject IS NOT NULL AS was
    FROM person_weeks w LEFT JOIN (SELECT event_date + 7 AS event_date, subject, account_age FROM person_weeks) b
    USING (event_date, subject)
    UNION ALL SELECT b.event_date + 7, subject, NULL, b.account_age, 0, true FROM person_weeks b
    WHERE NOT EXISTS (FROM person_weeks w WHERE w.event_date = b.event_date + 7 AND w.subject = b.subject);
CREATE VIEW moved AS SELECT event_date, subject, CASE WHEN came = 0 THEN 'paused' WHEN was THEN 'stayed'
    WHEN account_age = '0-6' THEN 'new' ELSE 'came (back)' END AS state FROM moves;
CREATE VIEW earlier AS SELECT event_date, subject, age_before AS account_age, came FROM moves WHERE was;
CREATE TABLE person_features AS SELECT DISTINCT monday(event_date) AS event_date, subject, feature FROM used
    WHERE subject IS NOT NULL;
CREATE TABLE breadth AS SELECT p.event_date, p.subject, count(feature) AS n, CASE WHEN n < 3 THEN n::VARCHAR
    WHEN n < 5 THEN '3-4' ELSE '5 or more' END AS features_used
    FROM person_weeks p LEFT JOIN person_features USING (event_date, subject) GROUP BY p.event_date, p.subject;
CREATE VIEW adopted AS SELECT p.event_date, p.subject, coalesce(feature, '(none)') AS feature
    FROM person_weeks p LEFT JOIN person_features USING (event_date, subject);
CREATE TABLE ladder AS SELECT event_date, session, feature, subject, [
    bool_or(action = 'viewed'), bool_or(action = 'opened'), bool_or(action = 'configured'),
    bool_or(action = 'started'), bool_or(action = 'completed'), bool_or(action = 'repeated')] AS taken
    FROM feature_use WHERE session IS NOT NULL GROUP BY event_date, session, feature, subject;
CREATE VIEW stepped AS SELECT event_date, session, feature, subject, n || ' ' ||
    ['viewed', 'opened', 'configured', 'started', 'completed', 'repeated'][n] AS step
    FROM ladder, (VALUES (1), (2), (3), (4), (5), (6)) AS t(n) WHERE list_bool_and(taken[1:n]);
CREATE VIEW unknown AS SELECT event_date, subject, 'country' AS field, (country = 'ZZ')::INT AS lost FROM asked
    UNION ALL SELECT event_date, subject, 'client', (coalesce(client_family, 'other') = 'other')::INT FROM asked
    UNION ALL SELECT event_date, subject, 'model', (coalesce(model, 'other') = 'other')::INT FROM asked
    UNION ALL SELECT event_date, subject, 'route', (route = '/{unmatched}')::INT FROM asked
    UNION ALL SELECT event_date, subject, 'account', (subject IS NULL)::INT FROM asked;
CREATE VIEW anything AS SELECT event_date, subject, 'api_request v' || schema_version AS schema FROM api_request
    UNION ALL SELECT event_date, subject, 'session v' || schema_version FROM session
    UNION ALL SELECT event_date, subject, 'feature_use v' || schema_version FROM feature_use
    UNION ALL SELECT event_date, subject, 'error_log v' || schema_version FROM error_log;
