"""Opening the weights of a YOLO model, inside a target, without running what the file may hold.

Such a file is a pickle of whole Python objects, and an ordinary pickle may run anything. Here only
layers of torch.nn and of ultralytics, tensors and plain data are made; classes are made empty and
then filled, never called; what else a file names is refused by name. The network that comes out is
searched for hooks and replaced methods. Refuses TorchScript and files that are no zip archives.
"""

import importlib
import pickle
import re
import types
import zipfile
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from typing import Any

# Layers may come from these modules, as classes only.
LAYER_MODULE = re.compile(r"(?:torch\.nn\.modules|ultralytics\.nn\.(?:modules|tasks))(?:\.\w+)*$")
# Plain values of ultralytics: settings and the loss that a training run leaves behind.
PLAIN_CLASSES = re.compile(
    r"ultralytics\.(?:yolo\.)?utils\.IterableSimpleNamespace$"
    r"|ultralytics\.utils\.(?:loss|tal)\.\w+$"
)
OLD_MODULES = {"ultralytics.yolo.utils": "ultralytics.utils"}
PICKLE_STEPS: "dict[int, Any]" = dict(pickle._Unpickler.dispatch)
# What torch calls to make its tensors again.
REBUILDERS = ("_rebuild_tensor_v2", "_rebuild_tensor", "_rebuild_parameter")


class UntrustedWeights(Exception):
    """The file names something that is no part of a network."""


def load_network(path: str) -> "Any":
    """The network of an ultralytics checkpoint, in float32, ready to predict.

    Raises UntrustedWeights, and what torch raises for a damaged file.
    """
    torch = importlib.import_module("torch")
    check_archive(path)
    reader = types.SimpleNamespace(
        Unpickler=WeightsUnpickler,
        load=refuse_pickle,  # torch would read older kinds of files with it
        UnpicklingError=pickle.UnpicklingError,
        __name__="pickle",
    )
    content = torch.load(path, map_location="cpu", pickle_module=reader, weights_only=False)
    if not isinstance(content, dict):
        raise UntrustedWeights("it is not a checkpoint of ultralytics")
    network = content.get("ema") or content.get("model")
    if not isinstance(network, torch.nn.Module):
        raise UntrustedWeights("it holds no network of ultralytics, only numbers or settings")
    disarm(network)
    return network.float().eval()


def check_archive(path: str) -> None:
    """Refuse what is no archive of torch.save, and TorchScript, which holds code of its own."""
    with open(path, "rb") as file:
        begins = file.read(4) == b"PK\x03\x04"
    if not begins or not zipfile.is_zipfile(path):
        raise UntrustedWeights("it is not a file that torch.save writes today, or it is cut off")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.endswith("constants.pkl") or "/code/" in name for name in names):
        raise UntrustedWeights("it is a TorchScript archive, which holds code")


def refuse_pickle(*_: "Any", **__: "Any") -> "Any":
    """An ordinary pickle may run anything."""
    raise UntrustedWeights("it is not a file that torch.save writes today")


class WeightsUnpickler(pickle._Unpickler):
    """Python's own unpickler, slower but with each step open to us."""

    stack: "list[Any]"
    dispatch: ClassVar["dict[int, Any]"] = dict(PICKLE_STEPS)

    def find_class(self, module: str, name: str) -> "Any":
        """The object that a pickle names, if it is allowed."""
        return find_allowed(OLD_MODULES.get(module, module), name)

    def load_reduce(self) -> None:
        """Only our list of functions is called."""
        if not is_callable_allowed(self.stack[-2]):
            raise UntrustedWeights("it wants to call " + describe_object(self.stack[-2]))
        PICKLE_STEPS[pickle.REDUCE[0]](self)

    def load_build(self) -> None:
        """Only objects are filled: a class or function stays as it is."""
        if isinstance(self.stack[-2], (type, types.FunctionType, types.BuiltinFunctionType)):
            raise UntrustedWeights("it wants to change " + describe_object(self.stack[-2]))
        PICKLE_STEPS[pickle.BUILD[0]](self)

    def refuse_call(self) -> None:
        """Older ways to call a class."""
        raise UntrustedWeights("it wants to call a class")

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.INST[0]] = refuse_call
    dispatch[pickle.OBJ[0]] = refuse_call


def find_allowed(module: str, name: str) -> "Any":
    """A layer, a rebuilding function, a plain type, or UntrustedWeights."""
    full = module + "." + name
    torch = importlib.import_module("torch")
    if full in ("collections.OrderedDict", "builtins.set", "__builtin__.set", "torch.Size"):
        return getattr(importlib.import_module(module.replace("__builtin__", "builtins")), name)
    if full in ("builtins.getattr", "__builtin__.getattr"):
        return get_forward
    if module.split(".")[0] == "pathlib":
        return join_parts
    if module == "torch._utils" and name in REBUILDERS:
        return getattr(torch._utils, name)
    if module == "torch" and isinstance(getattr(torch, name, None), (torch.dtype, torch.device)):
        return getattr(torch, name)
    if full in ("torch.device", "torch.nn.parameter.Parameter"):
        return getattr(importlib.import_module(module), name)
    if full.startswith("numpy.") and name in ("scalar", "dtype"):
        return build_scalar if name == "scalar" else importlib.import_module("numpy").dtype
    found = None
    if LAYER_MODULE.match(module) or PLAIN_CLASSES.match(full):
        found = getattr(importlib.import_module(module), name, None)
    is_layer = isinstance(found, type) and issubclass(found, torch.nn.Module)
    if is_layer or (isinstance(found, type) and PLAIN_CLASSES.match(full)):
        return found
    raise UntrustedWeights("it wants " + full[:120])


def is_callable_allowed(found: "Any") -> bool:
    """Whether a pickle may call this: never a layer, whose building can evaluate texts."""
    torch = importlib.import_module("torch")
    allowed = [getattr(torch._utils, name, None) for name in REBUILDERS]
    allowed += [get_forward, join_parts, build_scalar, set, torch.Size, torch.device]
    allowed += [importlib.import_module("collections").OrderedDict]
    allowed += [importlib.import_module("numpy").dtype]
    return any(found is each for each in allowed if each is not None)


def get_forward(owner: "Any", name: str) -> "Any":
    """Some checkpoints keep a layer's own `forward`; nothing else is looked up."""
    torch = importlib.import_module("torch")
    kind = owner if isinstance(owner, type) else type(owner)
    if issubclass(kind, torch.nn.Module) and name in ("forward", "forward_fuse"):
        method = getattr(kind, name)
        return method if isinstance(owner, type) else method.__get__(owner)
    raise UntrustedWeights("it wants the attribute " + str(name)[:60])


def join_parts(*parts: str) -> str:
    """A path of the training machine, as text."""
    return "/".join(str(part) for part in parts)


def build_scalar(kind: "Any", data: bytes = b"") -> "Any":
    """A number of NumPy; kinds that hold objects are pickles of their own."""
    numpy = importlib.import_module("numpy")
    if kind.hasobject:
        raise UntrustedWeights("it holds objects inside a number of NumPy")
    return numpy.frombuffer(data, dtype=kind)[0]


def disarm(network: "Any") -> None:
    """Take hooks and replaced methods out: a network is its layers and numbers."""
    for layer in network.modules():
        for name, value in list(vars(layer).items()):
            if name.endswith("_hooks") or "_hooks_" in name:
                vars(layer)[name] = type(value)() if isinstance(value, dict) else value
            elif isinstance(value, type) or (callable(value) and hasattr(type(layer), name)):
                del vars(layer)[name]


def describe_object(found: "Any") -> str:
    """The name of what a file wanted."""
    return str(getattr(found, "__qualname__", type(found).__name__))[:80]
