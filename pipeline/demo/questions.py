"""Questions that a newcomer may have about the demo's traffic, with the SQL that answers them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """A question in words, and as a query of the lake's views."""

    title: str
    sql: str


QUESTIONS = (
    Question(
        "Which routes are slow?",
        """\
SELECT route, count(*) AS requests,
       round(quantile_cont(latency_ms, 0.5)) AS p50_ms,
       round(quantile_cont(latency_ms, 0.95)) AS p95_ms
FROM api_request WHERE status < 400
GROUP BY route ORDER BY p95_ms DESC LIMIT 5""",
    ),
    Question(
        "When and where did it break?",
        """\
SELECT event_date, event_hour, region, model, count(*) AS requests,
       round(100 * avg(CAST(status >= 500 AS INT)), 1) AS failed_percent
FROM api_request GROUP BY ALL HAVING requests >= 20
ORDER BY failed_percent DESC LIMIT 4""",
    ),
    Question(
        "Which features do accounts finish, having seen them?",
        """\
SELECT feature,
       count(DISTINCT subject) FILTER (action IN ('viewed', 'opened')) AS saw_it,
       count(DISTINCT subject) FILTER (action = 'completed') AS finished_it
FROM feature_use
WHERE event_date >= (SELECT max(event_date) - 6 FROM feature_use)
GROUP BY feature HAVING finished_it >= 20 ORDER BY finished_it DESC LIMIT 5""",
    ),
    Question(
        "How fast is the first frame, by connection?",
        """\
SELECT connection_type, count(*) AS sessions, round(median(rtt_ms)) AS rtt_ms,
       round(quantile_cont(time_to_first_frame_ms, 0.95)) AS first_frame_p95_ms
FROM session WHERE connection_type IS NOT NULL
GROUP BY ALL ORDER BY first_frame_p95_ms""",
    ),
)
"""What the demo asks, in this order."""
