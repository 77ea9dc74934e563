"""What an event is: model, schema, catalogue, decode. Pure: no files, clock, randomness or Beam."""
