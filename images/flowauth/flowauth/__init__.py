"""FlowAuth: FlowKit's users, roles and tokens over HTTP, with a web page for people.

Not FlowMinder's own server, but one with the same interface, tables and tokens: a program written for either works
with the other, and so does a database.
"""

__version__ = "1.34.0"  # the release of FlowKit whose interface this is
