"""Weights from Hugging Face's hub, through huggingface_hub (the extra `hub`), its cache and its credentials.

Of a repository one commit is used: the one named, or the newest, which `LoadedModel.source` then names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from evit_mobile.errors import CheckpointError, UsageError
from evit_mobile.models.weights.load import LoadedModel, load_checkpoint
from evit_mobile.models.weights.stated import CONFIG_FILE, HUB_FILES, PROCESSOR_FILE
from evit_mobile.spec import CLASSIFIERS, SEGMENTERS

DEFAULT_REFERENCE = "hub"
REFERENCE = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w.-]+))?(?:/(.+))?")
ALLOWED = "hub, or hf://OWNER/NAME[@REVISION][/FILE] such as hf://timm/efficientvit_b1.r224_in1k"
SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubReference:
    """A weights file of a repository. `revision` is a commit, tag or branch, None for the newest commit; `file` is None
    for one of the hub's own names.
    """

    repository: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"hf://{self.repository}{revision}" + (f"/{self.file}" if self.file else "")


DEFAULTS = {
    **{name: HubReference(repository=f"timm/{name}.r224_in1k") for name in CLASSIFIERS},
    **{name: HubReference(repository="han-cai/efficientvit-seg", file=f"{name}.pt") for name in SEGMENTERS},
}
"""Where `hub` finds a variant: timm's conversions of the original ImageNet-1k weights at 224x224, and MIT's segmentation
models. L0 is published only inside other models.
"""


def is_hub_reference(weights: str) -> bool:
    """Whether `--weights` names the hub and not a file."""
    return weights == DEFAULT_REFERENCE or weights.startswith("hf://")


def parse_reference(reference: str, model: str | None) -> HubReference:
    """Reads `hub` (`model` says which) or `hf://OWNER/NAME[@REVISION][/FILE]`. Raises UsageError for anything else."""
    if reference == DEFAULT_REFERENCE:
        if model not in DEFAULTS:
            raise UsageError(
                got="weights from the hub without a model" if model is None else f"weights from the hub for {model!r}",
                allowed=", ".join(DEFAULTS),
                do="pass --model NAME with --weights hub, or a whole reference",
            )
        return DEFAULTS[model]
    parsed = REFERENCE.fullmatch(reference)
    if parsed is None:
        raise UsageError(got=f"weights {reference!r}", allowed=ALLOWED, do="correct the reference")
    return HubReference(repository=parsed[1], revision=parsed[2], file=parsed[3])


def load_hub(
    reference: str,
    *,
    model: str | None = None,
    size: tuple[int, int] | None = None,
    num_classes: int | None = None,
) -> LoadedModel:
    """The reference model with weights of a hub repository; see `load_checkpoint` for the other arguments.

    Uses the hub's cache; with HF_HUB_OFFLINE=1 nothing else. Raises CheckpointError when the weights cannot be had, are
    not what the hub says they are, or do not load; UsageError for a malformed reference.
    """
    wanted = parse_reference(reference, model)
    path, pinned = _download(wanted)
    loaded = load_checkpoint(path, model=model, size=size, num_classes=num_classes, source=str(pinned))
    stored = path.resolve().name  # the cache names a large file by its SHA-256
    if SHA256.fullmatch(stored) and stored != loaded.sha256:
        raise CheckpointError(
            got=f"{path} with SHA-256 {loaded.sha256}",
            allowed=f"the file that the hub has, with SHA-256 {stored}",
            do=f"delete {path.resolve()} and load it again",
        )
    return loaded


def _download(wanted: HubReference) -> tuple[Path, HubReference]:
    """Path of the weights in the cache, the config.json beside it where there is one, and the commit it is from."""
    hub = _import_hub()
    names = [wanted.file] if wanted.file else list(HUB_FILES)
    unreachable: Exception | None = None
    for name in names:
        try:
            path = Path(
                hub.hf_hub_download(
                    wanted.repository, name, revision=wanted.revision, local_files_only=unreachable is not None
                )
            )
        except hub.errors.LocalEntryNotFoundError as error:
            unreachable = error
        except hub.errors.EntryNotFoundError:
            continue
        except Exception as error:  # the network and the server may fail in any way
            raise _refused(wanted, error) from error
        else:
            pinned = replace(wanted, revision=_commit(path), file=name)
            _fetch_config(hub, pinned)
            return path, pinned
    if unreachable is not None:
        raise _unreachable(wanted, names) from unreachable
    raise CheckpointError(
        got=f"{wanted}, which has no {' and no '.join(names)}", allowed=ALLOWED, do="name the file: .../FILE"
    )


def _import_hub() -> ModuleType:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise CheckpointError(
            got="weights from the hub without the package huggingface_hub",
            allowed="huggingface_hub 0.30 or later",
            do="pip install 'evit-mobile[hub]'",
        ) from error
    return huggingface_hub


def _commit(path: Path) -> str:
    """The commit in a cache path .../snapshots/COMMIT/FILE."""
    parts = path.parts
    return parts[len(parts) - 1 - parts[::-1].index("snapshots") + 1]


def _fetch_config(hub: ModuleType, pinned: HubReference) -> None:
    """Brings what the same commit states beside the weights into the cache, where the repository has it."""
    if pinned.file not in HUB_FILES:
        return
    for name in (CONFIG_FILE, PROCESSOR_FILE):
        try:
            hub.hf_hub_download(pinned.repository, name, revision=pinned.revision)
        except hub.errors.EntryNotFoundError:
            continue  # weights without them are usable; then size and preprocessing are the variant's defaults
        except Exception as error:
            raise _refused(pinned, error) from error


def _unreachable(wanted: HubReference, names: list[str]) -> CheckpointError:
    return CheckpointError(
        got=f"{wanted}, which is not in the local cache, and no way to reach the hub",
        allowed="a network connection, or the file in the cache of huggingface_hub",
        do=f"with a network run `hf download {wanted.repository} {names[0]}`, and copy the cache or the file here",
    )


def _refused(wanted: HubReference, error: Exception) -> CheckpointError:
    lines = str(error).splitlines()
    return CheckpointError(
        got=f"{wanted}, which the hub refuses: {type(error).__name__} {lines[0] if lines else ''}".rstrip(),
        allowed=ALLOWED,
        do="check the name and revision, or log in with `hf auth login` where the repository needs it",
    )
