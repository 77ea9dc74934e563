"""What may be published of many accounts."""
