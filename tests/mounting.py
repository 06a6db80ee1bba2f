"""A Secret as the kubelet mounts it: each content in a folder of its own, and a link that is turned to the next one in
one step.
"""

import secrets
import shutil
from pathlib import Path


def mount(folder: Path, text: str, *, name: str = "url") -> Path:
    """The file's path, which is the same each time; it says `text` from now on."""
    before = list(folder.glob("..20*"))
    data = folder / f"..2027_01_15_{secrets.token_hex(4)}"
    data.mkdir(parents=True)
    (data / name).write_text(text, encoding="utf-8")
    (folder / "..data_tmp").symlink_to(data.name)
    (folder / "..data_tmp").replace(folder / "..data")
    file = folder / name
    if not file.is_symlink():
        file.symlink_to(f"..data/{name}")
    for old in before:
        shutil.rmtree(old)
    return file
