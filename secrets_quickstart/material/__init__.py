"""Secret values made in memory: passwords, keys, certificates, tokens. No files."""
