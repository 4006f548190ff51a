"""This machine: processes, hosts file, resources, directories. Nothing here knows Docker or FlowKit."""
