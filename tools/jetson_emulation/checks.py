"""Runs checks in the container. Each check prints what it found, or raises EmulationError."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jetson_emulation import aarch64, host
from jetson_emulation.engine import STRICT, Engine
from jetson_emulation.steps import require, say

FLOAT_TOLERANCE = 1e-4
INT8_AGREEMENT = 0.96
ILLEGAL_INSTRUCTION, KILLED = 128 + 4, 128 + 9
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Setting:
    """An image, and the files for its checks."""

    engine: Engine
    root: Path
    image: str
    runtime: str
    files: host.Files
    wanted: str = ""
    """The value of the build argument `WITH`."""
    answers: dict[str, host.Scores] = field(default_factory=dict)
    """The host's scores for each model, computed when they are first needed."""

    def zoo(self, *words: str, data: bool = True, memory: str = "512m") -> Done:
        """Runs `docker run --rm -v FOLDER:/data IMAGE WORDS`, as strictly as the docs promise."""
        volumes = [f"{self.files.folder}:/data:ro"] if data else []
        return self.engine.run(self.image, *words, volumes=volumes, memory=memory)

    def python(self, code: str) -> str:
        """Runs a Python program in the container and returns its output."""
        done = self.engine.run(self.image, "-c", code, entrypoint="python")
        require(done.returncode == 0, f"python -c {code!r}: exit code {done.returncode}: {done.stderr}")
        return done.stdout

    def good(self, *words: str) -> str:
        """Runs a command that must succeed; returns its output."""
        done = self.zoo(*words)
        require(done.returncode == 0, f"zoo {' '.join(words)}: exit code {done.returncode}: {done.stderr}")
        return done.stdout

    def host_answers(self, model: str, pictures: str) -> host.Scores:
        """Returns the host's scores for all pictures of a folder below /data."""
        if model not in self.answers:
            words = (self.files.folder / model, self.files.folder / pictures, "--json", "--top-k", "1000")
            printed = host.zoo(self.root, "run", *words, "--runtime", "litert")
            self.answers[model] = host.scores(printed.splitlines())
        return self.answers[model]


def processor(at: Setting) -> None:
    """Checks that the emulated processor lacks the dot product and the atomics, as a Cortex-A57 does."""
    folder = at.files.folder / "control"
    aarch64.write(folder)
    for name in aarch64.PROGRAMS:
        expected = 0 if name == "plain" else ILLEGAL_INSTRUCTION
        for cpu, code in (("cortex-a57", expected), ("max", 0)):
            program, volumes = f"/control/{name}", [f"{folder}:/control:ro"]
            done = at.engine.run(at.image, entrypoint=program, volumes=volumes, cpu=cpu)
            require(
                done.returncode == code,
                f"the program {name!r} on {cpu}: exit code {done.returncode}, not {code}: {done.stderr}",
            )
    say("  dot product and atomics: illegal instruction on cortex-a57, run on a newer processor; plain program: runs")


def contents(at: Setting) -> None:
    """Checks the user, the groups, and that the image has no packages and programs that it must not have."""
    found = json.loads(
        at.python(
            "import importlib.util as u, json, os, shutil, sys;"
            "print(json.dumps({'uid': os.getuid(), 'groups': os.getgroups(), 'python': sys.version.split()[0],"
            "'modules': [m for m in ('pip', 'setuptools', 'tensorflow', 'keras', 'matplotlib') if u.find_spec(m)],"
            "'programs': [p for p in ('sh', 'gcc', 'pip', 'apt-get', 'dpkg') if shutil.which(p)],"
            "'blas': os.environ['OPENBLAS_CORETYPE'], 'writable': [p for p in ('/', '/tmp', '/data', '/opt/zoo')"
            " if os.access(p, os.W_OK)], 'cpu': 'QEMU_CPU' in os.environ}))"
        )
    )
    require(found["uid"] != 0 and 44 in found["groups"], f"user and groups: {found}")
    require(not found["modules"] and not found["programs"], f"should not be in the image: {found}")
    require(not found["writable"] and found["blas"] == "ARMV8", f"not as strict as it should be: {found}")
    environment = at.engine.buildah("inspect", "--type", "image", "--format", "{{.OCIv1.Config.Env}}", at.image)
    require("QEMU" not in environment, f"the emulator's variable stayed in the image: {environment}")
    who = f"user {found['uid']}, groups {found['groups']}"
    say(f"  Python {found['python']}, {who}; no pip, compiler, shell or TensorFlow; nothing to write to")


def demo(at: Setting) -> None:
    """Runs the container without any file of the user."""
    done = at.zoo("demo", data=False)
    require(done.returncode == 0 and "10 of 10 right" in done.stdout, f"zoo demo: {done.stdout}{done.stderr}")
    say(f"  demo: 10 of 10 right; {done.stdout.splitlines()[-1]}")


def commands(at: Setting) -> None:
    """Runs the commands of docs/jetson.md."""
    files = at.files
    doctor = json.loads(at.good("doctor", f"/data/{files.mobilenet_float}", "--json"))
    # The architecture is not checked, because the kernel shows it and qemu does not hide it.
    found = (doctor["machine"]["cpu"], doctor["machine"]["memory_limit_bytes"], doctor["well"])
    require(found == ("Cortex-A57", 512 << 20, True), f"doctor: {doctor}")
    for model in (files.mobilenet_float, files.digits_float, files.digits_int8):
        printed = at.good("run", f"/data/{model}", f"/data/{files.photo}")
        require(printed.count("%") == 5, f"zoo run {model}: {printed}")
        require("checksum: right" in at.good("inspect", f"/data/{model}"), f"zoo inspect {model}")
    models = [f"/data/{model}" for model in (files.digits_float, files.digits_int8)]
    for model in models:
        report = at.good("evaluate", model, f"/data/{files.pictures}")
        say(f"  evaluate {model}: {report.splitlines()[0]}")
    measured = at.good("benchmark", *models, "--runs", "3")
    say("\n".join(["  benchmark", *(f"    {line}" for line in measured.splitlines())]))
    say("  doctor, run, inspect, evaluate, benchmark: exit code 0")


def agreement(at: Setting) -> None:
    """Checks that float scores equal the host's to 1e-4, and that int8 files agree on at least 96 of 100 digits."""
    files = at.files
    # MobileNetV2 has random weights and is there for its kernels, so that a few pictures are enough.
    few = f"{files.pictures}/seven"
    for model, folder, least in (
        (files.digits_float, files.pictures, 50),
        (files.mobilenet_float, few, 5),
        (files.digits_int8, files.pictures, 50),
    ):
        ours = at.host_answers(model, folder)
        words = ("run", f"/data/{model}", f"/data/{folder}", "--json", "--top-k", "1000")
        theirs = host.scores(at.good(*words).splitlines())
        require(len(ours) >= least and ours.keys() == theirs.keys(), f"{model}: {len(ours)}, {len(theirs)} pictures")
        difference = max(abs(theirs[name][i] - ours[name][i]) for name in ours for i in ours[name])
        same = sum(host.best(ours[name]) == host.best(theirs[name]) for name in ours)
        say(f"  {model}: largest difference {difference:.1e}, same answer on {same} of {len(ours)}")
        if model == files.digits_int8:
            require(same >= INT8_AGREEMENT * len(ours), f"{model}: too few answers as on the host")
        else:
            require(difference <= FLOAT_TOLERANCE, f"{model}: differs from the host by {difference:.1e}")
        if folder == files.pictures:
            right = sum(at_label(name, host.best(theirs[name])) for name in theirs)
            require(right >= INT8_AGREEMENT * len(theirs), f"{model}: only {right} of {len(theirs)} digits are right")


def detection(at: Setting) -> None:
    """Checks that both files of detectors find on photos what they find on the host, and that int8 finds the digits."""
    files = at.files
    # The float file is unsure, since it was trained for a moment; a place of int8 is a few tenths of a pixel.
    for model, threshold, pixels, score in ((files.boxes_float, 0.1, 0.05, 1e-3), (files.boxes_int8, 0.3, 4.0, 0.1)):
        words = ("--threshold", str(threshold), "--json")
        ours = host.objects(
            host.zoo(at.root, "run", files.folder / model, files.folder / files.photos, *words).splitlines()
        )
        theirs = host.objects(at.good("run", f"/data/{model}", f"/data/{files.photos}", *words).splitlines())
        require(len(ours) >= 2 and ours.keys() == theirs.keys(), f"{model}: {len(ours)}, {len(theirs)} photos")
        counts = [host.same_objects(*pair, pixels=pixels, score=score) for pair in ((ours, theirs), (theirs, ours))]
        say(f"  {model}: {counts[0][0]} of {counts[0][1]} objects as on the host")
        require(counts[0][1] >= 6 and all(met == of for met, of in counts), f"{model}: {ours} here, {theirs} there")
    figures = json.loads(at.good("evaluate", f"/data/{files.boxes_int8}", f"/data/{files.photos}", "--json"))
    require(figures["threshold"]["recall"] == 1, f"{files.boxes_int8}: misses digits: {figures['threshold']}")
    say(f"  {files.boxes_int8}: all {figures['objects']} digits found")


def at_label(name: str, index: int) -> bool:
    """Whether a picture is in the folder of this digit."""
    digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    return name.partition("/")[0] == digits[index]


def bad_input(at: Setting) -> None:
    """Checks that bad input gets one clear line."""
    files = at.files
    secret = files.folder / "secret.tflite"
    secret.write_bytes((files.folder / files.digits_int8).read_bytes())
    secret.chmod(0o600)
    (files.folder / "empty.tflite").write_bytes(b"")
    model, photo = f"/data/{files.digits_int8}", f"/data/{files.photo}"
    cases: list[tuple[Done, str]] = [
        (at.zoo("run", model, photo, data=False), f"cannot read {model}: No such file"),
        (at.zoo("run", "/data/secret.tflite", photo), "/data/secret.tflite' is not readable"),
        (at.zoo("run", "/data/empty.tflite", photo), "is not a .tflite file"),
        (at.zoo("run", photo, photo), "is a picture, and the model stands before"),
        (at.zoo("run", model, model), "is not a picture"),
        (at.zoo("run", f"/data/{files.large}", photo, memory="256m"), "does not fit into the memory"),
        (at.zoo("info", "lenet"), "pip install 'edgezoo[tensorflow]'"),
        (at.zoo("run", model, photo, "--runtime", other(at.runtime)), "is not installed"),
    ]
    for done, message in cases:
        words = " ".join(map(str, done.args[-4:]))
        require(done.returncode in {1, 2}, f"{words}: exit code {done.returncode}: {done.stderr}")
        require(message in done.stderr and "Traceback" not in done.stderr, f"{words}: {done.stderr}")
        require(done.stderr.count("\n") == 1, f"{words}: more than one line: {done.stderr}")
    say(f"  {len(cases)} kinds of bad input: one line each; {cases[5][0].stderr.strip()}")


def other(runtime: str) -> str:
    """Returns the runtime that is not in the image."""
    return "tflite-runtime" if runtime == "litert" else "litert"


def killed(at: Setting) -> None:
    """Checks that the kernel ends a program that needs too much memory, with exit code 137."""
    take = "data = [bytes(10**6) + b'.' for _ in range(600)]"
    done = at.engine.run(at.image, "-c", take, entrypoint="python", options=STRICT)
    require(done.returncode == KILLED, f"600 MB at -m 512m: exit code {done.returncode}, not {KILLED}: {done.stderr}")
    say(f"  a program that takes 600 MB at -m 512m: exit code {done.returncode}")


SERVE = """
import os, subprocess, time, urllib.error, urllib.request

def ask(path, body=None, token=None):
    headers = {"Host": "nano.local:8000", **({"Authorization": "Bearer " + token} if token else {})}
    request = urllib.request.Request("http://127.0.0.1:8000" + path, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()

words = ["zoo", "serve", MODEL, "--host", "0.0.0.0", "--allow-host", "nano.local"]
server = subprocess.Popen(words, env={**os.environ, "EDGEZOO_TOKEN": "a-long-enough-token"})
for _ in range(600):
    time.sleep(0.2)
    try:
        if ask("/healthz")[0] == 200:
            break
    except OSError:
        pass
picture = open(PHOTO, "rb").read()
print(ask("/")[0], ask("/v1/classify", picture)[0], *ask("/v1/classify?top_k=1", picture, "a-long-enough-token"))
server.terminate()
print(server.wait(120))
"""
"""What asks the server from within the container, which has no network but its own."""


def serve(at: Setting) -> None:
    """The page and the API, where the image has them; where not, the line that says how to get them."""
    model, photo = f"/data/{at.files.digits_int8}", f"/data/{at.files.photo}"
    if "serve" not in at.wanted:
        done = at.zoo("serve", model)
        require(done.returncode == 1 and "WITH=serve" in done.stderr, f"zoo serve: {done.returncode}: {done.stderr}")
        say(f"  {done.stderr.strip()}")
        return
    program = SERVE.replace("MODEL", repr(model)).replace("PHOTO", repr(photo))
    done = at.engine.run(at.image, "-c", program, entrypoint="python", volumes=[f"{at.files.folder}:/data:ro"])
    lines = done.stdout.splitlines()
    require(
        done.returncode == 0 and len(lines) >= 3 and lines[-1] == "0",
        f"zoo serve: exit code {done.returncode}: {done.stdout}{done.stderr}",
    )
    require(lines[-2].startswith('200 401 200 {"predictions"'), f"zoo serve answers: {lines[-2]}")
    say(f"  page 200, picture without the token 401, with it {lines[-2].partition(' 401 ')[2][:90]}; SIGTERM: code 0")


CHECKS: dict[str, Callable[[Setting], None]] = {
    "processor": processor,
    "contents": contents,
    "demo": demo,
    "commands": commands,
    "agreement": agreement,
    "detection": detection,
    "bad-input": bad_input,
    "killed": killed,
    "serve": serve,
}
