"""Models on a hub, by its own client library: the extra ``hub``.

A model there is a repository with the one file ``model.nextbar`` (:mod:`nextbar.one_file`)
and its card as ``README.md``. ``hub:OWNER/NAME`` names it wherever a run is asked for, and
``hub:OWNER/NAME@REVISION`` as it was at a tag or a commit. What is fetched lies in the client's
own cache, and is opened as any such file: checked, unpacked, never executed. Which hub
(``HF_ENDPOINT``), the cache (``HF_HOME``) and the token are the client's matter; nextbar
reads and writes no token.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from nextbar import one_file
from nextbar._version import __version__
from nextbar.errors import FetchError, OutputError, RunError, UsageError

PREFIX: Final = "hub:"
MODEL, CARD = "model.nextbar", "README.md"
COMMIT: Final = re.compile("[0-9a-f]{40}")
NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
SECONDS_OF_SILENCE: Final = 30
_LOG_IN: Final = "log in with `hf auth login`, as somebody who may {}"

_found: dict[str, Path] = {}


def is_on_hub(run: str | Path) -> bool:
    """Whether this names a model on a hub."""
    return str(run).startswith(PREFIX)


def opened(name: str | Path) -> Path:
    """The run folder of ``hub:OWNER/NAME[@REVISION]``, fetched where it is not yet here.

    A branch or a tag is looked up once a process, and what is recorded in its place is the
    commit. A commit that was fetched before needs no network. Raises UsageError for no such
    name and without the extra, FetchError where the hub does not answer, RunError where it has
    no such model, or its file is none.
    """
    name = str(name).replace("\\", "/")  # as a path of Windows has it
    if name not in _found:
        repository, revision = _parse(name)
        file, commit = _fetch(repository, revision)
        _found[name] = one_file.opened(file, named=f"{PREFIX}{repository}@{commit}")
    return _found[name]


def check(repository: str) -> tuple[Any, Any]:
    """The client and its library; UsageError without the extra, or where this is no OWNER/NAME."""
    if not NAME.fullmatch(repository):
        raise UsageError(f"{repository!r} names nothing on a hub; give OWNER/NAME")
    return _client(f"{PREFIX}{repository}")


def publish(file: Path, card: str, repository: str, *, private: bool) -> str:
    """Puts a model and its card on the hub in one commit; returns ``hub:OWNER/NAME@COMMIT``.

    The repository is made where there is none. Raises what :func:`check` raises, and
    OutputError where the hub does not take it.
    """
    client, hub = check(repository)
    use = f"""
## Use

```sh
pip install 'nextbar[hub]'
nextbar generate {PREFIX}{repository} --out music
```
"""
    head = "---\nlibrary_name: nextbar\ntags: [music, midi]\n---\n"
    additions = [
        hub.CommitOperationAdd(MODEL, str(file)),
        hub.CommitOperationAdd(CARD, (head + card.rstrip("\n") + "\n" + use).encode()),
    ]
    try:
        with _silent(hub):
            client.create_repo(repository, private=private or None, exist_ok=True)
            commit = client.create_commit(
                repository, additions, commit_message=f"A model of nextbar {__version__}"
            )
    except (hub.errors.HTTPError, hub.errors.LocalTokenNotFoundError, OSError, ValueError) as error:
        to_do = _LOG_IN.format(f"write to {repository}")
        raise OutputError(
            f"{PREFIX}{repository} could not be written: {_explain(error, client)}; {to_do}"
        ) from error
    return f"{PREFIX}{repository}@{commit.oid}"


def _parse(name: str) -> tuple[str, str | None]:
    """OWNER/NAME and the revision, None for the newest."""
    repository, at, revision = name.removeprefix(PREFIX).partition("@")
    if not NAME.fullmatch(repository) or (at and not revision):
        raise UsageError(
            f"{name!r} names no model on a hub; give {PREFIX}OWNER/NAME, or "
            f"{PREFIX}OWNER/NAME@REVISION"
        )
    return repository, revision or None


def _fetch(repository: str, revision: str | None) -> tuple[Path, str]:
    """The file in the client's cache, and the commit that it is of."""
    name = f"{PREFIX}{repository}" + (f"@{revision}" if revision else "")
    client, hub = _client(name)
    if revision and COMMIT.fullmatch(revision):
        here = hub.try_to_load_from_cache(repository, MODEL, revision=revision)
        if isinstance(here, str):
            return Path(here), revision
    with _as_ours(name, client, hub):
        told = client.model_info(
            repository, revision=revision, files_metadata=True, timeout=SECONDS_OF_SILENCE
        )
        if not COMMIT.fullmatch(told.sha or ""):
            raise FetchError(f"{name} could not be fetched: {client.endpoint} is no hub of models")
        listed = {each.rfilename: each for each in told.siblings or []}.get(MODEL)
        if listed is None:
            raise RunError(
                f"{name} is no model that nextbar has made: it has no {MODEL}; put one there with "
                f"`nextbar export RUN --push {repository}`"
            )
        if (listed.size or 0) > one_file.LARGEST:
            raise RunError(f"{name} is no model that nextbar has made: {listed.size:,} bytes")
        with _silent(hub):
            file = client.hf_hub_download(repository, MODEL, revision=told.sha)
    if listed.lfs is not None:
        _check(Path(file), listed.lfs["sha256"], name)
    return Path(file), told.sha


def _check(file: Path, sha256: str, name: str) -> None:
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        file.resolve().unlink()  # else the cache would give it again
        raise FetchError(
            f"{name} was not fetched whole: its sha256 is {found}, and the hub says {sha256}; "
            "fetch it again"
        )


def _client(name: str) -> tuple[Any, Any]:
    """What speaks with the hub, and its library."""
    try:
        import huggingface_hub
        from huggingface_hub import errors, utils  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"{name} needs {error.name}, which is not installed; install it with: "
            "pip install 'nextbar[hub]'"
        ) from error
    api = huggingface_hub.HfApi(library_name="nextbar", library_version=__version__)
    return api, huggingface_hub


@contextmanager
def _silent(hub: Any) -> Iterator[None]:
    """The client draws no bars of its own: our caller speaks."""
    were_off = hub.utils.are_progress_bars_disabled()
    hub.utils.disable_progress_bars()
    try:
        yield
    finally:
        if not were_off:
            hub.utils.enable_progress_bars()


@contextmanager
def _as_ours(name: str, client: Any, hub: Any) -> Iterator[None]:
    """Errors of the client become ours."""
    try:
        yield
    except (hub.errors.RepositoryNotFoundError, hub.errors.RevisionNotFoundError) as error:
        to_do = _LOG_IN.format("read it")
        raise RunError(
            f"{name} is not on {client.endpoint}: look at how it is written, and if it is private, "
            f"{to_do}"
        ) from error
    except (hub.errors.HTTPError, OSError, ValueError) as error:
        raise FetchError(
            f"{name} could not be fetched: {_explain(error, client)}; a model that was fetched "
            f"before opens without a network by its commit, {PREFIX}OWNER/NAME@COMMIT"
        ) from error


def _explain(error: Exception, client: Any) -> str:
    """What the hub or the network said, without what the client adds: ids, addresses, advice."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"{client.endpoint} answers {response.status_code}"
    name = type(error).__name__
    if name == "OfflineModeIsEnabled":
        return "HF_HUB_OFFLINE is set"
    return f"{client.endpoint} gives no answer ({name}); is there a network?"
