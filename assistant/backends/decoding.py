"""How a loaded model writes one answer: greedily, from a known beginning, several tokens at a time.

It refuses to know readers, queues and how the model got into memory (`local.py`, `loading.py`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, GenerationConfig, StoppingCriteria, TextStreamer
from transformers.cache_utils import DynamicLayer
from transformers.generation.logits_process import (
    EncoderRepetitionPenaltyLogitsProcessor,
    LogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)

from assistant.backends.prefixes import PrefixCache
from assistant.models import LoadedModel
from assistant.turns import Stop

# The tiny model repeats itself (first number: on what it wrote) and makes things up (second: words
# of the prompt are preferred). Chosen by reading 5 answers under each of 5 settings.
_TINY_REPETITION, _TINY_COPY = 1.1, 1.2
# An answer repeats words of its prompt. Where the last 3 (or 2) tokens stood before, the tokens
# that followed there are tried as a guess; only the model's own choice is ever written.
_GUESS, _MATCHES = 6, (3, 2)


@dataclass(frozen=True, slots=True)
class Decoding:
    """How to write: at most so many tokens; `tiny` corrects the choice of words of a tiny model;
    `guess` lets each pass through the model try tokens of the prompt ahead."""

    max_new_tokens: int
    tiny: bool
    guess: bool


def write_answer(
    loaded: LoadedModel,
    inputs: dict[str, Any],
    how: Decoding,
    *,
    prefixes: PrefixCache,
    stop: Stop,
    put: Callable[[str], None],
) -> None:
    """Write until the end, the number of tokens, or until `stop` is due, asked before every pass.

    `inputs` are input_ids and attention_mask [1, tokens] on the model's device; `put` gets finished
    words. Raises what the model raises, and ArithmeticError for values that are not numbers.
    """
    streamer = _Pieces(loaded.tokenizer, put)
    with torch.inference_mode():
        if has_plain_cache(loaded):
            _write(loaded, inputs["input_ids"], how, prefixes=prefixes, stop=stop, out=streamer)
        else:
            _write_elsewhere(loaded, inputs, how, stop=stop, out=streamer)


def has_plain_cache(loaded: LoadedModel) -> bool:
    """Whether every layer keeps all keys and values: no sliding window, no recurrent state."""
    layers = DynamicCache(config=loaded.model.config).layers
    return all(type(layer) is DynamicLayer for layer in layers)


def _write(
    loaded: LoadedModel,
    prompt: torch.Tensor,
    how: Decoding,
    *,
    prefixes: PrefixCache,
    stop: Stop,
    out: TextStreamer,
) -> None:
    """Our own loop: `generate` of transformers reads a prompt twice when it is given both a cache
    and guesses (seen with 5.23: the cached beginning is fed again, and the words change)."""
    tokens = prompt[0].tolist()
    cache = prefixes.find(tokens)
    chooser = _Chooser(prompt, tiny=how.tiny)
    guesser = _Guesser(tokens)
    ends = _read_ends(loaded)
    fresh, guess, left = tokens[cache.get_seq_length() :], list[int](), how.max_new_tokens
    while left > 0 and not stop.is_due():
        scores = _pass(loaded.model, [*fresh, *guess], cache, keep=len(guess) + 1)
        if len(tokens) == prompt.shape[1]:
            prefixes.keep(tokens, cache)
        fresh = []
        for place, row in enumerate(scores):
            fresh.append(token := chooser.choose(row))
            if token in ends or len(fresh) == left or token not in guess[place : place + 1]:
                break
        tokens += fresh
        left = 0 if fresh[-1] in ends else left - len(fresh)
        for token in fresh:
            out.put(torch.tensor([token]))
            guesser.add(token)
        if surplus := cache.get_seq_length() - (len(tokens) - 1):
            cache.crop(-surplus)
        fresh = fresh[-1:]
        guess = guesser.guess(min(_GUESS, left - 1)) if how.guess else []
    out.end()


def _pass(model: Any, tokens: list[int], cache: DynamicCache, *, keep: int) -> torch.Tensor:
    """Put tokens through the model; return the scores after the last `keep` of them."""
    known = _parameters(type(model).forward)
    step = torch.tensor([tokens], device=model.device)
    options: dict[str, Any] = {"logits_to_keep": keep} if "logits_to_keep" in known else {}
    options["cache" if "cache" in known else "past_key_values"] = cache  # renamed in 5.24
    scores = model(input_ids=step, use_cache=True, **options).logits
    return scores[0, -keep:].float()  # type: ignore[no-any-return]


@functools.cache
def _parameters(forward: Any) -> frozenset[str]:
    """The names that a model's class can be called with; asked before every pass."""
    return frozenset(inspect.signature(forward).parameters)


class _Chooser:
    """The likeliest token each time: the same question gets the same answer."""

    def __init__(self, prompt: torch.Tensor, *, tiny: bool) -> None:
        self._written, self._processors = prompt, _build_processors(prompt, tiny=tiny)

    def choose(self, row: torch.Tensor) -> int:
        """Return the next token for the scores [vocabulary], and take it as written."""
        scores = row[None]
        for processor in self._processors:
            scores = processor(self._written, scores)
        best = scores.argmax(-1, keepdim=True)
        self._written = torch.cat((self._written, best), dim=1)
        return int(best)


class _Guesser:
    """What followed the last time that the same two or three tokens were seen."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}
        for token in tokens:
            self.add(token)

    def add(self, token: int) -> None:
        """Take one more token into account."""
        for size in _MATCHES:
            self._after[tuple(self._tokens[-size:])] = len(self._tokens)
        self._tokens.append(token)

    def guess(self, count: int) -> list[int]:
        """Return at most `count` tokens, none if the last ones are new."""
        for size in _MATCHES:
            if place := self._after.get(tuple(self._tokens[-size:])):
                return self._tokens[place : place + max(0, count)]
        return []


def _write_elsewhere(
    loaded: LoadedModel, inputs: dict[str, Any], how: Decoding, *, stop: Stop, out: TextStreamer
) -> None:
    """The library's way, for models whose cache we cannot cut back: no beginnings, no guesses."""
    own = loaded.model.generation_config
    pad = own.pad_token_id if own.pad_token_id is not None else loaded.tokenizer.eos_token_id
    out.skip_prompt = True
    loaded.model.generate(
        **inputs,
        streamer=out,
        stopping_criteria=[_StopWhenDue(stop)],
        logits_processor=_build_processors(inputs["input_ids"], tiny=how.tiny),
        generation_config=GenerationConfig(
            max_new_tokens=how.max_new_tokens,
            do_sample=False,
            temperature=1.0,  # these silence warnings about a model's own sampling defaults
            top_p=1.0,
            top_k=50,
            repetition_penalty=1.0,
            eos_token_id=own.eos_token_id,
            pad_token_id=pad,
        ),
    )


def _read_ends(loaded: LoadedModel) -> frozenset[int]:
    """The tokens that end an answer: a number, a list, or nothing at all in the configuration."""
    ends = loaded.model.generation_config.eos_token_id
    if ends is None:
        ends = loaded.tokenizer.eos_token_id
    if ends is None:
        return frozenset()
    return frozenset([ends] if isinstance(ends, int) else ends)


def _build_processors(prompt: torch.Tensor, *, tiny: bool) -> list[LogitsProcessor]:
    """What corrects the tiny model's choice of words; a larger one needs none of it."""
    if not tiny:
        return [_RefuseNaN()]
    begin = prompt.shape[1]
    repetition = RepetitionPenaltyLogitsProcessor(_TINY_REPETITION, prompt_ignore_length=begin)
    copy = EncoderRepetitionPenaltyLogitsProcessor(_TINY_COPY, prompt)
    return [_RefuseNaN(), repetition, copy]


class _Pieces(TextStreamer):  # type: ignore[misc]
    """One per answer: hands each finished word on."""

    def __init__(self, tokenizer: Any, put: Callable[[str], None]) -> None:
        super().__init__(tokenizer, skip_special_tokens=True)
        self._put = put

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self._put(text)


class _StopWhenDue(StoppingCriteria):  # type: ignore[misc]
    """Asked after every step."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        return torch.full(input_ids.shape[:1], self._stop.is_due(), device=input_ids.device)


class _RefuseNaN(LogitsProcessor):  # type: ignore[misc]
    """Greedy decoding of NaN would quietly write nonsense; this makes it an error."""

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if bool(torch.isnan(scores).any()):
            raise ArithmeticError("it computed values that are not numbers, NaN")
        return scores
