"""What may be published about many accounts."""
