"""People: what they may be called, who may change them, how they are listed."""
