"""The invoke collections, one module each: read settings, call one operation, report."""

import sys

# invoke turns bytecode off for what it loads; without it every command would compile all of this anew (0.1 s)
sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)
