"""Pages of one client under Customer Care."""
