from __future__ import annotations

import os
from pathlib import Path

import pytest
from pictures import encoded, picture

from imgray.errors import RequestError
from imgray.pipeline import Pipeline
from imgray.plan import Plan, make_plan

SWAP = Pipeline.parse("swap:rg")
WEBP = Pipeline.parse("swap:rg/convert:webp")
PNG = encoded(picture())
JPEG = encoded(picture(), "JPEG")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    write(folder, {"a.png": PNG, "b/c.jpg": JPEG, "b/no-extension": PNG, "b/notes.txt": b"hello", ".hidden/x.png": PNG})
    return folder


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def names(plan: Plan, out: Path) -> dict[str, str]:
    return {item.source.name: str(item.destination.relative_to(out)) for item in plan.items}


def test_images_are_found_by_content_and_the_structure_is_kept(folder: Path, tmp_path: Path) -> None:
    plan = make_plan([folder], tmp_path / "out", SWAP)
    assert names(plan, tmp_path / "out") == {
        "a.png": "a.png",
        "c.jpg": "b/c.jpg",
        "no-extension": "b/no-extension.png",
    }
    assert (plan.problems, plan.ignored) == ([], 1)


def test_with_several_paths_each_folder_keeps_its_name(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "other", {"a.png": PNG})
    plan = make_plan([folder, tmp_path / "other", folder / "b" / "c.jpg"], tmp_path / "out", SWAP)
    found = {str(item.destination.relative_to(tmp_path / "out")) for item in plan.items}
    assert found == {"in/a.png", "in/b/c.jpg", "in/b/no-extension.png", "other/a.png", "c.jpg"}


def test_a_result_has_the_extension_of_its_format_and_no_two_share_a_name(tmp_path: Path) -> None:
    write(tmp_path / "in", {"a.png": PNG, "a.jpg": JPEG, "b.JPEG": JPEG, "c.jpg": PNG})
    assert names(make_plan([tmp_path / "in"], tmp_path / "out", WEBP), tmp_path / "out") == {
        "a.png": "a.png.webp",
        "a.jpg": "a.jpg.webp",
        "b.JPEG": "b.webp",
        "c.jpg": "c.webp",
    }
    kept = names(make_plan([tmp_path / "in"], tmp_path / "out", SWAP), tmp_path / "out")
    assert kept == {"a.png": "a.png", "a.jpg": "a.jpg", "b.JPEG": "b.JPEG", "c.jpg": "c.png"}


def test_a_file_that_claims_to_be_an_image_counts_whatever_it_holds(tmp_path: Path) -> None:
    write(tmp_path / "in", {"broken.png": b"hello", "empty.jpg": b"", "notes.txt": b"hello"})
    plan = make_plan([tmp_path / "in"], tmp_path / "out", SWAP)
    assert set(names(plan, tmp_path / "out")) == {"broken.png", "empty.jpg"}
    assert set(names(make_plan([tmp_path / "in" / "notes.txt"], tmp_path / "out", SWAP), tmp_path / "out")) == {
        "notes.txt"
    }


def test_results_inside_the_source_folder_are_no_sources(folder: Path) -> None:
    write(folder / "out", {"a.png": PNG})
    assert len(make_plan([folder], folder / "out", SWAP).items) == 3


def test_a_fingerprint_changes_with_all_that_the_result_depends_on(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def fingerprint(pipeline: Pipeline = SWAP, out: Path = out) -> str:
        return make_plan([folder / "a.png"], out, pipeline).items[0].fingerprint

    first = fingerprint()
    assert fingerprint() == first
    assert fingerprint(pipeline=Pipeline.parse("swap:rb")) != first
    assert fingerprint(out=tmp_path / "elsewhere") != first
    os.utime(folder / "a.png", (1, 1))
    assert fingerprint() != first


def test_what_cannot_be_begun_is_refused_with_its_name(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="nowhere' does not exist"):
        make_plan([tmp_path / "nowhere"], tmp_path / "out", SWAP)
    with pytest.raises(RequestError, match="is a source, and would be replaced"):
        make_plan([folder], folder, SWAP)
    write(tmp_path, {"x/in/a.png": PNG})
    with pytest.raises(RequestError, match="would both become"):
        make_plan([folder, tmp_path / "x" / "in"], tmp_path / "out", SWAP)


def test_odd_files_are_passed_over_or_named(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder, {"a.png": PNG})
    os.mkfifo(folder / "pipe.png")
    (folder / "loop").symlink_to(folder)
    (folder / "dangling.png").symlink_to(folder / "nothing")
    (folder / "linked.png").symlink_to(folder / "a.png")
    (folder / os.fsdecode(b"\xff\xfe.png")).write_bytes(PNG)
    plan = make_plan([folder], tmp_path / "out", SWAP)
    assert sorted(names(plan, tmp_path / "out")) == sorted(["a.png", "linked.png", os.fsdecode(b"\xff\xfe.png")])


def test_no_result_ever_replaces_a_source_however_the_paths_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "pics", {"a.png": PNG, "pics/a.png": PNG})
    (tmp_path / "link").symlink_to(tmp_path / "pics")
    monkeypatch.chdir(tmp_path / "pics")
    for source, out in (("../pics", "."), (".", "."), ("../link", "../pics"), ("pics", ".")):
        with pytest.raises(RequestError, match="is a source"):
            make_plan([Path(source), Path("a.png")] if source == "pics" else [Path(source)], Path(out), SWAP)


def test_results_of_an_earlier_run_are_no_sources_however_the_paths_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "pics", {"a.png": PNG, "out/a.png": PNG})
    monkeypatch.chdir(tmp_path / "pics")
    assert len(make_plan([Path("../pics")], Path("out"), SWAP).items) == 1
