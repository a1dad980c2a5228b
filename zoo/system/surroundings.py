"""Controls where this process and its children import code from, and which environment variables they see.

The current folder may hold files of an untrusted archive. Python imports from it if `sys.path` has an empty or relative
entry, and the system starts programs and loads libraries from it if `PATH` or `LD_LIBRARY_PATH` has one. Such entries
are dropped here, and libraries that read settings from the current folder are imported from another one. The
command starts with this module, which at first imports only modules that Python has already loaded.
"""

# pathlib is not loaded yet, and nothing may be imported before the current folder is dropped:
# ruff: noqa: PTH100, PTH110, PTH117, PTH120

import os
import site
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PACKAGE_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
"""The folder that this package is imported from."""

_VARIABLES = (
    # Folders, and the language.
    r"PATH|HOME|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|XDG_CACHE_HOME"
    # Settings of the dynamic loader and the C library; a Jetson needs LD_PRELOAD for libgomp.
    r"|LD_LIBRARY_PATH|LD_PRELOAD|GLIBC_TUNABLES|MALLOC_\w+|QEMU_\w+"
    # Settings of threads and kernels.
    r"|OMP_\w+|GOMP_\w+|KMP_\w+|MKL_\w+|OPENBLAS_\w+|BLIS_\w+|TBB_\w+|ONEDNN_\w+|DNNL_\w+"
    # Settings of runtimes, delegates and graphics processors.
    r"|TF_\w+|TFLITE_\w+|LITERT_\w+|XNNPACK_\w+|XLA_\w+|KERAS_\w+|GRPC_VERBOSITY|ABSL_\w+|OPENVINO_\w+|OV_\w+|EDGETPU_\w+"
    r"|CUDA_\w+|CUDNN_\w+|NVIDIA_\w+|HIP_\w+|HSA_\w+|ROCM_\w+|ROCR_\w+|OCL_\w+|PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"
)
_SECRETS = r"(?i)TOKEN|SECRET|PASS|PWD|CRED|AUTH|KEY|BEARER|COOKIE|_PAT$|TF_VAR_|TF_CLI_|TF_CONFIG"
"""Names of variables that may hold secrets, also if they match the list above: `TF_` is Terraform's prefix, too."""
_NO_SECRETS = ("PWD", "OLDPWD", "XAUTHORITY", "SSH_AUTH_SOCK", "XDG_SESSION_COOKIE")
"""Variables that hold paths and no secrets, although their names match; the user's programs need them."""
_LISTS = ("PATH", "LD_LIBRARY_PATH", "LD_PRELOAD")
_FOLDERS = ("HOME", "TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME")


def environment() -> dict[str, str]:
    """Returns the variables for a child process: those that runtimes need, without any that may hold a secret."""
    import re

    kept = {}
    for name, value in os.environ.items():
        if not re.fullmatch(_VARIABLES, name) or re.search(_SECRETS, name):
            continue
        if name in _LISTS:
            # With an empty PATH the C library would use a default of its own.
            value = _absolute_only(value, bare=name == "LD_PRELOAD")  # noqa: PLW2901
        if value and (name not in _FOLDERS or os.path.isabs(value)):
            kept[name] = value
    return kept


class without_secrets:  # noqa: N801  # contextlib is not loaded yet
    """Prepares the environment for the user's programs, such as the browser: no token, no relative entry in `PATH`.

    Such programs need more variables than a list could name, so that only secrets are removed. At the end of the block
    all variables are as before.
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
    """Returns the entries of `sys.path` for a child process: only absolute ones, without the current folder.

    The folder of this package comes last if no entry names it; it may be the current folder.
    """
    unsafe = _unsafe_folders()
    kept = [entry for entry in sys.path if os.path.isabs(entry) and not _means_one_of(entry, unsafe)]
    return kept if PACKAGE_HOME in kept else [*kept, PACKAGE_HOME]


def forget_current_folder() -> None:
    """Removes the current folder from the places that this process imports code from and starts programs from.

    The folders of the interpreter, of this package and of the script that is run stay, because their authors chose the
    files there. This must be called before any module is imported that a file in the current folder could replace.
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
    """Makes matplotlib ignore a `matplotlibrc` in the current folder, whichever module imports it.

    Keras imports matplotlib if it is installed. A damaged `matplotlibrc` would cause an error, and any other would
    change the drawings. The settings in the user's home folder are still read.
    """
    if not any(isinstance(finder, _Elsewhere) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Elsewhere())


class _Elsewhere:
    """Finds matplotlib like the other finders, and runs its import in a folder that nobody else can write to."""

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
                except OSError:  # the folder was deleted, or may not be read
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
    """Returns the current folder and the relative entries of `PYTHONPATH`, which Python makes absolute when it starts.

    The folder of this package is not among them, because it is in use already.
    """
    named = ["", *os.environ.get("PYTHONPATH", "").split(os.pathsep), *sys.path]
    try:
        found = {os.path.realpath(entry) for entry in named if not os.path.isabs(entry)}
    except FileNotFoundError:  # the current folder was deleted
        return set()
    return found - {os.path.realpath(PACKAGE_HOME)}


def _means_one_of(entry: str, folders: set[str]) -> bool:
    """Whether Python would import from one of these folders for an entry; some entries are only names for hooks."""
    return (not entry or os.path.exists(entry)) and os.path.realpath(entry) in folders


def _installed() -> list[str]:
    """Returns the folders of the standard library and of installed packages."""
    library = os.path.dirname(os.__file__)
    return [library, f"{library}/lib-dynload", *site.getsitepackages(), *([site.USER_SITE] if site.USER_SITE else [])]


def _absolute_only(value: str, *, bare: bool = False) -> str:
    """Removes empty and relative entries from a list of folders or files; with `bare` names of libraries stay."""
    entries = (value.replace(" ", ":") if bare else value).split(":")
    return ":".join(entry for entry in entries if os.path.isabs(entry) or (bare and entry and "/" not in entry))
