"""Builds the image with buildah, and runs it with podman on an emulated Cortex-A57."""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from jetson_emulation.machine import cache, pip_settings
from jetson_emulation.steps import run

CPU = "cortex-a57"
BASE_IMAGE = "localhost/edgezoo-base:bookworm"
"""The base image that is made here and replaces that of the Dockerfile, whose digest only a registry has."""
STRICT = ("--network", "none", "--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL")
"""The strict options of docs/jetson.md. podman alone would give a read-only container a writable /tmp."""


class Engine:
    """A store of images, kept from run to run so that unchanged steps of a build are not repeated."""

    def __init__(self, root: Path, folder: Path | None = None) -> None:
        """Finds out how layers can be stored here.

        Args:
            root: the folder of the checkout.
            folder: the folder of the store; by default one in the cache.
        """
        self.root = root
        self.folder = folder or cache() / "storage"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cpuinfo = self.folder / "cpuinfo"
        self.cpuinfo.write_text(cpuinfo())
        self._store = ["--root", str(self.folder / "root"), "--runroot", str(self.folder / "run")]
        # Overlay does not work on top of another overlay, as in a container; vfs works everywhere, but copies files.
        if not (self.folder / "root" / "vfs").exists() and self._probe("overlay"):
            self._store += ["--storage-driver", "overlay"]
        else:
            self._store += ["--storage-driver", "vfs"]

    def _probe(self, driver: str) -> bool:
        store = ["--root", str(self.folder / "probe"), "--runroot", str(self.folder / "probe-run")]
        done = run(["buildah", *store, "--storage-driver", driver, "from", "--quiet", "scratch"], check=False)
        if done.returncode == 0:
            run(["buildah", *store, "--storage-driver", driver, "rm", "--all"])
        return done.returncode == 0

    def buildah(self, *words: str | Path, check: bool = True) -> str:
        """Runs buildah on the store; returns its output."""
        return run(["buildah", *self._store, *words], check=check).stdout.strip()

    def import_base(self, archive: Path) -> None:
        """Makes the image that replaces the Dockerfile's base from a tar archive, if that was not done before."""
        stamp = f"{archive.stat().st_mtime_ns}"
        made_of = '{{index .OCIv1.Config.Labels "made-of"}}'
        if self.buildah("inspect", "--type", "image", "--format", made_of, BASE_IMAGE, check=False) == stamp:
            return
        with tempfile.NamedTemporaryFile(suffix=".tar") as settings, self._container("scratch") as container:
            settings.write(pip_settings())
            settings.flush()
            self.buildah("add", container, archive, "/")
            self.buildah("add", container, settings.name, "/")
            self.buildah("config", "--arch", "arm64", "--os", "linux", "--label", f"made-of={stamp}", container)
            self.buildah("commit", container, BASE_IMAGE)

    def build(self, name: str, **arguments: str) -> str:
        """Builds Dockerfile.jetson with build arguments; returns the output.

        Raises:
            EmulationError: a step failed; the message has the end of its output.
        """
        settings = {"BASE_IMAGE": BASE_IMAGE, **arguments}
        given = [word for key, value in settings.items() for word in ("--build-arg", f"{key}={value}")]
        cpu = ["--build-arg", f"QEMU_CPU={CPU}", "--volume", f"{self.cpuinfo}:/proc/cpuinfo:ro"]
        how = ["--layers", "--arch", "arm64", "--isolation", "oci", "--runtime", "runc", "--pull-never"]
        file = ["-t", name, "-f", str(self.root / "Dockerfile.jetson"), str(self.root)]
        return self.buildah("bud", *how, "--network", "host", *cpu, *given, *file)

    @contextlib.contextmanager
    def files(self, image: str) -> Iterator[Path]:
        """Mounts the image's root folder, so that it can be examined."""
        with self._container(image) as container:
            yield Path(self.buildah("mount", container))

    def compressed(self, image: str) -> int:
        """Returns the size of the image's compressed layers in bytes, as in a registry."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            self.buildah("push", "--format", "oci", image, f"dir:{folder}")
            return sum(
                path.stat().st_size for path in Path(folder).iterdir() if re.fullmatch("[0-9a-f]{64}", path.name)
            )

    def run(
        self,
        image: str,
        *words: str | Path,
        volumes: Sequence[str] = (),
        options: Sequence[str] = STRICT,
        memory: str = "512m",
        cpu: str = CPU,
        entrypoint: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs the image as `docker run --rm IMAGE WORDS` would.

        Args:
            image: the image's name.
            words: the words behind the image's name.
            volumes: `HOST:CONTAINER:ro` for each volume.
            options: options of podman.
            memory: the memory limit.
            cpu: the processor that qemu emulates.
            entrypoint: the entry point, instead of the image's.
        """
        # These are lower than the defaults, which a process on a restricted machine may not set.
        limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--memory", memory]
        given = [word for volume in (*volumes, f"{self.cpuinfo}:/proc/cpuinfo:ro") for word in ("--volume", volume)]
        emulation = ["--env", f"QEMU_CPU={cpu}", *(["--entrypoint", entrypoint] if entrypoint else [])]
        engine = ["podman", *self._store, "--cgroup-manager", "cgroupfs", "--events-backend", "file"]
        # The program must not be process 1: the kernel does not deliver to process 1 the signal by which qemu ends a
        # program that crashed, and the container would hang.
        engine += [
            "--runtime",
            "runc",
            "run",
            "--rm",
            "--pid",
            "host",
            "--arch",
            "arm64",
            "--pull",
            "never",
            "--log-driver",
            "none",
        ]
        # podman's monitor leaves a file `oom` in its current folder when a container runs out of memory.
        return run([*engine, *limits, *options, *given, *emulation, image, *words], cwd=self.folder, check=False)

    @contextlib.contextmanager
    def _container(self, image: str) -> Iterator[str]:
        container = self.buildah("from", "--arch", "arm64", "--pull-never", image)
        try:
            yield container
        finally:
            self.buildah("rm", container)


def cpuinfo(cores: int = 4) -> str:
    """Returns /proc/cpuinfo of the Jetson Nano, for every program in the container.

    qemu 7 shows the host's file, with which LiteRT's library for processors (cpuinfo) crashes, and XNNPACK chooses its
    kernels by this file.
    """
    core = {
        "BogoMIPS": "38.40",
        "Features": "fp asimd evtstrm aes pmull sha1 sha2 crc32",
        "CPU implementer": "0x41",  # Arm
        "CPU architecture": "8",
        "CPU variant": "0x1",
        "CPU part": "0xd07",  # Cortex-A57
        "CPU revision": "1",
    }
    lines = "".join(f"{name}\t: {value}\n" for name, value in core.items())
    return "".join(f"processor\t: {i}\n{lines}\n" for i in range(cores))
