"""The runner beside bare scripts that do the same work with the same libraries.

    python benchmarks/runner_speed.py [--rounds 15] [--python .venv-base/bin/python] [--json]

Needs TensorFlow to make the files; times with `--python`, the environment of a board. Every round runs ours and the
bare script in turn, and the ratio is the median of the rounds' own ratios beside its 10th and 90th percentile.

The file is MobileNetV2 1.0/224. Its backbone is random; its last layer is fitted to tell six regions of two real photos
apart, so that top-1 means something. The single photo is 640x427, those of `classify_many` are 12-megapixel JPEGs, cut
from these regions and enlarged.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from zoo.cli.output import print_json, print_table

BASE_PYTHON = Path(__file__).parent.parent / ".venv-base/bin/python"
PICTURES = 24
REGIONS = 6

BARE = """
import sys
import numpy as np
from PIL import Image
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1], num_threads=int(sys.argv[3]))
interpreter.allocate_tensors()
entry, exit = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
image = Image.open(sys.argv[2]).convert("RGB").resize((224, 224), Image.BILINEAR)
interpreter.set_tensor(entry["index"], np.asarray(image, entry["dtype"])[None])
interpreter.invoke()
scores = interpreter.get_tensor(exit["index"])[0]
for i in np.argsort(-scores)[:5]:
    print(i, scores[i])
"""
PEAK = (
    "\nprint('PEAK', next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')), file=sys.stderr)"
)
OURS = """
import sys
from zoo.cli.main import main
try:
    main(["run", sys.argv[1], sys.argv[2], "--threads", sys.argv[3]])
except SystemExit:
    pass
"""

INSIDE = """
import json, sys, time
from pathlib import Path
import numpy as np
from PIL import Image
from zoo.runner import Classifier
from zoo.quiet import quiet
path, photo, photos, threads = sys.argv[1], sys.argv[2], sorted(Path(sys.argv[3]).iterdir()), int(sys.argv[4])
with quiet():
    classifier = Classifier(path, threads=threads)
session = classifier.session
interpreter = session._interpreter
entry, exit = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
pixels = classifier.read(photo)
stored = np.asarray(pixels, entry["dtype"])[None]

def clock(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start

def invoke():
    interpreter.set_tensor(entry["index"], stored)
    interpreter.invoke()
    interpreter.get_tensor(exit["index"])

def loop():
    found = []
    for path in photos:
        image = Image.open(path).convert("RGB").resize((224, 224), Image.BILINEAR)
        interpreter.set_tensor(entry["index"], np.asarray(image, entry["dtype"])[None])
        interpreter.invoke()
        found.append(int(interpreter.get_tensor(exit["index"])[0].argmax()))
    return found

many = lambda: [result.predictions[0].index for result in classifier.classify_many(photos, top_k=1)]
overhead = []
for _ in range(int(sys.argv[5]) * 10):
    invoke(); bare = clock(invoke)
    classifier.classify(pixels); ours = clock(lambda: classifier.classify(pixels))
    overhead.append((bare, ours))
# At first both once, untimed, which also compares the answers.
same = sum(a == b for a, b in zip(loop(), many()))
rounds = [(clock(loop), clock(many)) for _ in range(max(3, int(sys.argv[5]) // 5))]
print(json.dumps({"overhead": overhead, "many": rounds, "same": same, "pictures": len(photos)}))
"""


@click.command()
@click.option("--rounds", type=click.IntRange(min=3), default=15, show_default=True)
@click.option("--python", type=click.Path(path_type=Path), default=BASE_PYTHON, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True, help="Of the interpreter.")
@click.option("--json", "as_json", is_flag=True)
def main(rounds: int, python: Path, threads: int, as_json: bool) -> None:
    """Makes files and photos, times, prints."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model, photo, photos = make_inputs(folder)
        click.echo("timing", err=True)
        results = measure(python, model, photo, photos, rounds, threads)
    if as_json:
        print_json(results)
        return
    rows = [
        (name, f"{r['bare']:.4g} {r['unit']}", f"{r['ours']:.4g} {r['unit']}", _versus(r), r["aim"])
        for name, r in results.items()
    ]
    print_table(("", "bare script", "ours", "ours beside it", "aim"), rows, left=("aim",))


def make_inputs(folder: Path) -> tuple[Path, Path, Path]:
    """A file, one photo of 640x427, and a folder of 12-megapixel ones."""
    import keras
    from sklearn.linear_model import LogisticRegression

    import zoo
    from zoo.export import to_tflite
    from zoo.quiet import quiet, quiet_tensorflow

    quiet_tensorflow()
    keras.utils.set_random_seed(0)
    crops = [random_crop(seed) for seed in range(360)]
    with quiet():
        model = zoo.build("mobilenet_v2", num_classes=REGIONS)
        head_layer = next(layer for layer in reversed(model.layers) if isinstance(layer, keras.layers.Dense))
        features = keras.Model(model.inputs, head_layer.input)
        pixels = np.stack([np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR)) for image, _ in crops])
        seen = features.predict(pixels.astype(np.float32), batch_size=16, verbose=0).reshape(len(crops), -1)
        scale = seen.std()
        head = LogisticRegression(max_iter=3000, C=100).fit(seen / scale, [region for _, region in crops])
        head_layer.set_weights([head.coef_.T / scale, head.intercept_])
        to_tflite(model, folder / "model.tflite")
    (folder / "photos").mkdir()
    for i in range(PICTURES):
        image, _ = random_crop(1000 + i)
        large = image.resize((4000, 3000), Image.Resampling.BICUBIC)
        large.save(folder / "photos" / f"{i:02}.jpg", quality=90)
    return folder / "model.tflite", photo_path("china.jpg"), folder / "photos"


def photo_path(name: str) -> Path:
    """One of the two photos that scikit-learn ships."""
    import sklearn.datasets

    return Path(sklearn.datasets.__file__).parent / "images" / name


def random_crop(seed: int) -> tuple[Image.Image, int]:
    """A part of a photo about as large as a third of it, and which third of which photo it is."""
    rng = np.random.default_rng(seed)
    region = seed % REGIONS
    with Image.open(photo_path("china.jpg" if region < 3 else "flower.jpg")) as image:
        left, top = 200 * (region % 3) + int(rng.integers(0, 40)), int(rng.integers(0, 277))
        return image.crop((left, top, left + 200, top + 150)), region


def measure(python: Path, model: Path, photo: Path, photos: Path, rounds: int, threads: int) -> dict[str, Any]:
    """All figures, by what they are of."""
    arguments = [str(model), str(photo), str(threads)]
    cold = in_turn([python, "-I", "-c", BARE, *arguments], [python, "-I", "-c", OURS, *arguments], rounds)
    help_ = in_turn(
        [python, "-I", "-c", "import click"],
        [python, "-I", "-c", "from zoo.cli.main import main; main(['--help'])"],
        rounds,
    )
    peaks = [
        (peak([python, "-I", "-c", BARE + PEAK, *arguments]), peak([python, "-I", "-c", OURS + PEAK, *arguments]))
        for _ in range(3)
    ]
    command = [python, "-I", "-c", INSIDE, str(model), str(photo), str(photos), str(threads), str(rounds)]
    inside = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    overhead = np.array(inside["overhead"]) * 1e3
    many = np.array(inside["many"])
    extra = overhead[:, 1] - overhead[:, 0]
    return {
        "cold start of `zoo run`": ratio(cold, "s", "at most 1.35x"),
        "`zoo --help` beside `import click`": ratio(help_, "s", "at most 3x"),
        "memory of `zoo run`, peak": ratio(np.array(peaks) / 1024, "MB", "at most 1.3x"),
        "`classify` of a decoded picture": ratio(overhead, "ms", "at most 0.25 ms more")
        | {"more_ms": float(np.median(extra))},
        f"`classify_many`, {inside['pictures']} photos of 12 MP": ratio(many, "s", "at most 0.33x")
        | {"same_top1": inside["same"], "pictures": inside["pictures"]},
    }


def in_turn(bare: list[Any], ours: list[Any], rounds: int) -> Any:
    """Wall times of two commands, `(rounds, 2)` seconds."""
    times = []
    for _ in range(rounds + 1):
        pair = []
        for command in (bare, ours):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            pair.append(time.perf_counter() - start)
        times.append(pair)
    return np.array(times[1:])  # the first round filled the caches


def peak(command: list[Any]) -> int:
    """The most memory that a command held, KB."""
    errors = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return int(errors.split("PEAK")[1].split()[0])


def ratio(pairs: Any, unit: str, aim: str) -> dict[str, Any]:
    """Medians of `(rounds, 2)` measurements, bare and ours, and of their ratio."""
    ratios = pairs[:, 1] / pairs[:, 0]
    low, middle, high = np.percentile(ratios, [10, 50, 90])
    bare, ours = np.median(pairs, axis=0)
    return {"bare": bare, "ours": ours, "unit": unit, "ratio": middle, "p10": low, "p90": high, "aim": aim}


def _versus(result: dict[str, Any]) -> str:
    text = f"{result['ratio']:.2f}x ({result['p10']:.2f} to {result['p90']:.2f})"
    if "more_ms" in result:
        text += f", {result['more_ms']:+.2f} ms"
    if "same_top1" in result:
        text += f", same top-1 on {result['same_top1']} of {result['pictures']}"
    return text


if __name__ == "__main__":
    main()
