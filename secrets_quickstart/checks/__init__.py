"""Read-only checks: before a deployment and after it. Nothing here changes anything."""
