"""Messages that name the schema they were written with: Avro and Protobuf of a schema registry."""
