"""Rights requests carried out on stored rows."""
