"""Event schemas, catalogue and demo data: files only, read by `pipeline.io.package_data`."""
