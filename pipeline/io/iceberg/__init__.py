"""Files of the lake as tables of Apache Iceberg: metadata beside the lake, no data."""
