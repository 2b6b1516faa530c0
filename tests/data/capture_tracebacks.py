# ruff: noqa
"""Prints one failure as this Python prints it: `python3.8 tests/data/capture_tracebacks.py NAME`.

Made captured.jsonl (paths shortened, importlib frames thinned out); any Python from 3.8 on.
"""

import importlib
import logging
import multiprocessing
import pathlib
import sys
import tempfile
import threading
import time

BROKEN = {
    "never_closed": "model = dict(a=1,\nprint(model)\n",
    "indent": "def forward(x):\nreturn x\n",
    "tabs": "if True:\n        x = 1\n\ty = 2\n",
    "comma": "sizes = [1 2, 3]\n",
    "string": "path = 'weights.pth\n",
    "print": "print 'loss', 3\n",
    "unicode": "x = \u201chello\u201d\n",
}


def load(path):
    return open(path)


def chain():
    try:
        {"acc": 1}["loss"]
    except KeyError:
        load("weights.pth")


def cause():
    try:
        load("weights.pth")
    except OSError as error:
        raise RuntimeError("cannot load weights") from error


def name():
    images = [1]
    return imags[0]


def attribute():
    return pathlib.Path("x").exsits()


def module():
    import timm_not_there.models


def import_name():
    from collections import OrderdDict


def forgotten_import():
    return json.dumps({})


def recursion(n=0):
    return recursion(n + 1)


def interrupt():
    raise KeyboardInterrupt


def leave():
    sys.exit("no GPU found")


def multiline():
    raise ValueError("two lines:\n  first of them\n\nand one after an empty one")


def no_message():
    assert 1 == 2


def broken(kind):
    folder = tempfile.mkdtemp()
    sys.path.insert(0, folder)
    pathlib.Path(folder, "model.py").write_text(BROKEN[kind], "utf-8")
    importlib.import_module("model")


def work(n):
    if n == 2:
        raise ValueError("bad image {}".format(n))
    return n


def pool():
    with multiprocessing.Pool(2) as workers:
        workers.map(work, range(4))


def process():
    worker = multiprocessing.Process(target=work, args=(2,))
    worker.start()
    worker.join()


def thread():
    worker = threading.Thread(target=work, args=(2,))
    worker.start()
    worker.join()


def logged():
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        cause()
    except RuntimeError:
        logging.getLogger("train").exception("step failed")
    print("next line of the program")


class Loader:
    def __del__(self):
        raise OSError("worker is gone")


def ignored():
    Loader()


def crash():
    import ctypes
    import faulthandler

    faulthandler.enable()
    ctypes.string_at(0)


def notes():
    error = ValueError("bad label 12")
    error.add_note("while reading batch 7")
    raise error


def group():
    raise ExceptionGroup(
        "two failed", [ValueError("one"), ExceptionGroup("inner", [KeyError("k"), cause_of()])]
    )


def cause_of():
    try:
        cause()
    except RuntimeError as error:
        return error


def task():
    import asyncio

    async def fail():
        work(2)

    async def main():
        background = asyncio.ensure_future(fail())
        await asyncio.sleep(0.01)
        del background

    asyncio.run(main())


if __name__ == "__main__":
    wanted = sys.argv[1]
    if wanted in BROKEN:
        broken(wanted)
    else:
        globals()[wanted]()
