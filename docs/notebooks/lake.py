"""A first look at the lake, as a marimo notebook: `marimo edit docs/notebooks/lake.py`."""

import marimo

app = marimo.App(width="medium", app_title="A first look at the lake")


@app.cell
def choose():
    from marimo import cli_args
    from marimo import md as text

    lake = cli_args().get("lake") or "demo/lake"
    text(f"""
    # A first look at the lake

    Reading `{lake}`. Rows are pseudonymous: `subject` counts accounts inside one key epoch
    and names nobody.
    """)
    return (lake,)


@app.cell
def open_tables(lake):
    import polars as pl

    requests = pl.scan_delta(f"{lake}/events/api_request")
    sessions = pl.scan_delta(f"{lake}/events/session")
    return pl, requests, sessions


@app.cell
def by_day(pl, requests):
    days = (
        requests.group_by("event_date")
        .agg(
            pl.len().alias("requests"),
            pl.col("subject").n_unique().alias("accounts"),
            (pl.col("status") >= 500).mean().alias("share_of_5xx"),
            pl.col("latency_ms").quantile(0.95).alias("p95_ms"),
        )
        .sort("event_date")
        .collect()
    )
    days
    return (days,)


@app.cell
def slowest_routes(pl, requests):
    routes = (
        requests.group_by("route")
        .agg(pl.len().alias("requests"), pl.col("latency_ms").quantile(0.95).alias("p95_ms"))
        .filter(pl.col("requests") >= 20)
        .sort("p95_ms", descending=True)
        .head(10)
        .collect()
    )
    routes
    return (routes,)


@app.cell
def features_of_sessions(pl, sessions):
    features = (
        sessions.select(pl.col("features").explode())
        .drop_nulls()
        .group_by("features")
        .len("sessions")
        .sort("sessions", descending=True)
        .collect()
    )
    features
    return (features,)


if __name__ == "__main__":
    app.run()
