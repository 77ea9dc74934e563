"""The Delta tables: their log, their files, and who may change them."""
