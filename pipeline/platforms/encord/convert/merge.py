"""Patching: what changed in the label model goes into the JSON that came, and nothing else does."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.core.labels import Frames
from pipeline.platforms.encord.convert.answers import Entries, wire_entry, wire_value
from pipeline.platforms.encord.convert.flatten import Value
from pipeline.platforms.encord.convert.index import Attribute, Label
from pipeline.platforms.encord.wire import Json, JsonValue


def patched(raw: JsonValue, base: JsonValue, now: JsonValue) -> JsonValue:
    """Return `raw` with the differences between `base` and `now` made in it.

    `base` is what writing `raw` anew would give, `now` what writing the label as it is now gives. What is the
    same in both stays as it is in `raw`, keys that neither has stay, and keys that only `base` has go.
    """
    if base == now:
        return raw
    if isinstance(raw, Mapping) and isinstance(base, Mapping) and isinstance(now, Mapping):
        result = {key: value for key, value in raw.items() if key in now or key not in base}
        for key, value in now.items():
            if key in raw:
                result[key] = patched(raw[key], base.get(key), value)
            elif key not in base or base[key] != value:
                result[key] = value
        return result
    if _same_length(raw, base, now):
        return [patched(*three) for three in zip(raw, base, now, strict=True)]
    return now


def _same_length(*lists: JsonValue) -> bool:
    return all(isinstance(one, list) for one in lists) and len({len(one) for one in lists}) == 1


def patched_static(
    raw: Entries, base: Mapping[str, Value], now: Mapping[str, Value], label: Label
) -> list[Json]:
    """Return static entries: those of unchanged attributes as they came, in their order, then the new ones.

    Entries that the ontology does not reach (`base` has them not) stay. New ones are written deepest first.
    """
    result: list[Json] = []
    done: set[str] = set()
    for entry in raw:
        attribute = label.resolve(entry)
        if attribute is None or (attribute.id not in base and attribute.id not in now):
            result.append(dict(entry))
        elif attribute.id in now and now[attribute.id] == base.get(attribute.id):
            result.append(resolved(entry, attribute))
            done.add(attribute.id)
        elif attribute.id in now and attribute.id not in done:
            result.append(_answered(entry, attribute, now[attribute.id]))
            done.add(attribute.id)
    result.extend(
        wire_entry(attribute, now[identity])
        for identity, attribute in reversed(list(label.tree.items()))
        if identity in now and identity not in done
    )
    return result


def patched_dynamic(
    raw: Entries,
    base: Mapping[str, Sequence[tuple[Value, Frames]]],
    now: Mapping[str, Sequence[tuple[Value, Frames]]],
    label: Label,
    values: Sequence[tuple[str, Value] | None],
) -> list[Json]:
    """Return dynamic entries: those of unchanged attributes as they came, in their order, then the new ones.

    `values` gives, entry by entry of `raw`, its attribute id and canonical value (None: the ontology does not
    know it). An entry whose value is still there takes over its new frames and keeps its other keys.
    """
    result: list[Json] = []
    waiting = {key: list(pairs) for key, pairs in now.items() if not _equal(pairs, base.get(key, ()))}
    for entry, known in zip(raw, values, strict=True):
        if known is None:
            result.append(dict(entry))
            continue
        identity, value = known
        attribute = label.tree[identity]
        if identity in now and identity not in waiting:
            result.append(resolved(entry, attribute))
            continue
        match = next((pair for pair in waiting.get(identity, ()) if pair[0] == value), None)
        if match is not None:
            waiting[identity].remove(match)
            result.append({**resolved(entry, attribute), "range": [list(span) for span in match[1]]})
    for identity, pairs in waiting.items():
        result.extend(dynamic_entry(label.tree[identity], value, frames) for value, frames in pairs)
    return result


def _equal(some: Sequence[tuple[Value, Frames]], others: Sequence[tuple[Value, Frames]]) -> bool:
    return sorted(map(repr, some)) == sorted(map(repr, others))


def dynamic_entry(attribute: Attribute, value: Value, frames: Frames) -> Json:
    """Return a new dynamic entry."""
    ranges = [list(span) for span in frames]
    return {**wire_entry(attribute, value), "dynamic": True, "range": ranges, "shouldPropagate": False}


def resolved(entry: Mapping[str, Any], attribute: Attribute) -> Json:
    """Return an entry with the ids of this ontology; where it names the attribute by its id, as it came."""
    result = dict(entry)
    if entry.get("featureHash") == attribute.id:
        return result
    said = entry.get("answers")
    if isinstance(said, list):
        result["answers"] = [_resolved_option(one, attribute) for one in said]
    return {
        **result,
        "name": attribute.definition.name,
        "value": attribute.value,
        "featureHash": attribute.id,
    }


def _resolved_option(said: JsonValue, attribute: Attribute) -> JsonValue:
    choice = attribute.choice(said)
    if choice is None or not isinstance(said, Mapping):
        return said
    return {**said, **choice.wire}


def _answered(entry: Mapping[str, Any], attribute: Attribute, value: Value) -> Json:
    return {**resolved(entry, attribute), "answers": wire_value(attribute, value)}
