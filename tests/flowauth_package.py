"""The package of the FlowAuth image, made importable; no test is here.

Only those of its modules that need no more than this project's own dependencies are tested without the image.
"""

import importlib
import sys
from pathlib import Path
from types import ModuleType

IMAGE = Path(__file__).parents[1] / "images" / "flowauth"


def module(name: str) -> ModuleType:
    if str(IMAGE) not in sys.path:
        sys.path.append(str(IMAGE))
    return importlib.import_module(f"flowauth.{name}")
