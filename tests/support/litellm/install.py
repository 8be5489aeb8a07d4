"""Makes the virtual environment in which LiteLLM runs, its proxy and its library; starts nothing.

Not the tests' own: LiteLLM asks for other versions of what the service uses from time to time. About 300 MB.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path

from tests.support.environments import environment

VERSION = "1.110.2"
NEWEST = "2026-11-29"
PROXY = (
    "fastapi", "uvicorn", "orjson", "apscheduler", "backoff", "PyJWT", "cryptography", "python-multipart", "pyyaml",
    "PyNaCl", "redis", "semver", "expression", "fastapi-sso", "soundfile",
)  # fmt: skip
"""What the proxy imports of what its extra brings; the extra itself is twice as large."""
OURS = (
    "aiohttp", "aiostream", "msgspec", "openai", "openai-agents", "prometheus-client", "pydantic", "ruamel.yaml",
    "stamina", "structlog", "typing-extensions",
)  # fmt: skip
"""What the service needs to answer through the SDK's extension, in the versions of the tests."""


def install() -> Path:
    """Make the environment, or find the one that is there; return its interpreter.

    Raises:
        MissingPart: uv is missing, or the packages cannot be had.
    """
    packages = (f"litellm=={VERSION}", *PROXY, *(f"{name}=={version(name)}" for name in OURS))
    which = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:8]
    return environment(f"litellm-{VERSION}-{which}", packages, newest=NEWEST) / "bin" / "python"
