"""Renders an OpenAPI document as one HTML page, without I/O: no script, no inline style, no CDN.

What it says comes from the document alone, and all of it is escaped.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...events.encoding import encode_json
from .schemas import PREFIX, Schema

_METHODS = ("get", "post", "put", "patch", "delete")
_OR = '<span class="or"> | </span>'


def render_docs(document: Schema, *, root: str = "") -> str:
    """Return the page for an OpenAPI document. Everything from the document is escaped.

    Args:
        root: What leads from the page's address to the application's root, such as `../`.
    """
    info, schemas = document["info"], document["components"]["schemas"]
    operations = list(_operations(document))
    events = {name: schema for name, schema in schemas.items() if "x-event" in schema}
    others = {name: schema for name, schema in schemas.items() if name not in events}
    sections = "".join(
        _section(
            tag["name"], tag["description"], [o for o in operations if tag["name"] in o[2]["tags"]], document
        )
        for tag in document["tags"]
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(info['title'])} API</title>"
        f'<link rel="icon" href="data:,"><link rel="stylesheet" href="{root}docs.css"></head><body>'
        f"{_navigation(document, operations)}<main><header>"
        f'<h1>{_text(info["title"])} <span class="version">{_text(info["version"])}</span></h1>'
        f'<p class="lead">{_prose(info["summary"])}</p><p>{_prose(info["description"])}</p>'
        f'<p class="links"><a href="{root}docs/">Handbook</a> · <a href="{root}openapi.json">openapi.json</a></p>'
        "</header>"
        f"{sections}"
        f"{_event_table(events)}"
        '<section id="schemas"><h2>Schemas</h2>'
        f"{''.join(_schema(name, schema) for name, schema in others.items())}</section></main></body></html>"
    )


def _operations(document: Schema) -> Iterable[tuple[str, str, Schema]]:
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield method, path, methods[method]


def _navigation(document: Schema, operations: list[tuple[str, str, Schema]]) -> str:
    groups = []
    for tag in document["tags"]:
        links = "".join(
            f'<li><a href="#{_text(said["operationId"])}">'
            f"{_badge(method)}<span>{_text(said['summary'])}</span></a></li>"
            for method, _, said in operations
            if tag["name"] in said["tags"]
        )
        groups.append(f"<h2>{_text(tag['name'])}</h2><ul>{links}</ul>" if links else "")
    return (
        f'<nav aria-label="Contents">{"".join(groups)}<h2>reference</h2><ul>'
        '<li><a href="#events">Events</a></li><li><a href="#schemas">Schemas</a></li></ul></nav>'
    )


def _section(name: str, description: str, operations: list[tuple[str, str, Schema]], document: Schema) -> str:
    if not operations:
        return ""
    body = "".join(_operation(method, path, said, document) for method, path, said in operations)
    return f'<section class="tag"><h2>{_text(name)}</h2><p>{_prose(description)}</p>{body}</section>'


def _operation(method: str, path: str, said: Schema, document: Schema) -> str:
    shown_path = re.sub(r"(\{\w+\})", r"<var>\1</var>", _text(path))
    lock = (
        '<span class="lock" title="Asks for the token if one is set">token</span>'
        if "security" in said
        else ""
    )
    body = said.get("requestBody")
    return (
        f'<article id="{_text(said["operationId"])}"><h3>{_badge(method)}<code>{shown_path}</code>{lock}</h3>'
        f'<p class="summary">{_prose(said["summary"])}</p>'
        f"{'<p>' + _prose(said['description']) + '</p>' if 'description' in said else ''}"
        f"{_parameters(said.get('parameters', []))}"
        f"{_request_body(body['content'], document) if body else ''}"
        f"{_responses(said['responses'], document)}</article>"
    )


def _badge(method: str) -> str:
    return f'<span class="method {method}">{method.upper()}</span>'


def _parameters(parameters: list[Schema]) -> str:
    rows = "".join(
        f"<tr><td><code>{_text(p['name'])}</code></td><td>{_text(p['in'])}</td>"
        f"<td>{_type(p['schema'])}</td><td>{_prose(p['description'])}</td></tr>"
        for p in parameters
    )
    return f"<h4>Parameters</h4>{_table(('name', 'in', 'type', 'about'), rows)}" if rows else ""


def _request_body(content: Mapping[str, Schema], document: Schema) -> str:
    schemas = (_resolve(document, given["schema"]["$ref"]) for given in content.values())
    return f"<h4>Body</h4>{_content(content)}{''.join(map(_schema_body, schemas))}"


def _responses(responses: Schema, document: Schema) -> str:
    rows: list[str] = []
    failures: list[str] = []
    content: Schema = {}
    for status, response in responses.items():
        if "$ref" in response:
            found = _resolve(document, response["$ref"])
            content |= found["content"]
            failures.append(f"<li><code>{_text(status)}</code> {_described(found)}</li>")
        else:
            rows.append(
                f"<tr><td><code>{_text(status)}</code></td><td>{_described(response)}</td>"
                f"<td>{_content(response.get('content', {}))}</td></tr>"
            )
    return (
        f"<h4>Answers</h4>{_table(('status', 'about', 'content'), ''.join(rows))}"
        f'<h4>Failures</h4>{_content(content)}<ul class="failures">{"".join(failures)}</ul>'
    )


def _described(response: Schema) -> str:
    headers = ", ".join(f"<code>{_text(name)}</code>" for name in response.get("headers", ()))
    return _prose(response["description"]) + (f' <span class="headers">{headers}</span>' if headers else "")


def _content(content: Mapping[str, Schema]) -> str:
    """Render what bodies there may be: the media type, and a link to the schema."""
    lines = []
    for media, given in content.items():
        schema = given.get("schema", {})
        inner = schema.get("x-event-data", schema)
        shown = f" · {_type(inner)}" if "$ref" in inner else ""
        lines.append(f'<div class="content"><code>{_text(media.strip())}</code>{shown}</div>')
    return "".join(lines)


def _event_table(events: Mapping[str, Schema]) -> str:
    common = ("agent_id", "type", "t")
    rows = []
    for name, schema in events.items():
        required = schema.get("required", ())
        fields = "".join(
            f"<li><code>{_text(key)}</code>{'' if key in required else '?'} {_type(value)}</li>"
            for key, value in schema["properties"].items()
            if key not in common and (key != "run_id" or key in required)
        )
        rows.append(
            f'<tr id="schema-{_text(name)}"><td><code class="event">{_text(schema["x-event"])}</code></td>'
            f'<td>{_prose(schema.get("description", ""))}<ul class="fields">{fields}</ul></td></tr>'
        )
    note = _prose(
        "Each `data` is one line of JSON with `type`, `t` (milliseconds since the run's start), `agent_id` "
        "if it is an agent's, and the fields below; in a channel's stream and over WebSocket `run_id` too."
    )
    table = _table(("event", "data"), "".join(rows))
    return f'<section id="events"><h2>Events</h2><p>{note}</p>{table}</section>'


def _schema(name: str, schema: Schema) -> str:
    description = f"<p>{_prose(schema['description'])}</p>" if "description" in schema else ""
    return (
        f'<article class="schema" id="schema-{_text(name)}"><h3><code>{_text(name)}</code></h3>'
        f"{description}{_schema_body(schema)}</article>"
    )


def _schema_body(schema: Schema) -> str:
    for word in ("oneOf", "anyOf"):
        if word in schema:
            parts = "".join(f"<li>{_choice(part)}</li>" for part in schema[word])
            return f'<p>One of</p><ul class="choices">{parts}</ul>'
    required = schema.get("required", ())
    rows = "".join(
        f"<tr><td><code>{_text(key)}</code>{'' if key in required else ' <small>optional</small>'}</td>"
        f"<td>{_type(value)}</td><td>{_prose(value.get('description', ''))}</td></tr>"
        for key, value in schema.get("properties", {}).items()
    )
    return _table(("key", "type", "about"), rows) if rows else f"<p>{_type(schema)}</p>"


def _choice(schema: Schema) -> str:
    if "$ref" in schema:
        return _type(schema)
    return f"<code>{_text(schema.get('title', ''))}</code>{_schema_body(schema)}"


def _table(heads: tuple[str, ...], rows: str) -> str:
    head = "".join(f'<th scope="col">{_text(text)}</th>' for text in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _type(schema: Schema) -> str:
    """Say what a schema allows in a few words, with links to the schemas it names."""
    if "$ref" in schema:
        name = _text(schema["$ref"].removeprefix(PREFIX))
        return f'<a href="#schema-{name}">{name}</a>'
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return _OR.join(f"<code>{_text(encode_json(value).decode())}</code>" for value in values)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return _OR.join(_type(part) for part in schema[word])
    return _plain_type(schema)


def _plain_type(schema: Schema) -> str:
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " | ".join(_text(each) for each in kind)
    if kind == "array":
        return f"list of {_type(schema['items'])}{_bounds(schema, 'minItems', 'maxItems')}"
    inner = schema.get("additionalProperties")
    if kind == "object" and isinstance(inner, dict):
        return f"map of {_type(inner)}"
    pattern = f" <code>{_text(schema['pattern'])}</code>" if "pattern" in schema else ""
    bounds = _bounds(schema, "minLength", "maxLength") + _bounds(schema, "minimum", "maximum")
    return f"{_text(kind)}{pattern}{bounds}"


def _bounds(schema: Schema, least: str, most: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if low is None and high is None:
        return ""
    shown = f"{low or 0:,} or more" if high is None else f"{low or 0:,} to {high:,}"
    return f' <span class="bounds">{shown}</span>'


def _resolve(document: Schema, ref: str) -> Schema:
    found: Any = document
    for part in ref.removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def _text(text: object) -> str:
    return html.escape(str(text), quote=True)


def _prose(text: str) -> str:
    """Escape a sentence; what stands between backquotes becomes code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))
