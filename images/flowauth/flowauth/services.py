"""Services: what the views use beside the database, made once from the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app
from flask_wtf import CSRFProtect

from flowauth.configuration import Cache, Configuration
from flowauth.memory import FileMemory, Memory, redis_memory
from flowauth.throttle import Throttle

KEY = "flowauth"


@dataclass(frozen=True, slots=True)
class Services:
    configuration: Configuration
    memory: Memory
    throttle: Throttle


csrf = CSRFProtect()


def make(configuration: Configuration) -> Services:
    memory = memory_of(configuration.cache)
    return Services(configuration, memory, Throttle(memory))


def memory_of(cache: Cache) -> Memory:
    match cache.backend:
        case "redis":
            return redis_memory(cache.redis_host, cache.redis_port, cache.redis_number, cache.redis_password)
        case "file":
            return FileMemory(cache.file)
        case _:
            return FileMemory(":memory:")


def services() -> Services:
    """Those of the application that serves this request."""
    return cast("Services", current_app.extensions[KEY])
