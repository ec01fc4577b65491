"""Pages under Customer Care."""
