"""The invoke collections, one module each: read settings, call one operation, report."""
