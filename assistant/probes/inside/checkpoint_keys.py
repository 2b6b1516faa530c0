"""Row `checkpoint-keys`, inside a target: names and shapes of the weights in one file.

Nothing is unpickled: a safetensors header is JSON, and the pickle in a file of torch is followed
with stand-ins (pickle_reader.py), so that the file may be anybody's and torch need not be there.
"""

import io
import zipfile
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from assistant.probes.inside.checkpoint_file import (
        MOST_HEADER_BYTES,
        open_plain,
        read_safetensors_header,
        tell_kind,
    )
    from assistant.probes.inside.pickle_reader import (
        MOST_PICKLE_BYTES,
        Made,
        Named,
        PickleReader,
    )
    from assistant.probes.inside.shared import Document, guarded

MOST_WEIGHTS, MOST_TOP_KEYS, MOST_NAMES_TOLD, MOST_VISITS = 2500, 30, 200, 20_000
# Where training scripts put the weights, the likeliest first.
WEIGHT_KEYS = ("state_dict", "model_state_dict", "model", "ema", "net", "network", "weights")


def collect_checkpoint_keys(order: "Mapping[str, Any]") -> "Document":
    """What the file of the parameter `file` holds."""
    path = str(order["parameters"]["file"])
    with open_plain(path) as file:
        found = tell_kind(file)
        readers = {
            "safetensors": read_safetensors_weights,
            "zip": read_zip_weights,
            "old torch": read_old_weights,
            "pickle": read_pickle_weights,
        }
        read = readers.get(str(found["kind"]))
        content = (
            guarded(partial(read, file, found)) if read and found["whole"] is not False else {}
        )
    return dict(found, path=path, content=content)


def read_safetensors_weights(file: "Any", found: "Document") -> "Document":
    """The header holds everything."""
    header = read_safetensors_header(file, found["size"]) or {}
    rows = [
        [str(name)[:120], [int(n) for n in value["shape"]], str(value["dtype"])]
        for name, value in header.items()
        if name != "__metadata__"
    ]
    return {"weights": rows[:MOST_WEIGHTS], "count": len(rows), "path": [], "names": []}


def read_zip_weights(file: "Any", found: "Document") -> "Document":
    """A zip file of torch holds one data.pkl, and one file for each block of numbers."""
    if found["entries"] > 100_000 or found["list_bytes"] > MOST_HEADER_BYTES:
        raise ValueError("the file lists more parts than any model needs")
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        blocks = [entry for entry in entries if "/data/" in entry.filename]
        sizes = {"blocks": len(blocks), "block_bytes": sum(entry.file_size for entry in blocks)}
        names = [e.filename for e in entries if e.filename.count("/") == 1]
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if not pickles:
            return dict(sizes, error="no data.pkl in this zip file: torch did not write it")
        script = any(name.endswith("/constants.pkl") for name in names)
        with archive.open(pickles[0]) as part:
            data = part.read(MOST_PICKLE_BYTES)
    return dict(guarded(lambda: read_pickle(io.BytesIO(data))), script=script, **sizes)


def read_old_weights(file: "Any", found: "Document") -> "Document":
    """Before torch 1.6: three small pickles, then the one that counts."""
    file.seek(0)
    return read_pickle(io.BytesIO(file.read(MOST_PICKLE_BYTES)), before=3)


def read_pickle_weights(file: "Any", found: "Document") -> "Document":
    """A pickle that Python's own pickle.dump wrote."""
    file.seek(0)
    return read_pickle(io.BytesIO(file.read(MOST_PICKLE_BYTES)))


def read_pickle(data: "io.BytesIO", *, before: int = 0) -> "Document":
    """Follow the pickle, find the weights in what it would build, and where in it they are."""
    reader = PickleReader()
    for _ in range(before):
        reader.read(data)
    reader.names.clear()
    value = reader.read(data)
    path, weights = find_weights(value)
    return {
        "weights": weights[:MOST_WEIGHTS],
        "count": len(weights),
        "path": path,
        "top": [[str(key)[:80], describe_made(item)] for key, item in iter_items(value)][
            :MOST_TOP_KEYS
        ],
        "root": describe_made(value),
        "names": list(reader.names)[:MOST_NAMES_TOLD],
        "names_count": len(reader.names),
    }


def find_weights(value: "Any") -> "tuple[list[str], list[list[Any]]]":
    """The table of weights with the most rows: at the top, or under one key, or two keys deep."""
    best: tuple[list[str], list[list[Any]]] = ([], list(iter_weights(value)))
    if best[1]:
        return best
    levels = [([str(key)[:80]], item) for key, item in iter_items(value)]
    deeper = [
        ([*path, str(key)[:80]], item)
        for path, outer in levels[:MOST_TOP_KEYS]
        for key, item in iter_items(outer)
    ]
    candidates = [*levels, *deeper[: 10 * MOST_TOP_KEYS]]
    order = {key: place for place, key in enumerate(WEIGHT_KEYS)}
    candidates.sort(key=lambda pair: order.get(pair[0][-1], len(order)))
    for path, item in candidates:
        rows = list(iter_weights(item))
        if len(rows) > len(best[1]):
            best = (path, rows)
    return best


def iter_items(value: "Any") -> "Iterator[tuple[Any, Any]]":
    """Keys and values of a dictionary, as far as any model needs them."""
    if isinstance(value, Made) and value.name in ("dict", "collections.OrderedDict"):
        return islice(value.pairs, MOST_VISITS)
    return iter(())


def iter_weights(value: "Any") -> "Iterator[list[Any]]":
    """Name, shape and type of each weight in a state dict, a module or a TorchScript object."""
    items = list(iter_items(value))
    if items:
        rows = [(key, read_tensor(item)) for key, item in items if isinstance(key, str)]
        good = [[key[:120], *found] for key, found in rows if found]
        return iter(good if 2 * len(good) > len(items) else [])
    return walk_module(value) if isinstance(value, Made) else iter(())


def walk_module(module: "Made") -> "Iterator[list[Any]]":
    """A module that was pickled whole keeps its parts in `_parameters`, `_buffers`, `_modules`.

    A part may stand in many places, so the number of visits is bounded.
    """
    waiting = [("", module)]
    for _ in range(MOST_VISITS):
        if not waiting:
            return
        prefix, module = waiting.pop()
        state = dict(iter_named(module.state))
        is_script = module.name.startswith("__torch__")
        for group in [state] if is_script else [state.get("_parameters"), state.get("_buffers")]:
            for name, item in iter_named(group):
                tensor = read_tensor(item)
                if tensor:
                    yield [(prefix + name)[:120], *tensor]
        parts = iter_named(state if is_script else state.get("_modules"))
        inner = [
            (prefix[:400] + name + ".", part) for name, part in parts if isinstance(part, Made)
        ]
        waiting.extend(inner[::-1])


def iter_named(group: "Any") -> "Iterator[tuple[str, Any]]":
    """The items of a dictionary that have a text as key."""
    items = group.items() if isinstance(group, dict) else iter_items(group)
    return ((key, item) for key, item in items if isinstance(key, str))


def read_tensor(value: "Any") -> "list[Any] | None":
    """Shape and type of a tensor, None for anything else."""
    if not isinstance(value, Made) or not isinstance(value.arguments, tuple):
        return None
    arguments = value.arguments
    if value.name in (
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_parameter_with_state",
    ):
        return read_tensor(arguments[0]) if arguments else None
    if value.name == "torch._tensor._rebuild_from_type_v2" and len(arguments) > 2:
        return read_tensor(Made(arguments[0], arguments[2]))
    if not value.name.startswith("torch._utils._rebuild_") or len(arguments) < 3:
        return None
    shape = arguments[2]
    if not isinstance(shape, tuple) or not all(type(n) is int for n in shape):
        return None
    return [[min(n, 1 << 32) for n in shape[:8]], read_storage_type(arguments[0])]


def read_storage_type(storage: "Any") -> str:
    """'HalfStorage' and the like say the type of the numbers."""
    parts = storage.arguments if isinstance(storage, Made) else ()
    kind = parts[1] if isinstance(parts, tuple) and len(parts) > 1 else None
    name = kind.name.rpartition(".")[2] if isinstance(kind, Named) else ""
    return name.replace("Storage", "").lower()


def describe_made(value: "Any") -> str:
    """One word for a value: what it is, not what it holds."""
    if isinstance(value, Made):
        return "tensor" if read_tensor(value) else value.name[:120]
    return type(value).__name__
