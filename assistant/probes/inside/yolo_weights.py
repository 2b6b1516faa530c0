"""Reading the weights of a YOLO model, inside a target, without making anything that they name.

Such a file is a pickle of whole Python objects, and unpickling may run anything. So it is not
unpickled: it is followed with stand-ins (pickle_reader.py), and no class, function or method that
the file names exists here at any time. Only plain values and blocks of numbers are taken out.
Refuses TorchScript, what is no zip archive, and a file that names what no network needs.
"""

import importlib
import io
import re
import zipfile
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from assistant.probes.inside.checkpoint_file import MOST_HEADER_BYTES, open_plain, tell_kind
    from assistant.probes.inside.pickle_reader import MOST_PICKLE_BYTES, Made, Named, PickleReader
    from assistant.probes.inside.shared import Document

# What the pickle of a network names. Nothing of it is imported: who names more has another purpose.
YOLO_NAMES = re.compile(
    r"torch\.(?:\w+Storage|storage\.\w+Storage|Size|device|Tensor|\w*float\w*|u?int\d+|half|bool)"
    r"|torch\.(?:_utils\._rebuild_\w+|nn\.parameter\.Parameter|nn\.modules(?:\.\w+)+)"
    r"|ultralytics(?:\.\w+)+|torchvision\.transforms(?:\.\w+)+|pathlib(?:\._local)?\.\w+Path"
    r"|collections\.OrderedDict|numpy\.(?:dtype|(?:_?core\.)?multiarray\.\w+)|_codecs\.encode"
    r"|(?:builtins|__builtin__)\.(?:getattr|set|list|dict|tuple|bytearray)"
)
YOLO_CLASS = re.compile(r"ultralytics\.nn\.tasks\.[A-Z]\w{1,60}")
NUMBER_TYPES = {
    "torch.FloatStorage": "float32",
    "torch.HalfStorage": "float16",
    "torch.BFloat16Storage": "bfloat16",
    "torch.DoubleStorage": "float64",
    "torch.LongStorage": "int64",
    "torch.IntStorage": "int32",
    "torch.ShortStorage": "int16",
    "torch.CharStorage": "int8",
    "torch.ByteStorage": "uint8",
    "torch.BoolStorage": "bool",
}
MOST_LAYERS, MOST_TENSORS, MOST_CLASSES = 20_000, 20_000, 10_000
MOST_VALUES, DEEPEST_VALUE = 50_000, 6


class UntrustedWeights(Exception):
    """The file is no network of ultralytics, or it names what no network needs."""


def open_weights(file: "Any") -> zipfile.ZipFile:
    """The archive in an open file. Raises UntrustedWeights for everything else."""
    found = tell_kind(file)
    if found["kind"] != "zip" or not found["whole"]:
        raise UntrustedWeights("it is not a file that torch.save writes today, or it is cut off")
    if found["entries"] > 100_000 or found["list_bytes"] > MOST_HEADER_BYTES:
        raise UntrustedWeights("it lists more parts than any model needs")
    archive = zipfile.ZipFile(file)
    names = archive.namelist()
    if any(name.endswith("constants.pkl") or "/code/" in name for name in names):
        raise UntrustedWeights("it is a TorchScript archive, which holds code")
    return archive


def find_pickle(archive: zipfile.ZipFile) -> str:
    """The name of the part that says what the numbers are for."""
    found = [n for n in archive.namelist() if n.count("/") == 1 and n.endswith("/data.pkl")]
    if len(found) != 1:
        raise UntrustedWeights("it is not a file that torch.save writes today")
    return found[0]


def read_stored_network(path: str) -> "Made":
    """A stand-in for the network in a checkpoint of ultralytics.

    Raises UntrustedWeights, and ValueError, IndexError or KeyError for a damaged pickle.
    """
    with open_plain(path) as file, open_weights(file) as archive:
        part = archive.open(find_pickle(archive))
        data = part.read(MOST_PICKLE_BYTES)
    reader = PickleReader()
    content = read_items(reader.read(io.BytesIO(data)))
    for name in reader.names:
        if not YOLO_NAMES.fullmatch(name):
            raise UntrustedWeights("it wants " + name[:120])
    network = content.get("ema") or content.get("model")
    if not isinstance(network, Made) or not YOLO_CLASS.fullmatch(network.name):
        raise UntrustedWeights("it holds no network of ultralytics, only numbers or settings")
    return network


def read_items(value: "Any") -> "dict[Any, Any]":
    """The items of a stand-in for a dictionary, {} for anything else."""
    if not isinstance(value, Made) or value.name not in ("dict", "collections.OrderedDict"):
        return {}
    return {key: item for key, item in value.pairs if type(key) in (str, int)}


def read_attributes(value: "Any") -> "dict[Any, Any]":
    """The attributes that an object would have got."""
    return read_items(value.state) if isinstance(value, Made) else {}


def as_plain(value: "Any", depth: int = 0, left: "list[None] | None" = None) -> "Any":
    """Texts, numbers, lists and dictionaries of them; None in place of everything else.

    One list may stand in many places: `left` holds as many elements as values may still come.
    """
    left = [None] * MOST_VALUES if left is None else left
    if not left:
        raise ValueError("it says more of itself than any model needs")
    left.pop()
    if value is None or type(value) in (str, int, float, bool):
        return value
    if depth < DEEPEST_VALUE and isinstance(value, (list, tuple)):
        return [as_plain(item, depth + 1, left) for item in value]
    if depth < DEEPEST_VALUE and isinstance(value, Made):
        return {key: as_plain(item, depth + 1, left) for key, item in read_items(value).items()}
    return None


def describe_stored(network: "Made") -> "Document":
    """Class, class names, training size and stated layers, as plain values."""
    state = read_attributes(network)
    names = as_plain(state.get("names"))
    names = list(names.values()) if isinstance(names, dict) else names
    layers = as_plain(state.get("yaml"))
    settings = read_items(state.get("args")) or read_attributes(state.get("args"))
    size = settings.get("imgsz")
    return {
        "class": network.name.rpartition(".")[2],
        "names": [str(n)[:60] for n in (names if isinstance(names, list) else [])[:MOST_CLASSES]],
        "size": size if type(size) is int and 32 <= size <= 1920 else 640,
        "layers": layers if isinstance(layers, dict) else {},
    }


def iter_stored_tensors(network: "Made") -> "Iterator[tuple[str, Made]]":
    """Stand-ins for the tensors of a network's layers, by the names of its state dict."""
    waiting = [("model.", read_items(read_attributes(network).get("_modules")).get("model"))]
    for _ in range(MOST_LAYERS):
        if not waiting:
            return
        prefix, layer = waiting.pop()
        state = read_attributes(layer)
        for group in ("_parameters", "_buffers"):
            for name, item in read_items(state.get(group)).items():
                if isinstance(item, Made):
                    yield prefix + str(name), item
        parts = read_items(state.get("_modules")).items()
        waiting.extend((prefix[:400] + str(name) + ".", part) for name, part in parts)
    raise ValueError("there are more layers than any model needs")


def read_tensors(path: str, network: "Made") -> "dict[str, Any]":
    """The tensors of a network, read from the archive block by block."""
    with open_plain(path) as file, open_weights(file) as archive:
        blocks = NumberBlocks(archive)
        stored = dict(islice(iter_stored_tensors(network), MOST_TENSORS))
        return {name: blocks.build_tensor(made) for name, made in stored.items()}


class NumberBlocks:
    """The blocks of numbers in an archive, each read once."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.torch = importlib.import_module("torch")
        self.archive = archive
        self.folder = find_pickle(archive)[: -len("data.pkl")]
        self.blocks: dict[str, Any] = {}
        order = self.folder + "byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ValueError("its numbers are in the byte order of another kind of machine")

    def build_tensor(self, made: "Made") -> "Any":
        """One tensor, never larger than its block. Raises ValueError for other stand-ins."""
        if made.name == "torch._utils._rebuild_parameter" and isinstance(made.arguments, tuple):
            made = made.arguments[0]
        known = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
        if not isinstance(made, Made) or made.name not in known:
            raise ValueError("it holds another kind of numbers than a YOLO model")
        storage, offset, size, stride = made.arguments[:4]
        block = self.read_block(storage)
        check_place(int(block.numel()), offset, size, stride)
        return block.as_strided(size, stride, offset)  # no copy: many may share one block

    def read_block(self, storage: "Any") -> "Any":
        """The numbers of one block, as a flat tensor."""
        _, kind, key, _, count = storage.arguments
        if not isinstance(kind, Named) or kind.name not in NUMBER_TYPES:
            raise ValueError("it holds another kind of numbers than a YOLO model")
        if type(count) is not int or not re.fullmatch(r"[0-9]{1,9}", key):
            raise ValueError("a block of numbers has no proper name or size")
        if key not in self.blocks:
            self.blocks[key] = self.load_block(self.folder + "data/" + key, kind, count)
        return self.blocks[key]

    def load_block(self, name: str, kind: "Named", count: int) -> "Any":
        """Read one part of the archive; it must be as long as the pickle says."""
        dtype = getattr(self.torch, NUMBER_TYPES[kind.name])
        empty = self.torch.empty(0, dtype=dtype)
        entry = self.archive.getinfo(name)
        stored = entry.compress_type == zipfile.ZIP_STORED
        if not stored or entry.file_size != count * empty.element_size():
            raise ValueError("a block of numbers has another size than stated")
        if not count:
            return empty
        return self.torch.frombuffer(bytearray(self.archive.read(entry)), dtype=dtype)


def check_place(count: int, offset: "Any", size: "Any", stride: "Any") -> None:
    """A tensor must lie within its block of `count` numbers. Raises ValueError."""
    plain = isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride) <= 8
    if not plain or any(type(n) is not int or n < 0 for n in (offset, *size, *stride)):
        raise ValueError("a tensor has no proper shape")
    numbers = 1
    for length in size:
        numbers *= length
    last = offset + sum((length - 1) * step for length, step in zip(size, stride))
    if numbers > count or (numbers and last >= count):
        raise ValueError("a tensor reaches beyond its numbers")
