"""Says why somebody's code cannot be asked as an agent: a function without a stream, a backend without its methods."""

from __future__ import annotations

import inspect

_NO_ITERATORS = frozenset({"None", "str", "bytes", "int", "float", "bool", "list", "tuple", "dict"})
"""Return annotations that rule an async iterator out; of any other class a subclass may be one."""


def trouble_with_backend(backend: object) -> str | None:
    """Say why *backend* is no `Backend`; None if it may be one.

    Its runs would end as `internal` otherwise, or, without a `model`, those of its siblings too.
    """
    name = type(backend).__name__
    parts: dict[str, object] = {}
    for each in ("model", "stream", "aclose"):
        try:
            parts[each] = getattr(backend, each)
        except AttributeError:
            continue
        except Exception as exc:  # noqa: BLE001 - a property of somebody's own, whose words may hold a secret
            return f"{name}.{each} raises {type(exc).__name__} if it is read"
    if missing := [each for each in ("model", "stream", "aclose") if each not in parts]:
        return f"{name} lacks {', '.join(missing)}; see `Backend` in orchestrator.backends.base"
    model = parts["model"]
    if not (model is None or isinstance(model, str)):
        return f"{name}.model is {type(model).__name__}; it should be a text or None"
    if trouble := _trouble_with_close(parts["aclose"]):
        return f"{name}.aclose {trouble}"
    trouble = trouble_with(parts["stream"])
    return f"{name}.stream {trouble}" if trouble else None


def _trouble_with_close(close: object) -> str | None:
    if not callable(close):
        return "cannot be called; write an async function"
    if not any(map(inspect.iscoroutinefunction, (close, inspect.unwrap(close), type(close).__call__))):
        return "is no coroutine function; define it with async def"
    try:
        inspect.signature(close).bind()
    except ValueError:  # some callables written in C have no signature
        return None
    except TypeError as exc:
        return f"cannot be called without arguments ({exc})"
    return None


def trouble_with(function: object) -> str | None:
    """Say why calling *function* with an `AgentInput` cannot give an async iterator; None if it may."""
    if not callable(function):
        return f"is {type(function).__name__}, which cannot be called; write an async generator function"
    called = type(function).__call__  # if it is an object with a call of its own
    if any(map(inspect.iscoroutinefunction, (function, called))):
        return "is a coroutine function without a yield; yield the answer's pieces instead of returning it"
    if any(map(inspect.isgeneratorfunction, (function, called))):
        return "is a plain generator function; define it with async def"
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # some callables written in C have none
        return None
    try:
        signature.bind(None)
    except TypeError as exc:
        return f"cannot be called with one argument, the AgentInput ({exc})"
    annotation = signature.return_annotation
    # Not evaluated: it may use names that only a type checker sees.
    said = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    if said.partition("[")[0] in _NO_ITERATORS:
        return f"returns {said} by its annotation, which is no async iterator"
    return None
