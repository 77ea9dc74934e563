"""One Parquet file: how it is encoded, and how it is encrypted."""
