"""What this process and its children rely on of their surroundings: where code is imported from, which variables count.

The current folder may be one that a stranger's archive was unpacked into. Python imports from it where `sys.path` holds
an empty or relative entry, and the system starts programs and loads libraries from it where `PATH` or
`LD_LIBRARY_PATH` does. Such entries are dropped here, and what reads its settings from there is imported elsewhere. The
command starts with this module: it imports nothing at first but what Python has loaded already.
"""

# pathlib is not loaded yet, and nothing is to be imported before the current folder is dropped:
# ruff: noqa: PTH100, PTH110, PTH117, PTH120

import os
import site
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PACKAGE_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder that this package is imported from."""

_VARIABLES = (
    # Where things are, and what language is spoken.
    r"PATH|HOME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|XDG_CACHE_HOME"
    # What the dynamic loader and the C library go by; a Jetson needs LD_PRELOAD for libgomp.
    r"|LD_LIBRARY_PATH|LD_PRELOAD|GLIBC_TUNABLES|MALLOC_\w+|QEMU_\w+"
    # Threads and kernels.
    r"|OMP_\w+|GOMP_\w+|KMP_\w+|MKL_\w+|OPENBLAS_\w+|BLIS_\w+|TBB_\w+|ONEDNN_\w+|DNNL_\w+"
    # Runtimes, delegates and graphics processors.
    r"|TF_\w+|TFLITE_\w+|LITERT_\w+|XNNPACK_\w+|XLA_\w+|KERAS_\w+|GRPC_VERBOSITY|ABSL_\w+|OPENVINO_\w+|OV_\w+|EDGETPU_\w+"
    r"|CUDA_\w+|CUDNN_\w+|NVIDIA_\w+|HIP_\w+|HSA_\w+|ROCM_\w+|ROCR_\w+|OCL_\w+|PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"
)
_SECRETS = r"(?i)TOKEN|SECRET|PASS|PWD|CRED|AUTH|KEY|BEARER|COOKIE|_PAT$|TF_VAR_|TF_CLI_|TF_CONFIG"
"""What a name on the list above must not hold all the same: `TF_` is the prefix of Terraform, too."""
_NO_SECRETS = ("PWD", "OLDPWD", "XAUTHORITY", "SSH_AUTH_SOCK", "XDG_SESSION_COOKIE")
"""Names of places, which programs of the user need."""
_LISTS = ("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD")
_FOLDERS = ("HOME", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME")


def environment() -> dict[str, str]:
    """The variables that a child process gets: those that runtimes need, and none that names itself a secret."""
    import re

    kept = {}
    for name, value in os.environ.items():
        if not re.fullmatch(_VARIABLES, name) or re.search(_SECRETS, name):
            continue
        if name in _LISTS:
            # An empty PATH would mean the C library's own.
            value = _absolute_only(value, bare=name == "LD_PRELOAD")  # noqa: PLW2901
        if value and (name not in _FOLDERS or os.path.isabs(value)):
            kept[name] = value
    return kept


class without_secrets:  # noqa: N801  # contextlib is not loaded yet
    """Starts programs of the user's own, such as the browser, as a context manager: no token, no relative `PATH`.

    They need more variables than anybody can list. What was there is put back at the end of the block.
    """

    def __enter__(self) -> None:
        import re

        self._before = dict(os.environ)
        for name, value in self._before.items():
            if re.search(f"{_SECRETS}|^EDGEZOO_", name) and name not in _NO_SECRETS:
                del os.environ[name]
            elif name == "PATH":
                os.environ[name] = _absolute_only(value) or os.defpath

    def __exit__(self, *exception: object) -> None:
        os.environ.update(self._before)


def import_path() -> list[str]:
    """The entries of `sys.path` that a child process gets: absolute ones, the current folder left out.

    The folder of this package comes last where no entry names it; it may be the current one.
    """
    unsafe = _unsafe_folders()
    kept = [entry for entry in sys.path if os.path.isabs(entry) and not _means_one_of(entry, unsafe)]
    return kept if PACKAGE_HOME in kept else [*kept, PACKAGE_HOME]


def forget_current_folder() -> None:
    """Takes the current folder out of what this process imports from and starts programs from.

    What the interpreter itself is installed in stays, and so do the folder of this package and that of the script that
    is run: its author, not the folder, chose what lies there. To be called before anything is imported that a file of
    the current folder could pose as.
    """
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    safe = {os.path.realpath(folder) for folder in _installed()}
    if script:
        safe.add(os.path.realpath(os.path.dirname(script)))
    unsafe = _unsafe_folders() - safe
    sys.path[:] = [entry for entry in sys.path if not _means_one_of(entry, unsafe)]
    if "PATH" in os.environ:
        os.environ["PATH"] = _absolute_only(os.environ["PATH"]) or os.defpath
    import_elsewhere()


def import_elsewhere() -> None:
    """Has matplotlib, whoever imports it, read no `matplotlibrc` of the current folder.

    Keras imports it where it is installed. A file that is no such file ends that in an error, and others change what is
    drawn. Users' own settings count.
    """
    if not any(isinstance(finder, _Elsewhere) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Elsewhere())


class _Elsewhere:
    """Finds matplotlib as the other finders do, and has it run in a folder that nobody else writes to."""

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        if name != "matplotlib":
            return None
        others = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((found for found in others if found is not None), None)
        if spec is not None and spec.loader is not None:
            plain = spec.loader.exec_module

            def exec_module(module: "ModuleType") -> None:
                try:
                    here = os.open(".", os.O_RDONLY)
                except OSError:  # it was deleted, or may not be read
                    plain(module)
                    return
                try:
                    os.chdir("/")
                    plain(module)
                finally:
                    os.fchdir(here)
                    os.close(here)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _unsafe_folders() -> set[str]:
    """The current folder, and what a relative entry of `PYTHONPATH` means: Python makes those absolute when it starts.

    The folder of this package is none of them: it is used already.
    """
    named = ["", *os.environ.get("PYTHONPATH", "").split(os.pathsep), *sys.path]
    try:
        found = {os.path.realpath(entry) for entry in named if not os.path.isabs(entry)}
    except FileNotFoundError:  # the current folder was deleted
        return set()
    return found - {os.path.realpath(PACKAGE_HOME)}


def _means_one_of(entry: str, folders: set[str]) -> bool:
    """Whether Python would import from one of these folders or archives for an entry; some are mere marks of hooks."""
    return (not entry or os.path.exists(entry)) and os.path.realpath(entry) in folders


def _installed() -> list[str]:
    """The folders of the standard library and of installed packages."""
    library = os.path.dirname(os.__file__)
    return [library, f"{library}/lib-dynload", *site.getsitepackages(), *([site.USER_SITE] if site.USER_SITE else [])]


def _absolute_only(value: str, *, bare: bool = False) -> str:
    """A list of folders or files without the empty and relative ones; `bare` names of libraries stay."""
    entries = (value.replace(" ", ":") if bare else value).split(":")
    return ":".join(entry for entry in entries if os.path.isabs(entry) or (bare and entry and "/" not in entry))
