"""All that is said to FlowKit's own services. Nothing here knows Docker's API."""
