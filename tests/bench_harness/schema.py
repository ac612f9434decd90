"""As much of JSON Schema as docs/results.schema.json uses; a keyword that is not known is an error."""

from __future__ import annotations

from typing import Any

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}
NOTES = {"$schema", "$defs", "title", "description"}


def is_type(value: Any, name: str) -> bool:
    if isinstance(value, bool) and name in ("integer", "number"):
        return False
    return isinstance(value, TYPES[name])


def problems(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "$") -> list[str]:
    """What is wrong with `value`, each with its place."""
    found: list[str] = []
    for key, rule in schema.items():
        if key in NOTES:
            continue
        if key == "$ref":
            target = root
            for part in rule.removeprefix("#/").split("/"):
                target = target[part]
            found += problems(value, target, root, at)
        elif key == "oneOf":
            tried = [problems(value, option, root, at) for option in rule]
            if [] not in tried:
                found += min(tried, key=lambda t: (any("const" in p for p in t), len(t)))
            elif tried.count([]) > 1:
                found.append(f"{at}: matches more than one")
        elif key == "type":
            if not any(is_type(value, t) for t in ([rule] if isinstance(rule, str) else rule)):
                found.append(f"{at}: {value!r:.60} is not {rule}")
        elif key == "const":
            found += [] if value == rule else [f"{at}: const {rule!r}, not {value!r:.60}"]
        elif key == "enum":
            found += [] if value in rule else [f"{at}: {value!r:.60} is none of {rule}"]
        elif key == "minimum":
            if isinstance(value, int | float) and value < rule:
                found.append(f"{at}: {value} < {rule}")
        elif key == "required":
            found += [
                f"{at}: {name} is missing" for name in rule if isinstance(value, dict) and name not in value
            ]
        elif key == "properties":
            for name, inner in rule.items():
                if isinstance(value, dict) and name in value:
                    found += problems(value[name], inner, root, f"{at}.{name}")
        elif key == "additionalProperties":
            for name in set(value if isinstance(value, dict) else ()) - set(schema.get("properties", {})):
                found += problems(value[name], rule, root, f"{at}.{name}")
        elif key == "items":
            for i, item in enumerate(value if isinstance(value, list) else ()):
                found += problems(item, rule, root, f"{at}[{i}]")
        else:
            raise AssertionError(f"the schema uses {key}, which this checker does not know")
    return found
