"""Causes as guides word them: patterns that several checks decide, each with what it is to find.

They meet only causes of the entry that a clue's topic names, so they may be short. It refuses to
know entries, and when a cause holds.
"""

from __future__ import annotations

# --- masks ---------------------------------------------------------------------------------------
VALUES = r"\b0 and 255|0/255|values? (?:0 and )?255"
ONE_CLASS = r"(?:predictions?|everything) (?:is |are )?(?:all|only) one class"
ONE_CHANNEL = r"single (?:output )?channel|one (?:output )?channel"
FEW_PIXELS = r"few pixels|all background|imbalance"
THRESHOLD = r"\bthreshold"
SMOOTH = r"interpolat"

# --- images --------------------------------------------------------------------------------------
# "images are still 0 to 255", "Wrong normalization", "not prepared as for the pretrained weights"
NORMALIZATION = r"normali[sz]|0 to 255|0\.\.255|prepared|preprocess|unscaled"
# the same where nothing else is in the sentence, so that a sound batch rules it out
ONLY_NORMALIZATION = rf"^(?!.*\blabels?\b).*(?:{NORMALIZATION})"
# "Labels not matching", "Images and labels do not belong together", "nearly always a label that …"
LABELS = r"\blabels?\b"

# --- training ------------------------------------------------------------------------------------
# "A softmax before CrossEntropyLoss", "another softmax in the model"
SOFTMAX = r"\bsoftmax\b"
# "Everything is frozen", "Layers are frozen"
FROZEN = r"\bfrozen\b|\bfreez|requires_grad"
# "Model and input have different dtypes", "Weights and input have different number formats"
FORMATS = r"different (?:number )?(?:formats|dtypes|types|precisions?)"
