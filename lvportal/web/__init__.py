"""Flask glue that the hosts share."""
